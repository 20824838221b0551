package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
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
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/rest"
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

// TestStopStreams ends streams that are under way, whether their clients send or not.
func TestStopStreams(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.StreamStall = 12 * time.Second
	w.open(t)
	server := w.listen(t)
	idle, busy := begin(t, server, bulkImport+w.query(t)), begin(t, server, bulkImport+w.query(t))
	idle.rows(t, "\"ann\"\n")
	idle.want(t, progress(1, 1))
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; ; i++ {
			row := fmt.Sprintf("\"n%d\"\n", i)
			if _, err := fmt.Fprintf(busy, "%x\r\n%s\r\n", len(row), row); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	busy.next(t) // it is under way
	w.handler.StopStreams()
	idle.want(t, envelope(errcode.Busy, "the server is stopping; go on from here later", 1, 1))
	line := busy.next(t)
	for strings.Contains(line, `"Progress"`) {
		line = busy.next(t)
	}
	close(stop)
	sending.Wait()
	answer := parseAnswer(t, line)
	if answer.code != errcode.Busy || answer.end.Rows == 0 || answer.end.Rows != answer.end.Created {
		t.Errorf("%+v", answer)
	}
	if got := int64(len(w.names(t))); got != answer.end.Created+1 {
		t.Errorf("%d accounts, the answers say %d", got, answer.end.Created+1)
	}
}

// TestStreamsExpect100Continue: the body is asked for, unless the call is refused.
func TestStreamsExpect100Continue(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	server := w.listen(t)
	conn, r := dial(t, server)
	const header = "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n"
	send(t, conn, header, bulkImport+w.query(t))
	for line := "HTTP/1.1 100 Continue"; line != ""; {
		got, err := r.ReadString('\n')
		if err != nil || line != "header" && got != line+"\r\n" {
			t.Fatalf("%q, %v, want %s", got, err, line)
		}
		if line = "header"; got == "\r\n" {
			line = ""
		}
	}
	u := answering(t, conn, r)
	send(t, conn, "\"ann\"\n")
	parseAnswer(t, u.rest(t)).counted(t, streamCount{Rows: 1, Created: 1})

	conn, r = dial(t, server)
	send(t, conn, header, bulkImport+w.query(t)+"&from=x")
	if resp, got := reply(t, r); !strings.Contains(got, "70402") || resp.StatusCode != http.StatusOK {
		t.Errorf("refused: %s %s", resp.Status, got)
	}
}

// TestStreamsGate: a stream that there is no place for is refused before it begins, and a
// place is free again when a stream has ended.
func TestStreamsGate(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	gate := newLeavings()
	w.options.Streams = limit.NewGate(1)
	w.options.Gate = gate
	w.open(t)
	server := w.listen(t)
	u := begin(t, server, bulkImport+w.query(t))
	for _, target := range []string{bulkImport, bulkExport} {
		got := w.serve(t, target+w.query(t), "{}")
		<-gate.left
		if want := `{"ActionStatus":"FAIL","ErrorCode":70202,"ErrorInfo":"too many bulk streams are under way, please try again later"}`; got.Body.String() != want || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", target, got.Body)
		}
	}
	u.end(t)
	u.rest(t)
	gate.await(t)
	if got := w.serve(t, bulkExport+w.query(t), "{}"); got.Body.String() != `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":0}`+"\n" {
		t.Errorf("afterwards: %s", got.Body)
	}
}

// TestBulkImportsOfTheSameNames at once give each name one account.
func TestBulkImportsOfTheSameNames(t *testing.T) {
	w := newStreamWorld(t)
	server := w.listen(t)
	const names, streams, rows = 2000, 3, 100
	answers := make([]streamAnswer, streams)
	var wg sync.WaitGroup
	for k := range streams {
		u := begin(t, server, bulkImport+w.query(t))
		wg.Go(func() {
			for i := 0; i < names; i += rows {
				var body strings.Builder
				for j := range rows {
					_, _ = fmt.Fprintf(&body, "\"n%d\"\n", (i+j)*(2*k+1)*7%names)
				}
				_, _ = fmt.Fprintf(u, "%x\r\n%s\r\n", body.Len(), body.String())
			}
			_, _ = io.WriteString(u, "0\r\n\r\n")
			text, err := io.ReadAll(u.lines)
			if err != nil {
				t.Error(err)
				return
			}
			answers[k] = parseAnswer(t, string(text))
		})
	}
	wg.Wait()
	var created int64
	for _, a := range answers {
		created += a.end.Created
		if a.code != 0 || a.end.Rows != names || a.end.Failed != 0 {
			t.Errorf("%+v", a)
		}
	}
	all := w.accounts(t)
	ids := map[account.TinyID]bool{}
	for _, a := range all {
		ids[a.TinyID] = true
	}
	if created != int64(len(all)) || len(ids) != len(all) {
		t.Errorf("%d were created, there are %d accounts with %d TinyIDs", created, len(all), len(ids))
	}
}

// TestBulkOverHTTP2 needs nothing that only a connection of HTTP/1.1 can do.
func TestBulkOverHTTP2(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.StreamStall = 12 * time.Second
	w.open(t)
	server := httptest.NewUnstartedServer(w.handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	call := func(target string, body io.Reader) *upload {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+target, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if resp.ProtoMajor != 2 || resp.Header.Get("Connection") != "" {
			t.Errorf("%s with Connection: %q", resp.Proto, resp.Header.Get("Connection"))
		}
		return &upload{nil, resp, bufio.NewReader(resp.Body)}
	}
	body, rows := io.Pipe()
	u := call(bulkImport+w.query(t), body)
	_, _ = io.WriteString(rows, "\"ann\"\n")
	u.want(t, progress(1, 1))
	_, _ = io.WriteString(rows, "\"bob\"")
	rows.Close()
	parseAnswer(t, u.rest(t)).counted(t, streamCount{Rows: 2, Created: 2})

	body, rows = io.Pipe()
	u = call(bulkImport+w.query(t), body)
	w.store.mode = "broken"
	_, _ = io.WriteString(rows, "\"eve\"\n")
	u.want(t, envelope(errcode.Internal, storeFailed, 0, 0))
	if got := u.rest(t); got != "" {
		t.Errorf("behind the envelope stands %q", got)
	}
	rows.Close()
	w.store.mode = ""

	u = call(bulkExport+w.query(t), strings.NewReader("{}"))
	if got := u.rest(t); strings.Count(got, "\n") != 3 || !strings.HasSuffix(got, `"Rows":2}`+"\n") {
		t.Errorf("export: %s", got)
	}
}

// panicking has methods that are out of their mind.
type panicking struct{ rest.Accounts }

func (panicking) ImportRun(context.Context, *account.Policy, account.Run) (account.RunResult, error) {
	panic("out of its mind")
}

func (panicking) List(context.Context, account.SDKAppID, account.UserID, int) ([]account.Account, error) {
	panic("out of its mind")
}

// TestStreamsSurvivePanics, although they happen on goroutines of their own.
func TestStreamsSurvivePanics(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.Accounts = panicking{w.service}
	log := w.captureLog(t, 0)
	u := begin(t, w.listen(t), bulkImport+w.query(t))
	u.rows(t, "\"ann\"\n")
	u.want(t, envelope(errcode.Internal, storeFailed, 0, 0))
	u.end(t)
	u.rest(t)
	got := w.serve(t, bulkExport+w.query(t), "{}").Body.String()
	if want := `{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorInfo":"` + storeFailed + `","Rows":0}` + "\n"; got != want {
		t.Errorf("export: %s", got)
	}
	for _, want := range []string{`msg=panic command=muster/bulk_import`, `msg=panic command=muster/bulk_export`, `panic="out of its mind"`, "panicking", "code=70500"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if got := w.serve(t, importPath+w.query(t), `{"Accounts":["ann"]}`).Body.String(); !strings.Contains(got, `"OK"`) {
		t.Errorf("afterwards: %s", got)
	}
}

// TestStreamsOutliveTheServersTimeouts, which are for requests that end. What the clients of
// these do not do for longer than the time-outs is to send or to take anything.
func TestStreamsOutliveTheServersTimeouts(t *testing.T) {
	t.Parallel()
	w := newStreamWorld(t)
	w.options.StreamStall = 600 * time.Millisecond
	w.open(t)
	const timeout, longer, longest = 100 * time.Millisecond, 150 * time.Millisecond, 700 * time.Millisecond
	server := httptest.NewUnstartedServer(w.handler)
	server.Config.ReadHeaderTimeout = 10 * time.Second
	server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
	server.Start()
	t.Cleanup(server.Close)
	var left atomic.Int32
	dawdle := func(d time.Duration) func(ctx context.Context) {
		return func(ctx context.Context) {
			select {
			case <-ctx.Done():
				left.Add(1)
			case <-time.After(d):
			}
		}
	}

	w.store.importing = dawdle(longer)
	u := begin(t, server, bulkImport+w.query(t))
	u.rows(t, "\"a\"\n")
	u.want(t, progress(1, 1)) // after 200 ms
	u.rows(t, "\"b\"\n")
	u.want(t, progress(2, 2))
	w.store.importing = dawdle(longest) // which is longer than the stream waits for rows, too
	u.rows(t, "\"c\"\n")
	u.end(t)
	parseAnswer(t, u.rest(t)).counted(t, streamCount{Rows: 3, Created: 3})

	w.store.listing = dawdle(longest)
	conn, r := dial(t, server)
	send(t, conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", bulkExport+w.query(t))
	if resp, got := reply(t, r); !strings.HasSuffix(got, `"Rows":3}`+"\n") || resp.Close {
		t.Errorf("export: %s, closes: %v", got, resp.Close)
	}
	send(t, conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", importPath)
	if _, got := reply(t, r); !strings.Contains(got, "60012") {
		t.Errorf("the next request on the connection: %s", got)
	}
	if n := left.Load(); n > 0 {
		t.Errorf("%d calls of the store were abandoned", n)
	}
}

// TestBulkExportInPages: more accounts than are read at a time, stopped in the middle and
// gone on with.
func TestBulkExportInPages(t *testing.T) {
	w := newStreamWorld(t)
	const n = 20_000
	var body strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&body, "\"n%d\"\n", i)
	}
	w.streamTo(t, bulkImport+w.query(t), strings.NewReader(body.String()))
	var want bytes.Buffer
	for _, a := range w.accounts(t) {
		want.Write(wire.AppendExported(nil, &a))
	}
	whole, end := splitExport(t, w.streamTo(t, bulkExport+w.query(t), strings.NewReader("{}")).String())
	if whole != want.String() || end != `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":20000}` {
		t.Errorf("%d bytes of accounts, want %d; the end is %s", len(whole), want.Len(), end)
	}
	for limit, rows := range map[int]int{8191: 8191, 8192: 8192, 8193: 8193, 2 * 8192: 2 * 8192, n: n, n + 1: n} {
		got, end := splitExport(t, w.streamTo(t, bulkExport+w.query(t), strings.NewReader(fmt.Sprintf(`{"Limit":%d}`, limit))).String())
		if strings.Count(got, "\n") != rows || !strings.HasPrefix(whole, got) || !strings.HasSuffix(end, fmt.Sprintf(`"Rows":%d}`, rows)) {
			t.Errorf("limit %d: %d accounts, the end is %s", limit, strings.Count(got, "\n"), end)
		}
	}

	var once sync.Once
	w.store.listing = func(context.Context) { once.Do(w.handler.StopStreams) }
	begun, end := splitExport(t, w.streamTo(t, bulkExport+w.query(t), strings.NewReader("{}")).String())
	if want := `{"ActionStatus":"FAIL","ErrorCode":70202,"ErrorInfo":"the server is stopping; go on from here later","Rows":8192}`; end != want {
		t.Fatalf("the end is %s, want %s", end, want)
	}
	var last wire.Row
	lines := strings.Split(strings.TrimSuffix(begun, "\n"), "\n")
	if err := wire.DecodeRow(lines[len(lines)-1], true, &last); err != nil {
		t.Fatal(err)
	}
	w.open(t) // which is not stopped
	rest, _ := splitExport(t, w.streamTo(t, bulkExport+w.query(t), strings.NewReader(fmt.Sprintf(`{"After":%q}`, last.UserID))).String())
	if begun+rest != whole {
		t.Errorf("%d bytes and %d, want %d", len(begun), len(rest), len(whole))
	}
}

// splitExport cuts an export into its accounts and its end.
func splitExport(tb testing.TB, text string) (accounts, end string) {
	tb.Helper()
	text, ok := strings.CutSuffix(text, "\n")
	if !ok {
		tb.Fatalf("the export does not end with a line: %q", text)
	}
	i := strings.LastIndexByte(text, '\n') + 1
	return text[:i], text[i:]
}

// TestBulkExportThatIsLeft must not look complete, and must leave nothing behind.
func TestBulkExportThatIsLeft(t *testing.T) {
	w := newStreamWorld(t)
	w.importAccounts(t, "ann")
	ctx, cancel := context.WithCancel(t.Context())
	w.store.listing = func(context.Context) { cancel() }
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, bulkExport+w.query(t), strings.NewReader("{}"))
	out := newLineWriter()
	w.handler.ServeHTTP(out, r)
	if got := out.String(); !strings.Contains(got, "FAIL") {
		t.Errorf("it ends with %s", got)
	}
	wantNoStream(t)
}

// failingWriter is a client that is gone after some writes.
type failingWriter struct {
	lineWriter
	writes int
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.writes--; w.writes < 0 {
		return 0, errors.New("broken pipe")
	}
	return w.lineWriter.Write(b)
}

func (w *failingWriter) FlushError() error {
	if w.writes < 0 {
		return errors.New("broken pipe")
	}
	return nil
}

// TestStreamsWhoseClientIsGone end wherever that is noticed.
func TestStreamsWhoseClientIsGone(t *testing.T) {
	for _, target := range []string{bulkImport, bulkExport} {
		for writes := range 4 {
			w := newStreamWorld(t)
			w.importAccounts(t, "ann")
			log := w.captureLog(t, 0)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target+w.query(t), strings.NewReader("{}"))
			w.handler.ServeHTTP(&failingWriter{lineWriter{header: make(http.Header)}, writes}, r)
			if got := log.String(); strings.Contains(got, "level=ERROR") || strings.Count(got, "msg=request") != 1 {
				t.Errorf("%s, %d writes: %s", target, writes, got)
			}
			wantNoStream(t)
		}
	}
}

// TestStreamMetrics: rows count as accounts do, and a stream is one request.
func TestStreamMetrics(t *testing.T) {
	w := newStreamWorld(t)
	w.options.Metrics = w.metrics
	w.open(t)
	w.importAccounts(t, "old", "same")
	w.streamTo(t, bulkImport+w.query(t), strings.NewReader("\"a\"\n\"a\"\n{\"UserID\":\"old\",\"Nick\":\"O\"}\n\"same\"\n{\n\"x y\"\n\n"))
	w.streamTo(t, bulkExport+w.query(t), strings.NewReader("{}"))
	w.store.mode = "busy"
	w.streamTo(t, bulkExport+w.query(t), strings.NewReader("{}"))
	want := map[string]float64{
		"muster_requests_total code=0 command=muster/bulk_import":     1,
		"muster_requests_total code=0 command=muster/bulk_export":     1,
		"muster_requests_total code=70202 command=muster/bulk_export": 1,
		"muster_request_seconds command=muster/bulk_import":           1,
		"muster_request_seconds command=muster/bulk_export":           2,
		"muster_accounts_total status=created":                        1,
		"muster_accounts_total status=duplicate":                      1,
		"muster_accounts_total status=existed":                        1,
		"muster_accounts_total status=updated":                        1,
		"muster_accounts_total status=failed":                         2,
	}
	if diff := cmp.Diff(want, w.counters(t)); diff != "" {
		t.Errorf("metrics that are not zero (-want +got):\n%s", diff)
	}
}
