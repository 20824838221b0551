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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/rest"
	"github.com/muster-im/muster/internal/wire"
)

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
