package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

const storeFailed = "an internal server error occurred, please try again later"

// TestBulkImportWhileItIsSent: rows of a client that then waits are imported, and it is told
// so, before it sends any more.
func TestBulkImportWhileItIsSent(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	u.rows(t, `"ann"`+"\n"+`"bob"`+"\n"+`"not yet`)
	u.want(t, progress(2, 2))
	w.wantNames(t, "ann", "bob")
	u.rows(t, ` "`+"\n")
	u.want(t, `{"Row":3,"UserID":"not yet ","ResultCode":70402,"ResultInfo":"the UserID has the byte 0x20 at 3; only printable ASCII without spaces is allowed"}`)
	u.want(t, `{"Progress":{"Rows":3,"Created":2,"Existed":0,"Updated":0,"Repeated":0,"Failed":1}}`)
	u.rows(t, `"eve"`)
	u.end(t)
	u.want(t, `{"Progress":{"Rows":4,"Created":3,"Existed":0,"Updated":0,"Repeated":0,"Failed":1}}`)
	if got, want := u.rest(t), `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":4,"Created":3,"Existed":0,"Updated":0,"Repeated":0,"Failed":1}`+"\n"; got != want {
		t.Errorf("the answer ends with %s, want %s", got, want)
	}
	w.wantNames(t, "ann", "bob", "eve")
}

// TestBulkImportWaits holds how long a row waits for others, on a clock of its own.
func TestBulkImportWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		every time.Duration // between two rows
		want  time.Duration // until the first is imported
	}{
		"one and no more":        {time.Hour, 200 * time.Millisecond},
		"one every 250 ms":       {250 * time.Millisecond, 200 * time.Millisecond},
		"one every 50 ms":        {50 * time.Millisecond, time.Second},
		"one every 199 ms":       {199 * time.Millisecond, time.Second},
		"one every microsecond?": {900 * time.Microsecond, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newStreamWorld(t)
				var took time.Duration
				start := time.Now()
				imported := make(chan struct{})
				w.store.importing = func(context.Context) {
					if took == 0 {
						took = time.Since(start)
						close(imported)
					}
				}
				body, rows := io.Pipe()
				done := make(chan *lineWriter)
				go func() { done <- w.streamTo(t, bulkImport+w.query(t), body) }()
				go func() {
					defer rows.Close()
					for i := 0; ; i++ {
						_, _ = fmt.Fprintf(rows, "\"n%d\"\n", i)
						select {
						case <-time.After(tc.every):
						case <-imported:
							return
						}
					}
				}()
				if answer := parseAnswer(t, (<-done).String()); answer.code != 0 {
					t.Errorf("%+v", answer)
				}
				if took < tc.want || took > tc.want+tc.every%time.Second+time.Millisecond {
					t.Errorf("the first row was imported after %v, want %v", took, tc.want)
				}
			})
		})
	}
}

// streamTo serves one bulk call without a connection.
func (w *world) streamTo(tb testing.TB, target string, body io.Reader) *lineWriter {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, target, body)
	out := newLineWriter()
	w.handler.ServeHTTP(out, r)
	return out
}

// TestBulkImportRunsAhead: while one run waits for the store the next one is imported, but
// for those that must not overtake it.
func TestBulkImportRunsAhead(t *testing.T) {
	trial := app.App{SDKAppID: testApp, Keys: []app.Key{testKey}, Admins: []account.UserID{testAdmin}, Edition: app.Trial}
	for name, tc := range map[string]struct {
		trial  bool
		query  string
		first  string
		second string
		want   int32 // imports while the first waits
	}{
		"names":          {want: 2, first: `"a"`, second: `"b"`},
		"a Nick behind":  {want: 1, first: `"a"`, second: `{"UserID":"a","Nick":"A"}`},
		"a Nick before":  {want: 1, first: `{"UserID":"a","FaceUrl":"A"}`, second: `"b"`},
		"keep TinyIDs":   {want: 1, first: `"a"`, second: `"b"`, query: "&keep_tinyids=1"},
		"a quota counts": {want: 1, first: `"a"`, second: `"b"`, trial: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newStreamWorld(t)
				if tc.trial {
					w.addApp(t, trial)
				}
				var imports atomic.Int32
				release := make(chan struct{})
				w.store.importing = func(context.Context) { imports.Add(1); <-release }
				body, rows := io.Pipe()
				done := make(chan *lineWriter)
				go func() { done <- w.streamTo(t, bulkImport+w.query(t)+tc.query, body) }()
				for _, row := range []string{tc.first, tc.second} {
					_, _ = io.WriteString(rows, row+"\n")
					time.Sleep(time.Second) // of synctest, until the row has become a run
				}
				synctest.Wait()
				if got := imports.Load(); got != tc.want {
					t.Errorf("%d imports are under way, want %d", got, tc.want)
				}
				close(release)
				rows.Close()
				if answer := parseAnswer(t, (<-done).String()); answer.code != 0 || answer.end.Rows != 2 || len(answer.progress) < 2 {
					t.Errorf("%+v", answer)
				}
			})
		})
	}
}

// TestBulkImportLastNickWins although the rows of one name are in different runs, which a
// million blank lines see to.
func TestBulkImportLastNickWins(t *testing.T) {
	w := newStreamWorld(t)
	const apart = 1 << 20
	blank := strings.Repeat("\n", apart)
	body := strings.Join([]string{`"x"`, `{"UserID":"x","Nick":"1","FaceUrl":"f"}`, `{"UserID":"x","Nick":"2"}`, `{"UserID":"x"}`}, blank)
	answer := parseAnswer(t, w.streamTo(t, bulkImport+w.query(t), strings.NewReader(body)).String())
	answer.counted(t, streamCount{Rows: 3*apart + 1, Created: 1, Existed: 1, Updated: 2})
	want := []account.Account{{UserID: "x", TinyID: account.FirstTinyID, Created: epoch.Unix(), Profile: account.Profile{Nick: "2", FaceURL: "f"}}}
	if diff := cmp.Diff(want, w.accounts(t)); diff != "" || len(answer.progress) < 4 {
		t.Errorf("%d runs; accounts (-want +got):\n%s", len(answer.progress), diff)
	}
}

// TestBulkImportInAnyPieces: how a body is cut on its way must not show, and what becomes of
// it is what becomes of its rows one by one.
func TestBulkImportInAnyPieces(t *testing.T) {
	row := rapid.OneOf(
		rapid.StringMatching(`"[abc]{1,2}"`), rapid.StringMatching(`\{"UserID":"[abc]{1,2}","Nick":"[AB]?"\}`),
		rapid.SampledFrom([]string{"", " ", "\r", `"x y"`, `{`, `"`, "\"\xff\"", `{"UserID":"a","Nick":"中"}`, `{"UserID":5}`, `"a"` + "\r", `"` + strings.Repeat("x", 70_000) + `"`}),
	)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(row, 0, 60).Draw(rt, "rows")
		from := rapid.IntRange(0, 3).Draw(rt, "from")
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 100_000)), 1, 10).Draw(rt, "sizes")
		end := rapid.SampledFrom([]string{"", "\n"}).Draw(rt, "end")
		body := strings.Join(rows, "\n") + end
		if rows = strings.Split(body, "\n"); rows[len(rows)-1] == "" {
			rows = rows[:len(rows)-1] // there is no row behind the last line break
		}
		from = min(from, len(rows))

		var got streamAnswer
		var accounts []account.Account
		synctest.Test(t, func(t *testing.T) { // where it is all at once, and one run
			w := newStreamWorld(t)
			got = parseAnswer(t, w.streamTo(t, fmt.Sprintf("%s%s&from=%d", bulkImport, w.query(t), from), &pieces{body, sizes, 0}).String())
			accounts = w.accounts(t)
		})
		want := streamAnswer{progress: got.progress, end: streamCount{Rows: int64(len(rows))}}
		model := newStreamWorld(t)
		seen := map[string]bool{}
		for i, text := range rows {
			if i < from {
				continue
			}
			model.importRow(t, int64(i+1), strings.TrimSuffix(text, "\r"), seen, &want)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(streamAnswer{})); diff != "" {
			rt.Fatalf("answer (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(model.accounts(t), accounts, cmpopts.IgnoreFields(account.Account{}, "TinyID")); diff != "" {
			rt.Fatalf("accounts (-want +got):\n%s", diff)
		}
	})
}

// importRow imports one row alone, and adds what becomes of it to an answer.
func (w *world) importRow(t *testing.T, number int64, text string, seen map[string]bool, a *streamAnswer) {
	t.Helper()
	if strings.Trim(text, " \t") == "" && len(text) <= wire.MaxRow {
		return
	}
	var row wire.Row
	fault := errcode.Newf(errcode.BadParam, "too long")
	if len(text) <= wire.MaxRow {
		fault = errcode.From(wire.DecodeRow(text, false, &row))
	}
	status := account.Failed
	if fault == nil {
		out, err := w.service.Import(t.Context(), &account.Policy{SDKAppID: testApp}, []account.Entry{{UserID: account.UserID(row.UserID), Nick: row.Nick, FaceURL: row.FaceURL}}, false)
		if err != nil {
			t.Fatal(err)
		}
		status, fault = out[0].Status, out[0].Err
	}
	switch {
	case fault != nil:
		a.end.Failed++
		a.failed = append(a.failed, rowFault{number, strings.ToValidUTF8(row.UserID, "\ufffd"), fault.Code})
	case seen[row.UserID]:
		a.end.Repeated++
	case status == account.Created:
		a.end.Created++
	}
	seen[row.UserID] = seen[row.UserID] || fault == nil
}

// pieces reads a text in pieces of the given sizes, over and over.
type pieces struct {
	text  string
	sizes []int
	n     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.sizes[p.n%len(p.sizes)])], p.text)
	p.text = p.text[n:]
	p.n++
	return n, nil
}

// TestBulkImportManyFailures has more rows that cannot be read than one run keeps, among
// others that fail later.
func TestBulkImportManyFailures(t *testing.T) {
	w := newStreamWorld(t)
	var body strings.Builder
	var want []rowFault
	const rows = 27_000
	for i := range int64(rows) {
		switch i % 3 {
		case 0:
			body.WriteString("{\n")
			want = append(want, rowFault{i + 1, "", errcode.BadJSON})
		case 1:
			body.WriteString("\"not valid\"\n")
			want = append(want, rowFault{i + 1, "not valid", errcode.BadParam})
		default:
			_, _ = fmt.Fprintf(&body, "\"n%d\"\n", i)
		}
	}
	answer := parseAnswer(t, w.streamTo(t, bulkImport+w.query(t), iotest.HalfReader(strings.NewReader(body.String()))).String())
	answer.counted(t, streamCount{Rows: rows, Created: rows / 3, Failed: rows / 3 * 2})
	if diff := cmp.Diff(want, answer.failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if len(answer.progress) < 2 {
		t.Errorf("%d runs, want more", len(answer.progress))
	}
}

// TestBulkImportBoundsWhatItKeeps: a row that fails keeps its name until it is reported, and
// the name may be a part of much text. So long rows end a run sooner, also if they fail.
func TestBulkImportBoundsWhatItKeeps(t *testing.T) {
	w := newStreamWorld(t)
	const rows = 600 // 24 MB
	body := strings.Repeat(`"ann" `+strings.Repeat("x", 40_000)+"\n", rows)
	answer := parseAnswer(t, w.streamTo(t, bulkImport+w.query(t), strings.NewReader(body)).String())
	answer.counted(t, streamCount{Rows: rows, Failed: rows})
	if answer.failed[0].UserID != "ann" || len(answer.progress) < 2 {
		t.Errorf("%d runs, the first failure is %+v", len(answer.progress), answer.failed[0])
	}
}

// TestBulkImportKeepsInPieces: rows that are restored come in small runs, which a name and a
// TinyID may be part of more than one of.
func TestBulkImportKeepsInPieces(t *testing.T) {
	w := newStreamWorld(t)
	var body strings.Builder
	const n = 9000
	for i := range n {
		_, _ = fmt.Fprintf(&body, "{\"UserID\":\"n%d\",\"TinyID\":\"%d\"}\n", i, account.FirstTinyID+1+account.TinyID(i))
	}
	body.WriteString(`{"UserID":"late","TinyID":"144115188075855873"}` + "\n" + `{"UserID":"n0","TinyID":"144115188075855873"}` + "\n" + `{"UserID":"n0","TinyID":"899999999999999999"}`)
	answer := parseAnswer(t, w.streamTo(t, bulkImport+w.query(t)+"&keep_tinyids=1", strings.NewReader(body.String())).String())
	answer.counted(t, streamCount{Rows: n + 3, Created: n, Existed: 1, Failed: 2})
	if diff := cmp.Diff([]rowFault{{n + 1, "late", errcode.BadParam}, {n + 3, "n0", errcode.BadParam}}, answer.failed); diff != "" || len(answer.progress) < 3 {
		t.Errorf("%d runs; failures (-want +got):\n%s", len(answer.progress), diff)
	}
}

// TestBulkImportBodyThatBreaksOff: what came whole is imported, and the answer says how far.
func TestBulkImportBodyThatBreaksOff(t *testing.T) {
	w := newStreamWorld(t)
	body := io.MultiReader(strings.NewReader("\"ann\"\n\"bob\"\n\"ev"), brokenReader{})
	answer := parseAnswer(t, w.streamTo(t, bulkImport+w.query(t), body).String())
	if answer.code != errcode.BadJSON || answer.end != (streamCount{Rows: 2, Created: 2}) {
		t.Errorf("%+v", answer)
	}
	w.wantNames(t, "ann", "bob")
}

// TestBulkImportThatFailsTellsAtOnce, also a client that sends nothing meanwhile, and then
// closes the connection: what is still in it must not be taken for the next request.
func TestBulkImportThatFailsTellsAtOnce(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.StreamStall = 12 * time.Second // of which it listens on for a hundredth
	w.open(t)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	u.rows(t, `"ann"`+"\n")
	u.want(t, progress(1, 1))
	w.store.mode = "broken"
	u.rows(t, `"bob"`+"\n")
	u.want(t, envelope(errcode.Internal, storeFailed, 1, 1))
	u.rows(t, "\"eve\"\n")
	_, _ = fmt.Fprintf(u, "POST /v4/x HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := u.rest(t); got != "" {
		t.Errorf("behind the envelope stands %q", got)
	}
	if got, err := u.Read(make([]byte, 1)); err == nil {
		t.Errorf("behind the answer stand %d bytes", got)
	}
	w.wantNames(t, "ann")
}

// deadlines is a lineWriter whose client can be waited for no longer than until a deadline.
type deadlines struct {
	lineWriter
	body  *io.PipeReader
	timer *time.Timer
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(time.Until(t), func() { d.body.CloseWithError(os.ErrDeadlineExceeded) })
	return nil
}

// watchedBody knows whether somebody reads it.
type watchedBody struct {
	io.Reader
	readers atomic.Int32
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.readers.Add(1)
	defer b.readers.Add(-1)
	return b.Reader.Read(p)
}

// TestBulkImportListensOn for a moment when it has failed, so that a client which is sending
// can read why; but not for long, and nobody reads the body any more when it has ended.
func TestBulkImportListensOn(t *testing.T) {
	for name, tc := range map[string]struct {
		client func(rows *io.PipeWriter, out *deadlines)
		want   time.Duration
	}{
		"to one that says nothing": {func(*io.PipeWriter, *deadlines) {}, 200*time.Millisecond + time.Second},
		"to one that never ends": {func(rows *io.PipeWriter, _ *deadlines) {
			for {
				if _, err := io.WriteString(rows, "\"bob\"\n"); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}, 1000*time.Millisecond + time.Second},
		"to one that ends when it has read why": {func(rows *io.PipeWriter, out *deadlines) {
			for !strings.Contains(out.String(), "70500") {
				if _, err := io.WriteString(rows, "\"bob\"\n"); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			rows.Close()
		}, 1000 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newStreamWorld(t)
				w.store.mode = "broken"
				body, rows := io.Pipe()
				watched := &watchedBody{Reader: body}
				out := &deadlines{lineWriter: lineWriter{header: make(http.Header)}, body: body}
				start := time.Now()
				var client sync.WaitGroup
				client.Go(func() {
					_, _ = io.WriteString(rows, "\"ann\"\n")
					tc.client(rows, out)
				})
				w.handler.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodPost, bulkImport+w.query(t), watched))
				if n := watched.readers.Load(); n > 0 {
					t.Errorf("%d still read the body", n)
				}
				if took := time.Since(start); took < tc.want || took > tc.want+20*time.Millisecond {
					t.Errorf("it took %v, want %v", took, tc.want)
				}
				if answer := parseAnswer(t, out.String()); answer.code != errcode.Internal || answer.end != (streamCount{}) {
					t.Errorf("%+v", answer)
				}
				body.Close()
				client.Wait()
			})
		})
	}
}

// TestBulkImportClientThatLeaves: the whole rows that came are imported, and nothing of the
// stream is left.
func TestBulkImportClientThatLeaves(t *testing.T) {
	w := newStreamWorld(t)
	gate := newLeavings()
	w.options.Gate = gate
	log := w.captureLog(t, 0)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	u.rows(t, "\"a\"\n\"b\"\n")
	u.want(t, progress(2, 2))
	u.rows(t, "\"c\"\n\"d\"\n\"half")
	u.Close()
	gate.await(t)
	w.wantNames(t, "a", "b", "c", "d")
	wantNoStream(t)
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("that a client leaves is no error of the server: %s", log)
	}
}

// wantNoStream fails if a goroutine goes on working on a stream.
func wantNoStream(t *testing.T) {
	t.Helper()
	var left string
	for range 1000 { // one that has said that it is through may still be on its last step
		if left = streamGoroutines(); left == "" {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("goroutines are left:\n%s", left)
}

func streamGoroutines() (left string) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, part := range []string{"internal/rest.(*bulkImport)", "internal/rest.(*blocks)", "internal/rest.readBlocks", "internal/rest.(*Handler).readPage", "internal/rest.(*Handler).bulk"} {
			if strings.Contains(stack, part) {
				left += stack + "\n\n"
				break
			}
		}
	}
	return left
}

// TestBulkImportClientThatDoesNotRead is held back, and in the end it is given up.
func TestBulkImportClientThatDoesNotRead(t *testing.T) {
	w := newStreamWorld(t)
	gate := newLeavings()
	w.options.Gate, w.options.StreamStall = gate, 300*time.Millisecond
	log := w.captureLog(t, 0)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	rows := strings.Repeat("?\n", 8<<10) // each of which makes the answer 100 bytes longer
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(rows), rows)
	const enough = 256 << 20
	sent := 0
	for sent < enough {
		n, err := io.WriteString(u, chunk)
		sent += n
		if err != nil {
			break
		}
	}
	if sent >= enough {
		t.Fatalf("it could send %d bytes without reading any", sent)
	}
	t.Logf("it could send %d bytes", sent)
	gate.await(t)
	wantNoStream(t)
	if got := log.String(); !strings.Contains(got, "code=60002") || strings.Contains(got, "level=ERROR") {
		t.Errorf("log: %s", got)
	}
}

// TestBulkImportClientThatStalls is told so.
func TestBulkImportClientThatStalls(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.StreamStall = 400 * time.Millisecond
	w.open(t)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	u.rows(t, "\"ann\"\n\"half")
	u.want(t, progress(1, 1))
	answer := parseAnswer(t, u.rest(t))
	if answer.code != errcode.BadJSON || answer.end != (streamCount{Rows: 1, Created: 1}) {
		t.Errorf("%+v", answer)
	}
	w.wantNames(t, "ann")
}
