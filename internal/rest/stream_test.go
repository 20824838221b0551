package rest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
)

// What the tests of the bulk streams share.

const (
	bulkImport = "/v4/muster/bulk_import?"
	bulkExport = "/v4/muster/bulk_export?"
)

// newStreamWorld is a world for streams: any number of them, over connections whose
// deadlines are of the real time, or of that of a synctest bubble.
func newStreamWorld(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb)
	w.options.Gate, w.options.Streams = limit.NewGate(0), nil
	w.options.Now, w.options.NewRequestID = time.Now, nil
	w.open(tb)
	return w
}

// streamCount is the end of a bulk answer, or a Progress.
type streamCount struct {
	Rows, Created, Existed, Updated, Repeated, Failed int64
}

// streamAnswer is what a bulk import has answered.
type streamAnswer struct {
	failed   []rowFault
	progress []streamCount
	code     errcode.Code
	end      streamCount
}

type rowFault struct {
	Row        int64
	UserID     string
	ResultCode errcode.Code
}

// parseAnswer reads a whole answer, and holds it to what every answer keeps: rows in order,
// each failure before the progress that counts it, the envelope at the end, and only there.
func parseAnswer(tb testing.TB, text string) (a streamAnswer) {
	tb.Helper()
	lines := strings.SplitAfter(text, "\n")
	if n := len(lines); n < 2 || lines[n-1] != "" {
		tb.Fatalf("the answer does not end with a line: %q", text)
	}
	lines = lines[:len(lines)-1]
	for i, line := range lines {
		var l struct {
			rowFault
			Progress  *streamCount
			ErrorCode *errcode.Code
			streamCount
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			tb.Fatalf("%v in %s", err, line)
		}
		switch {
		case l.ErrorCode != nil:
			if i != len(lines)-1 {
				tb.Fatalf("the envelope is line %d of %d", i+1, len(lines))
			}
			a.code, a.end = *l.ErrorCode, l.streamCount
			return a
		case l.Progress != nil:
			if n := len(a.progress); n > 0 && a.progress[n-1].Rows > l.Progress.Rows || int64(len(a.failed)) != l.Progress.Failed {
				tb.Fatalf("%s stands behind %+v and %d failures", line, a.progress, len(a.failed))
			}
			a.progress = append(a.progress, *l.Progress)
		default:
			if n := len(a.failed); n > 0 && a.failed[n-1].Row >= l.Row {
				tb.Fatalf("row %d stands behind row %d", l.Row, a.failed[n-1].Row)
			}
			a.failed = append(a.failed, l.rowFault)
		}
	}
	tb.Fatalf("the answer has no envelope: %s", text)
	return a
}

// counted fails unless the answer is a success with these counts.
func (a streamAnswer) counted(tb testing.TB, want streamCount) {
	tb.Helper()
	if a.code != 0 || a.end != want {
		tb.Errorf("%d %+v, want a success with %+v", a.code, a.end, want)
	}
}

// accounts returns all accounts of the test App.
func (w *world) accounts(tb testing.TB) []account.Account {
	tb.Helper()
	all, err := w.store.Store.List(tb.Context(), testApp, "", 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func (w *world) names(tb testing.TB) (names []string) {
	tb.Helper()
	for _, a := range w.accounts(tb) {
		names = append(names, string(a.UserID))
	}
	return names
}

func (w *world) wantNames(tb testing.TB, want ...string) {
	tb.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, w.names(tb)); diff != "" {
		tb.Errorf("accounts (-want +got):\n%s", diff)
	}
}

// listen returns a real server in front of the handler.
func (w *world) listen(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	return server
}

// upload is a bulk import over a connection of its own.
type upload struct {
	net.Conn
	answer *http.Response
	lines  *bufio.Reader
}

// begin sends the header of a bulk import, and returns when that of the answer is there.
func begin(t *testing.T, server *httptest.Server, target string) *upload {
	t.Helper()
	conn, r := dial(t, server)
	send(t, conn, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", target)
	return answering(t, conn, r)
}

func answering(t *testing.T, conn net.Conn, r *bufio.Reader) *upload {
	t.Helper()
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if got := answer.Header.Get("Content-Type"); got != ndjson {
		t.Fatalf("Content-Type: %q", got)
	}
	if answer.Header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	return &upload{conn, answer, bufio.NewReader(answer.Body)}
}

// rows sends text as one chunk.
func (u *upload) rows(t *testing.T, text string) {
	t.Helper()
	send(t, u, "%x\r\n%s\r\n", len(text), text)
}

// end ends the body.
func (u *upload) end(t *testing.T) {
	t.Helper()
	send(t, u, "0\r\n\r\n")
}

// next returns the next line of the answer.
func (u *upload) next(t *testing.T) string {
	t.Helper()
	line, err := u.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v behind %q", err, line)
	}
	return line
}

// want fails unless the next line is this one.
func (u *upload) want(t *testing.T, line string) {
	t.Helper()
	if got := u.next(t); got != line+"\n" {
		t.Fatalf("the answer goes on with %s, want %s", got, line)
	}
}

// rest returns what is left of the answer.
func (u *upload) rest(t *testing.T) string {
	t.Helper()
	text, err := io.ReadAll(u.lines)
	if err != nil {
		t.Fatalf("%v behind %q", err, text)
	}
	return string(text)
}

func progress(rows, created int) string {
	return fmt.Sprintf(`{"Progress":{"Rows":%d,"Created":%d,"Existed":0,"Updated":0,"Repeated":0,"Failed":0}}`, rows, created)
}

func envelope(code errcode.Code, info string, rows, created int) string {
	status := "OK"
	if code != 0 {
		status = "FAIL"
	}
	return fmt.Sprintf(`{"ActionStatus":%q,"ErrorCode":%d,"ErrorInfo":%q,"Rows":%d,"Created":%d,"Existed":0,"Updated":0,"Repeated":0,"Failed":0}`, status, code, info, rows, created)
}

// lineWriter is a ResponseWriter that gives away what is written. It is for synctest, where
// no connection may be.
type lineWriter struct {
	header http.Header
	mu     sync.Mutex
	text   strings.Builder
}

func newLineWriter() *lineWriter { return &lineWriter{header: make(http.Header)} }

func (w *lineWriter) Header() http.Header { return w.header }
func (w *lineWriter) WriteHeader(int)     {}
func (w *lineWriter) Flush()              {}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *lineWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// leavings is a Gate that tells when a request has left.
type leavings struct {
	*limit.Gate
	left chan struct{}
}

func newLeavings() *leavings { return &leavings{limit.NewGate(0), make(chan struct{}, 100)} }

func (l *leavings) Leave() {
	l.Gate.Leave()
	l.left <- struct{}{}
}

// await returns when a request has left.
func (l *leavings) await(t *testing.T) {
	t.Helper()
	select {
	case <-l.left:
	case <-time.After(20 * time.Second):
		t.Fatal("the request does not end")
	}
}
