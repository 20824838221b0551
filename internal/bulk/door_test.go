package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

var doors = []bulk.Door{bulk.Calls, bulk.Stream}

// TestBadInput imports what people may have by mistake, and reads what they are told.
func TestBadInput(t *testing.T) {
	big := strings.Repeat("x", bulk.MaxRow+1)
	truncated := gzipped(t, benchInput("", "user_%016x\n", 20000))
	truncated = truncated[:len(truncated)-10]
	for _, tt := range []struct {
		name, text string
		accounts   []string
		rejects    string // line:UserID:code:reason, each on a line
		err        string
	}{
		{name: "empty"},
		{name: "byte order mark only", text: "\uFEFF"},
		{name: "blank", text: "\r\n  \n\n"},
		{name: "header only", text: "UserID,Nick"},
		{name: "byte order mark and carriage returns", text: "\uFEFFUserID,Nick\r\nann,Ann\r\n\r\nbob,\r\n", accounts: []string{"ann", "bob"}},
		{
			name: "names", text: "ann\n" + big + "\nb\xffb\ne\x00e\nbad1\nlyn", accounts: []string{"ann", "lyn"},
			rejects: "2::70402:the row has more than 65536 bytes\n" +
				"3:b\uFFFDb:70402:the row is not UTF-8\n" +
				"4:e\x00e:70402:the row has a NUL byte\n" +
				"5:bad1:70402:the name bad1 is bad\n",
		},
		{
			name: "csv", text: "UserID,Nick\nann,Ann,\nbob\n\"b\"o,x\n,x\nlyn,\"L\nL\"\nbad2,\neve,\"E\nzoe,Z\n", accounts: []string{"lyn"},
			rejects: "2:ann:70402:the row has 3 columns, the header 2\n" +
				"3::70402:the row has 1 column, the header 2\n" +
				"4::70402:more follows after the quote that closes a field\n" +
				"5::70402:UserID is empty\n" +
				"8:bad2:70402:the name bad2 is bad\n" +
				"9::70402:a quoted field of the row is still open at the end of the input; nothing from here on was read\n",
		},
		{
			name: "ndjson", text: "{\"UserID\":\"ann\"}\n{\"UserID\":\n{\"Nick\":\"x\"}\n{\"UserID\":\"bad3\"}\n\"bob\"\n", accounts: []string{"ann", "bob"},
			rejects: "2::60003:*\n3::70402:UserID is empty or missing\n4:bad3:70402:the name bad3 is bad\n",
		},
		{name: "long name in the rejects", text: "bad" + strings.Repeat("y", 500), rejects: "1:bad" + strings.Repeat("y", 125) + ":70402:*\n"},
		{
			name: "truncated gzip", text: string(truncated), accounts: nil,
			err: "in:20001: the gzip data ends too early, the file is truncated: unexpected EOF",
		},
	} {
		for _, door := range doors {
			t.Run(tt.name+" by "+string(door), func(t *testing.T) { importBad(t, door, tt.text, tt.accounts, tt.rejects, tt.err) })
		}
	}
}

func importBad(t *testing.T, door bulk.Door, text string, accounts []string, rejects, wantErr string) {
	t.Helper()
	in, err := bulk.OpenInput("-", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := bulk.NewReader("in", in, bulk.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := newService()
	o := bulk.Options{Service: s, Door: door, Wait: noWait, Rejects: filepath.Join(t.TempDir(), "r")}
	sum, err := bulk.Import(t.Context(), r, o)
	if wantErr == "" && err != nil || wantErr != "" && (err == nil || err.Error() != "bulk: import: "+wantErr) {
		t.Errorf("error %v, want %s", err, wantErr)
	}
	got := ""
	for i, r := range readRejects(t, o.Rejects) {
		if lines := strings.Split(rejects, "\n"); i < len(lines) && strings.HasSuffix(lines[i], ":*") {
			r.Reason = "*"
		}
		got += fmt.Sprintf("%d:%s:%d:%s\n", r.Line, r.UserID, r.Code, r.Reason)
	}
	if diff := cmp.Diff(rejects, got); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
	if wantErr != "" {
		if len(s.accounts) == 0 || int64(len(s.accounts)) != sum.Rows() {
			t.Errorf("%d accounts, %+v", len(s.accounts), sum)
		}
		return
	}
	for _, name := range accounts {
		if _, ok := s.accounts[name]; !ok {
			t.Errorf("%s was not imported", name)
		}
	}
	if n := len(accounts); len(s.accounts) != n || sum.Created != int64(n) || !sum.Finished {
		t.Errorf("accounts %v, %+v", s.accounts, sum)
	}
}

// TestImportReadError holds that what can be read is imported, and that the rest can be gone
// on with when it can be read.
func TestImportReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, door := range doors {
		t.Run(string(door), func(t *testing.T) {
			s := newService()
			o := bulk.Options{Service: s, Door: door, Wait: noWait, Checkpoint: filepath.Join(t.TempDir(), "c"), Resume: true}
			r, err := bulk.NewReader("in", io.MultiReader(strings.NewReader(names[:300*4]), iotest.ErrReader(broken)), bulk.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sum, err := bulk.Import(t.Context(), r, o)
			if line := int64(strings.Count(names[:300*4], "\n")); !errors.Is(err, broken) || sum.Line != line || sum.Checkpoint != o.Checkpoint ||
				!strings.HasPrefix(err.Error(), "bulk: import: in:"+itoa(line+1)+": ") {
				t.Errorf("%+v, error %v", sum, err)
			}
			if sum, err = bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err != nil || sum.Rows() != 400 {
				t.Errorf("%+v, error %v", sum, err)
			}
		})
	}
}

var errRefused error = &imclient.Error{Command: "fake", Code: 70403, Info: "no admin"}

// TestImportEndsWhereItsInputWaits holds that an import whose service refuses, or whose ctx
// ends, does not wait for an input that never comes.
func TestImportEndsWhereItsInputWaits(t *testing.T) {
	for _, door := range doors {
		for _, refused := range []bool{true, false} {
			t.Run(fmt.Sprint(door, refused), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				pipe, w := io.Pipe()
				defer w.Close()
				inputCtx, stopInput := context.WithCancel(ctx)
				defer stopInput()
				s := &answers{service: newService()}
				if refused {
					s.multi = func(imclient.ImportRequest) (imclient.ImportReply, error) {
						if s.called++; s.called <= 82 {
							return imclient.ImportReply{}, nil
						}
						return imclient.ImportReply{}, errRefused
					}
					s.stream = func(call int, body io.Reader, _ imclient.BulkImportOptions) (imclient.BulkResult, error) {
						if call == 1 {
							return imclient.BulkResult{}, nil
						}
						if _, err := io.ReadFull(body, make([]byte, 8192*len("\"user\"\n"))); err != nil {
							t.Error(err)
						}
						return imclient.BulkResult{}, errRefused
					}
				}
				go io.WriteString(w, strings.Repeat("user\n", 8192+108)) // two segments and a part of one, 83 calls
				r, err := bulk.NewReader("in", bulk.Interruptible(inputCtx, pipe), bulk.ReaderOptions{})
				if err != nil {
					t.Fatal(err)
				}
				sum, err := bulk.Import(ctx, r, bulk.Options{
					Service: s, Door: door, Wait: noWait, StopInput: stopInput, Concurrency: 1,
					OnProgress: func(s bulk.Summary) {
						if !refused && s.Line > 8000 {
							cancel()
						}
					},
				})
				want := context.Canceled
				if refused {
					want = errRefused
				}
				if !errors.Is(err, want) || refused && errors.Is(err, context.Canceled) {
					t.Errorf("%+v, error %v", sum, err)
				}
			})
		}
	}
}

// answers is a Service that answers as it is told.
type answers struct {
	*service
	multi  func(imclient.ImportRequest) (imclient.ImportReply, error)
	single func(imclient.Account) error
	stream func(call int, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error)
	calls  int // of stream
	called int // of what multi wants
}

func (a *answers) MultiAccountImport(ctx context.Context, r imclient.ImportRequest) (imclient.ImportReply, error) {
	if a.multi == nil {
		return a.service.MultiAccountImport(ctx, r)
	}
	return a.multi(r)
}

func (a *answers) AccountImport(ctx context.Context, account imclient.Account) error {
	if a.single == nil {
		return a.service.AccountImport(ctx, account)
	}
	return a.single(account)
}

func (a *answers) BulkImport(ctx context.Context, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error) {
	a.calls++
	if a.stream == nil {
		return a.service.BulkImport(ctx, body, o)
	}
	return a.stream(a.calls, body, o)
}

// TestExplainWhenBusy holds that a row of which the service could not say why it failed is not
// rejected for that: the import stops.
func TestExplainWhenBusy(t *testing.T) {
	for _, code := range []int{60007, 60008, 70169, 70202, 70500} {
		s := &answers{service: newService()}
		s.noDetail = true
		s.single = func(imclient.Account) error { return &imclient.Error{Command: "fake", Code: code} }
		sum, err := bulk.Import(t.Context(), newReader(t, "ann\nbad1\n", bulk.ReaderOptions{}), bulk.Options{Service: s})
		if refused, ok := errors.AsType[*imclient.Error](err); !ok || refused.Code != code || sum.Rejected != 0 || sum.Line != 0 {
			t.Errorf("%d: %+v, error %v", code, sum, err)
		}
	}
}

// TestRowFailsForItsNick holds that a name which fails in one row and not in another of the
// same call is counted once for each row, whatever the service can say.
func TestRowFailsForItsNick(t *testing.T) {
	text := "UserID,Nick\nann,A\nann," + strings.Repeat("x", maxNick+1) + "\nann,B\nbob,\n"
	for _, noCount := range []bool{false, true} {
		for _, noDetail := range []bool{false, true} {
			s := newService()
			s.noCount, s.noDetail = noCount, noDetail
			sum, err := bulk.Import(t.Context(), newReader(t, text, bulk.ReaderOptions{}), bulk.Options{Service: s})
			want := bulk.Counts{Created: 2, Repeated: 1, Rejected: 1}
			if noCount {
				want = bulk.Counts{Imported: 3, Rejected: 1}
			}
			if err != nil || sum.Counts != want || s.accounts["ann"].nick != "B" {
				t.Errorf("%+v, error %v, Nick %s; want %+v", sum.Counts, err, s.accounts["ann"].nick, want)
			}
		}
	}
}

// TestCallsWithoutRows holds that a part of the input in which nothing can be imported makes no
// call, and is settled in its turn.
func TestCallsWithoutRows(t *testing.T) {
	s := newService()
	var lines []int64
	sum, err := bulk.Import(t.Context(), newReader(t, strings.Repeat("\xff\n", 250), bulk.ReaderOptions{Format: bulk.Names}), bulk.Options{
		Service: s, OnProgress: func(s bulk.Summary) { lines = append(lines, s.Line) },
	})
	if err != nil || sum.Rejected != 250 || s.calls != 0 || !slices.Equal(lines, []int64{100, 200, 250}) {
		t.Errorf("%+v, error %v, %d calls, progress at lines %v", sum, err, s.calls, lines)
	}
}

// TestFailureAmongOthers holds that nothing behind a call that failed is settled, and nothing
// before it is left out.
func TestFailureAmongOthers(t *testing.T) {
	s := &answers{service: newService()}
	behind := make(chan struct{})
	s.multi = func(r imclient.ImportRequest) (imclient.ImportReply, error) {
		switch r.Names[0] {
		case "user_0200":
			<-behind
			return imclient.ImportReply{}, errLost
		case "user_0300":
			defer close(behind)
		}
		return s.service.MultiAccountImport(t.Context(), r)
	}
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "user_%04d\n", i)
	}
	o := bulk.Options{Service: s, Concurrency: 4, Checkpoint: filepath.Join(t.TempDir(), "c"), Resume: true}
	sum, err := bulk.Import(t.Context(), newReader(t, text.String(), bulk.ReaderOptions{}), o)
	if !errors.Is(err, io.ErrUnexpectedEOF) || sum.Line != 200 || sum.Created != 200 {
		t.Errorf("%+v, error %v", sum, err)
	}
	if s.service.calls < 3 {
		t.Errorf("%d calls have succeeded, one of them behind the one that failed", s.service.calls)
	}
	s.multi = nil
	if sum, err = bulk.Import(t.Context(), newReader(t, text.String(), bulk.ReaderOptions{}), o); err != nil || sum.Rows() != 1000 || len(s.accounts) != 1000 {
		t.Errorf("%+v, error %v", sum, err)
	}
}

func TestStreamNotThere(t *testing.T) {
	s := newService()
	s.noStream = true
	notice := ""
	o := bulk.Options{Service: s, Door: bulk.Stream, Notice: func(text string) { notice += text + "\n" }}
	sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o)
	if err != nil || sum.Door != bulk.Calls || sum.Rows() != 400 || notice != "the service has no bulk_import, so multiaccount_import is used\n" {
		t.Errorf("%+v, error %v, notice %q", sum, err, notice)
	}
	o.KeepTinyIDs = true
	_, err = bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{KeepTinyIDs: true}), o)
	if err == nil || !strings.HasPrefix(err.Error(), "bulk: import: the service has no bulk_import, without which TinyIDs cannot be kept: ") {
		t.Errorf("error %v", err)
	}
}

// TestStreamKeepsTinyIDs holds that rows arrive as they are.
func TestStreamKeepsTinyIDs(t *testing.T) {
	s := &answers{service: newService()}
	var sent strings.Builder
	s.stream = func(call int, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error) {
		if call > 1 && !o.KeepTinyIDs {
			t.Error("without KeepTinyIDs")
		}
		_, err := io.Copy(&sent, body)
		return imclient.BulkResult{Rows: int64(strings.Count(sent.String(), "\n")), Created: 3}, err
	}
	text := "UserID,TinyID,Created,ValidFrom,Nick,FaceURL\nann,144115188075855873,17,18,\"A\nnn\",http://x\n\nbob,,,,,\n\"e\"\"e\",5,,,,\n"
	o := bulk.Options{Service: s, KeepTinyIDs: true, Wait: noWait}
	sum, err := bulk.Import(t.Context(), newReader(t, text, bulk.ReaderOptions{KeepTinyIDs: true}), o)
	want := "\n" + `{"UserID":"ann","Nick":"A\nnn","FaceUrl":"http://x","TinyID":"144115188075855873","Created":17,"ValidFrom":18}` +
		"\n\n\n\"bob\"\n" + `{"UserID":"e\"e","TinyID":"5"}` + "\n"
	if diff := cmp.Diff(want, sent.String()); err != nil || diff != "" || sum.Created != 3 || sum.Line != 6 {
		t.Errorf("%+v, error %v, body (-want +got):\n%s", sum, err, diff)
	}
}

// TestStreamGivesUp holds that a stream which comes no further is begun again, after longer and
// longer pauses and with the reason told, but not for ever.
func TestStreamGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  error
		want string
	}{
		{"broken", errLost, errLost.Error()},
		{"busy", &imclient.Error{Command: "fake", Code: 70202, Info: "busy"}, "imclient: fake: 70202 busy"},
		{"body not read", &imclient.Error{Command: "fake", Code: 60003, Info: "cut"}, "imclient: fake: 60003 cut"},
		{"success too early", nil, "the service has ended the import before its end, at line 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &answers{service: newService()}
			s.stream = func(call int, body io.Reader, _ imclient.BulkImportOptions) (imclient.BulkResult, error) {
				switch call {
				case 1: // the probe
					return imclient.BulkResult{}, nil
				case 2, 3, 4:
					return imclient.BulkResult{}, errLost
				case 5: // comes further, so that counting begins anew
					return imclient.BulkResult{Rows: 4, Created: 4}, tt.end
				}
				if line, err := io.ReadAll(io.LimitReader(body, 6)); string(line) != "\"ann\"\n" {
					t.Errorf("call %d got %q, error %v", call, line, err)
				}
				return imclient.BulkResult{}, tt.end
			}
			var pauses []time.Duration
			notices := 0
			sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), bulk.Options{
				Service: s, Door: bulk.Stream, Notice: func(string) { notices++ },
				Wait: func(_ context.Context, d time.Duration) error {
					pauses = append(pauses, d)
					return nil
				},
			})
			if err == nil || err.Error() != "bulk: import: given up after 8 tries that came no further: "+tt.want || sum.Line != 4 || sum.Created != 4 {
				t.Errorf("%+v, error %v", sum, err)
			}
			if s.calls != 1+3+1+8 || notices != len(pauses) || len(pauses) != 11 {
				t.Errorf("%d calls, %d notices, pauses %v", s.calls, notices, pauses)
			}
			for i, least := range []time.Duration{250, 500, 1000, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000} {
				if least *= time.Millisecond; i < len(pauses) && (pauses[i] < least || pauses[i] >= 2*least) {
					t.Errorf("pause %d is %v", i, pauses[i])
				}
			}
		})
	}
}

// TestStreamRefused holds that no other refusal is met twice.
func TestStreamRefused(t *testing.T) {
	s := &answers{service: newService()}
	s.stream = func(call int, _ io.Reader, _ imclient.BulkImportOptions) (imclient.BulkResult, error) {
		if call == 1 {
			return imclient.BulkResult{}, nil
		}
		return imclient.BulkResult{}, errRefused
	}
	sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), bulk.Options{Service: s, Door: bulk.Stream})
	if err == nil || err.Error() != "bulk: import: imclient: fake: 70403 no admin" || s.calls != 2 || sum.Checkpoint != "" {
		t.Errorf("%+v, error %v, %d calls", sum, err, s.calls)
	}
}

// TestStreamBusyAtFirst holds that a service which takes no stream just now is asked again, and
// one that cannot be reached is not.
func TestStreamBusyAtFirst(t *testing.T) {
	s := &answers{service: newService()}
	s.stream = func(call int, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error) {
		if call < 4 {
			return imclient.BulkResult{}, &imclient.Error{Command: "fake", Code: 70202, Info: "busy"}
		}
		return s.service.BulkImport(t.Context(), body, o)
	}
	o := bulk.Options{Service: s, Door: bulk.Stream, Wait: noWait}
	if sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err != nil || sum.Door != bulk.Stream || s.calls != 5 {
		t.Errorf("%+v, error %v, %d calls", sum, err, s.calls)
	}
	s.calls = 0
	s.stream = func(int, io.Reader, imclient.BulkImportOptions) (imclient.BulkResult, error) {
		return imclient.BulkResult{}, errLost
	}
	if sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); !errors.Is(err, errLost) || s.calls != 1 {
		t.Errorf("%+v, error %v, %d calls", sum, err, s.calls)
	}
	s.stream = func(int, io.Reader, imclient.BulkImportOptions) (imclient.BulkResult, error) {
		return imclient.BulkResult{}, &imclient.Error{Code: 70202}
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Wait = func(ctx context.Context, d time.Duration) error { cancel(); return ctx.Err() }
	if sum, err := bulk.Import(ctx, newReader(t, names, bulk.ReaderOptions{}), o); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, error %v", sum, err)
	}
}

// TestStreamTellsAhead holds that failures are settled with the progress that comes to them,
// and not with one before: if the stream breaks then, they are told again.
func TestStreamTellsAhead(t *testing.T) {
	s := &answers{service: newService()}
	s.stream = func(call int, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error) {
		if call == 1 {
			return imclient.BulkResult{}, nil
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return imclient.BulkResult{}, err
		}
		bad := func(row int64) {
			o.OnFailure(imclient.BulkFailure{Row: row, Result: imclient.Result{UserID: fmt.Sprint(call), Code: 1}})
		}
		if call == 2 {
			bad(1)
			bad(3)
			o.OnProgress(imclient.BulkResult{Rows: 2, Created: 1, Failed: 1})
			return imclient.BulkResult{Rows: 2, Created: 1, Failed: 1}, errLost
		}
		if string(text) != "\"c\"\n\"d\"\n" {
			t.Errorf("the second body is %q", text)
		}
		bad(1)
		return imclient.BulkResult{Rows: 2, Created: 1, Failed: 1}, nil
	}
	var got []bulk.Reject
	sum, err := bulk.Import(t.Context(), newReader(t, "a\nb\nc\nd\n", bulk.ReaderOptions{}), bulk.Options{
		Service: s, Door: bulk.Stream, Wait: noWait, OnReject: func(r bulk.Reject) { got = append(got, r) },
	})
	want := []bulk.Reject{{Line: 1, UserID: "2", Code: 1}, {Line: 3, UserID: "3", Code: 1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || sum.Counts != (bulk.Counts{Created: 2, Rejected: 2}) {
		t.Errorf("%+v, error %v, rejects (-want +got):\n%s", sum, err, diff)
	}
}

// TestStreamStops holds that an import which is interrupted sends no more than what it has
// begun, however much was read ahead, and settles all that the service has got.
func TestStreamStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &answers{service: newService()}
		s.stream = func(call int, body io.Reader, _ imclient.BulkImportOptions) (imclient.BulkResult, error) {
			if call == 1 {
				return imclient.BulkResult{}, nil
			}
			if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
				t.Error(err)
			}
			synctest.Wait() // all of the input is read
			cancel()
			synctest.Wait()
			rest, err := io.ReadAll(body)
			if len(rest) != 4096*len("\"user\"\n")-10 {
				t.Errorf("%d bytes came behind the interruption", len(rest))
			}
			return imclient.BulkResult{Rows: 4096, Created: 4096}, err
		}
		sum, err := bulk.Import(ctx, newReader(t, strings.Repeat("user\n", 100_000), bulk.ReaderOptions{}), bulk.Options{Service: s, Door: bulk.Stream})
		if !errors.Is(err, context.Canceled) || sum.Line != 4096 || sum.Created != 4096 || sum.Finished {
			t.Errorf("%+v, error %v", sum, err)
		}
	})
}

// TestCallsEnd holds that calls which are under way when an import is interrupted come to their
// end, unless they take too long.
func TestCallsEnd(t *testing.T) {
	for _, long := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			sum, err := bulk.Import(ctx, newReader(t, names, bulk.ReaderOptions{}), bulk.Options{
				Service: slow{nil, func(ctx context.Context) error {
					cancel()
					if long {
						<-ctx.Done()
					}
					return ctx.Err()
				}}, Concurrency: 1,
			})
			if want := int64(100); !errors.Is(err, context.Canceled) || !long && sum.Line < want || long && sum.Line != 0 {
				t.Errorf("%+v, error %v", sum, err)
			}
		})
	}
}

// slow is a Service that imports nothing, as wait wants.
type slow struct {
	bulk.Service
	wait func(context.Context) error
}

func (s slow) MultiAccountImport(ctx context.Context, _ imclient.ImportRequest) (imclient.ImportReply, error) {
	return imclient.ImportReply{}, s.wait(ctx)
}

// TestRejectsCannotBeWritten holds that an import stops which cannot say what it rejects.
func TestRejectsCannotBeWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	for _, door := range doors {
		s := newService()
		text := strings.Repeat("bad"+strings.Repeat("x", 100)+"\n", 5000)
		sum, err := bulk.Import(t.Context(), newReader(t, text, bulk.ReaderOptions{}), bulk.Options{
			Service: s, Door: door, Wait: noWait, Rejects: "/dev/full", Checkpoint: filepath.Join(t.TempDir(), "c"),
		})
		if err == nil || !strings.Contains(err.Error(), "rejects: ") || sum.Finished || sum.Checkpoint != "" {
			t.Errorf("%s: %+v, error %v", door, sum, err)
		}
	}
}
