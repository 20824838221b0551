package imclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

// streaming makes a handler of one that answers while it reads.
func streaming(t *testing.T, h func(r *http.Request, rows *bufio.Scanner, say func(format string, args ...any))) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(http.StatusOK)
		_ = control.Flush()
		h(r, bufio.NewScanner(r.Body), func(format string, args ...any) {
			_, _ = fmt.Fprintf(w, format+"\n", args...)
			_ = control.Flush()
		})
	}
}

// importer answers as Muster does to rows of which those that begin with "bad" fail, and
// tells its progress after each.
func importer(_ *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
	n, failed := 0, 0
	for rows.Scan() {
		n++
		if row := strings.Trim(rows.Text(), `"`); strings.HasPrefix(row, "bad") {
			failed++
			say(`{"Row":%d,"UserID":"%s","ResultCode":70402,"ResultInfo":"it is bad"}`, n, row)
		}
		say(`{"Progress":{"Rows":%d,"Created":%d,"Existed":0,"Updated":0,"Repeated":0,"Failed":%d}}`, n, n-failed, failed)
	}
	if rows.Err() != nil {
		say(`{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"","Rows":%d,"Created":%d,"Failed":%d}`, n, n-failed, failed)
		return
	}
	say(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":%d,"Created":%d,"Existed":0,"Updated":0,"Repeated":0,"Failed":%d}`, n, n-failed, failed)
}

// told notes what BulkImport tells.
type told struct {
	failures []imclient.BulkFailure
	progress []imclient.BulkResult
}

func (n *told) options() imclient.BulkImportOptions {
	return imclient.BulkImportOptions{
		OnFailure:  func(f imclient.BulkFailure) { n.failures = append(n.failures, f) },
		OnProgress: func(r imclient.BulkResult) { n.progress = append(n.progress, r) },
	}
}

func TestBulkImport(t *testing.T) {
	var query, contentType, path string
	_, c := serve(t, streaming(t, func(r *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
		query, contentType, path = r.URL.RawQuery, r.Header.Get("Content-Type"), r.Method+" "+r.URL.Path
		importer(r, rows, say)
	}))
	var n told
	o := n.options()
	o.From, o.KeepTinyIDs = 7, true
	got, err := c.BulkImport(t.Context(), strings.NewReader("\"ann\"\n\"bad\\u0020one\"\n\"bob\""), o)
	if want := (imclient.BulkResult{Rows: 3, Created: 2, Failed: 1}); err != nil || got != want {
		t.Errorf("%+v, error %v; want %+v", got, err, want)
	}
	want := told{
		failures: []imclient.BulkFailure{{Row: 2, Result: imclient.Result{UserID: "bad one", Code: 70402, Info: "it is bad"}}},
		progress: []imclient.BulkResult{{Rows: 1, Created: 1}, {Rows: 2, Created: 1, Failed: 1}, {Rows: 3, Created: 2, Failed: 1}},
	}
	if diff := cmp.Diff(want, n, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if path != "POST /v4/muster/bulk_import" || contentType != "application/x-ndjson" || !strings.HasSuffix(query, "&from=7&keep_tinyids=1") {
		t.Errorf("%s of %s with %s", path, contentType, query)
	}
}

// TestBulkImportWritesWhileItReads holds that what is told of a row can be acted on
// before the next row is sent.
func TestBulkImportWritesWhileItReads(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			s := httptest.NewUnstartedServer(streaming(t, func(r *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
				if r.Proto != version {
					t.Errorf("over %s", r.Proto)
				}
				importer(r, rows, say)
			}))
			s.EnableHTTP2 = version == "HTTP/2.0"
			s.StartTLS()
			defer s.Close()
			c := newClient(t, imclient.Options{BaseURL: s.URL, SDKAppID: testApp, Key: testKey, Admin: testAdmin, HTTPClient: s.Client()})
			defer c.CloseIdleConnections()
			body, rows := io.Pipe()
			go func() { _, _ = io.WriteString(rows, "\"row\"\n") }()
			got, err := c.BulkImport(t.Context(), body, imclient.BulkImportOptions{OnProgress: func(r imclient.BulkResult) {
				if r.Rows == 100 {
					_ = rows.Close()
					return
				}
				if _, err := io.WriteString(rows, "\"row\"\n"); err != nil {
					t.Error(err)
				}
			}})
			if want := (imclient.BulkResult{Rows: 100, Created: 100}); err != nil || got != want {
				t.Errorf("%+v, error %v; want %+v", got, err, want)
			}
		})
	}
}

// TestBulkImportOfMuch sends more than all buffers on the way hold.
func TestBulkImportOfMuch(t *testing.T) {
	const rows = 90_000
	_, c := serve(t, streaming(t, func(_ *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
		n := 0
		for ; rows.Scan(); n++ {
			if n%3 == 0 {
				say(`{"Row":%d,"UserID":%q,"ResultCode":70402,"ResultInfo":"no"}`, n+1, rows.Text())
			}
		}
		say(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":%d,"Failed":%d}`, n, (n+2)/3)
	}))
	var failed int64
	got, err := c.BulkImport(t.Context(), io.LimitReader(&repeater{text: "\"0123456789\"\n"}, rows*13), imclient.BulkImportOptions{
		OnFailure: func(f imclient.BulkFailure) {
			if f.Row != failed*3+1 || f.UserID != `"0123456789"` {
				t.Errorf("%+v after %d", f, failed)
			}
			failed++
		},
	})
	if want := (imclient.BulkResult{Rows: rows, Failed: rows / 3}); err != nil || got != want || failed != rows/3 {
		t.Errorf("%+v, %d failures told, error %v", got, failed, err)
	}
}

// repeater is a text for ever, and counts the Reads.
type repeater struct {
	text  string
	off   int
	reads atomic.Int64
}

func (r *repeater) Read(p []byte) (int, error) {
	r.reads.Add(1)
	for i := range p {
		p[i] = r.text[r.off]
		r.off = (r.off + 1) % len(r.text)
	}
	return len(p), nil
}

// TestBulkConnectionIsReused holds that calls which went well leave their connection to
// the next.
func TestBulkConnectionIsReused(t *testing.T) {
	addrs := make(map[string]bool)
	_, c := serve(t, streaming(t, func(r *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
		addrs[r.RemoteAddr] = true
		importer(r, rows, say)
	}))
	for range 5 {
		if _, err := c.BulkImport(t.Context(), strings.NewReader(`"a"`), imclient.BulkImportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(addrs) != 1 {
		t.Errorf("%d connections", len(addrs))
	}
}

// blocked is a body whose first Read gives a row and whose second waits for Close. It
// fails the test if it is read after done.
type blocked struct {
	t      *testing.T
	reads  atomic.Int32
	closed chan struct{}
	done   atomic.Bool
}

func newBlocked(t *testing.T) *blocked { return &blocked{t: t, closed: make(chan struct{})} }

func (b *blocked) Read(p []byte) (int, error) {
	if b.done.Load() {
		b.t.Error("the body was read after the end")
	}
	if b.reads.Add(1) == 1 {
		return copy(p, "\"ann\"\n"), nil
	}
	<-b.closed
	return 0, io.ErrClosedPipe
}

func (b *blocked) Close() error {
	close(b.closed)
	return nil
}

func isCode(code int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*imclient.Error](err)
		return ok && e.Code == code
	}
}

func isReplyError(reason string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*imclient.ReplyError](err)
		return ok && strings.Contains(e.Reason, reason)
	}
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

const firstProgress = `{"Progress":{"Rows":1,"Created":1}}`

// bulkEnds has the ways in which a bulk import ends while its body still waits.
var bulkEnds = []struct {
	name    string
	handler func(w http.ResponseWriter, say func(string), cancel func())
	want    func(error) bool
	result  imclient.BulkResult
}{
	{"refused", func(w http.ResponseWriter, _ func(string), _ func()) {
		_, _ = io.WriteString(w, refusal(70009).reply)
	}, isCode(70009), imclient.BulkResult{}},
	{"unknown command", func(w http.ResponseWriter, _ func(string), _ func()) {
		_, _ = io.WriteString(w, "{\n  \"ActionStatus\": \"FAIL\",\n  \"ErrorCode\": 60009,\n  \"ErrorInfo\": \"\"\n}\n")
	}, isCode(60009), imclient.BulkResult{}},
	{"an envelope that is no stream", func(w http.ResponseWriter, _ func(string), _ func()) {
		_, _ = io.WriteString(w, okReply)
	}, isReplyError("not application/x-ndjson"), imclient.BulkResult{}},
	{"a proxy's page", func(w http.ResponseWriter, _ func(string), _ func()) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `<html>`)
	}, isReplyError("not an answer"), imclient.BulkResult{}},
	{"a redirect", func(w http.ResponseWriter, _ func(string), _ func()) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, isReplyError("a redirect"), imclient.BulkResult{}},
	{"it cannot go on", func(_ http.ResponseWriter, say func(string), _ func()) {
		say(firstProgress)
		say(`{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorInfo":"no","Rows":2,"Created":2}`)
	}, isCode(70500), imclient.BulkResult{Rows: 2, Created: 2}},
	{"it cannot go on and says no more", func(_ http.ResponseWriter, say func(string), _ func()) {
		say(firstProgress)
		say(`{"ActionStatus":"FAIL","ErrorCode":70202,"ErrorInfo":"no"}`)
	}, isCode(70202), imclient.BulkResult{Rows: 1, Created: 1}},
	{"done before the end", func(_ http.ResponseWriter, say func(string), _ func()) {
		say(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":1,"Created":1}`)
	}, isReplyError("ended before the rows did"), imclient.BulkResult{Rows: 1, Created: 1}},
	{"the connection breaks", func(w http.ResponseWriter, say func(string), _ func()) {
		say(firstProgress)
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // else net/http first reads the body
		panic(http.ErrAbortHandler)
	}, is(io.ErrUnexpectedEOF), imclient.BulkResult{Rows: 1, Created: 1}},
	{"no envelope", func(_ http.ResponseWriter, say func(string), _ func()) { say(firstProgress) }, is(io.ErrUnexpectedEOF), imclient.BulkResult{Rows: 1, Created: 1}},
	{"cut off in a line", func(w http.ResponseWriter, say func(string), _ func()) {
		say(firstProgress)
		_, _ = io.WriteString(w, `{"Progress":{"Rows":2}}`) // complete, and yet
	}, is(io.ErrUnexpectedEOF), imclient.BulkResult{Rows: 1, Created: 1}},
	{"an envelope without a newline", func(w http.ResponseWriter, _ func(string), _ func()) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorCode":70169,"ErrorInfo":""}`)
	}, isCode(70169), imclient.BulkResult{}},
	{"ctx ends", func(_ http.ResponseWriter, say func(string), cancel func()) {
		say(firstProgress)
		cancel()
	}, is(context.Canceled), imclient.BulkResult{}},
	{"a line that is no JSON", func(_ http.ResponseWriter, say func(string), _ func()) { say("<html>") }, isReplyError("a line is not JSON"), imclient.BulkResult{}},
	{"a line without end", func(_ http.ResponseWriter, say func(string), _ func()) {
		say(`{"Row":1,"UserID":"` + strings.Repeat("x", 2<<20))
	}, isReplyError("a line has more than 1048576 bytes"), imclient.BulkResult{}},
	{"a later version's line", func(_ http.ResponseWriter, say func(string), _ func()) {
		say(`{"Phase":"sort"}`)
		say(`{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorInfo":""}`)
	}, isCode(70500), imclient.BulkResult{}},
}

func TestBulkImportEndsEarly(t *testing.T) {
	for _, tc := range bulkEnds {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			canceled := tc.want(context.Canceled)
			_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				rows := bufio.NewReader(r.Body)
				_, _ = rows.ReadString('\n')
				say := func(line string) {
					w.Header().Set("Content-Type", "application/x-ndjson")
					_, _ = io.WriteString(w, line+"\n")
					_ = control.Flush()
				}
				tc.handler(w, say, cancel)
				if canceled {
					_, _ = io.Copy(io.Discard, rows) // until the client goes
				}
			})
			body := newBlocked(t)
			got, err := c.BulkImport(ctx, body, imclient.BulkImportOptions{})
			body.done.Store(true)
			if err == nil || !tc.want(err) || strings.Contains(err.Error(), "usersig") {
				t.Errorf("error %v", err)
			}
			if got != tc.result && !canceled { // then the progress may have come or not
				t.Errorf("result %+v, want %+v", got, tc.result)
			}
			select {
			case <-body.closed:
			default:
				t.Error("the body was not closed")
			}
		})
	}
}

// TestBulkImportRefusedWhileItSends holds that a refusal is read although the service
// does not take the rows, of which there is no end.
func TestBulkImportRefusedWhileItSends(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, refusal(70202).reply) })
	rows := &repeater{text: "\"ann\"\n"}
	_, err := c.BulkImport(t.Context(), rows, imclient.BulkImportOptions{})
	reads := rows.reads.Load()
	if !isCode(70202)(err) {
		t.Errorf("error %v", err)
	}
	c.CloseIdleConnections()
	if rows.reads.Load() != reads {
		t.Error("the rows were read after the end")
	}
}

func TestBulkImportCannotReadTheBody(t *testing.T) {
	var tail atomic.Value
	s, c := serve(t, streaming(t, func(_ *http.Request, rows *bufio.Scanner, say func(string, ...any)) {
		rows.Scan()
		say(firstProgress)
		for rows.Scan() {
		}
		tail.Store(rows.Err())
	}))
	broken := errors.New("the disk is gone")
	body, rows := io.Pipe()
	go func() { _, _ = io.WriteString(rows, "\"ann\"\n\"bo") }()
	got, err := c.BulkImport(t.Context(), body, imclient.BulkImportOptions{
		OnProgress: func(imclient.BulkResult) { _ = rows.CloseWithError(broken) },
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "muster/bulk_import: read the rows") || got.Rows != 1 {
		t.Errorf("%+v, error %v", got, err)
	}
	s.Close()
	if err, _ := tail.Load().(error); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the service took a half row for a whole one: %v", err)
	}
}

func TestBulkImportWithoutService(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	c := newClient(t, imclient.Options{BaseURL: gone.URL, SDKAppID: testApp, Key: testKey, Admin: testAdmin})
	body := newBlocked(t)
	_, err := c.BulkImport(t.Context(), body, imclient.BulkImportOptions{})
	if err == nil || strings.Contains(err.Error(), "usersig") || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	<-body.closed
	body = newBlocked(t)
	if _, err := c.BulkImport(t.Context(), body, imclient.BulkImportOptions{From: -1}); err == nil {
		t.Error("a negative From was accepted")
	}
	<-body.closed
}

// TestBulkIsNotRepeated holds that a bulk call makes one request, and that a UserSig
// which was refused is not used again.
func TestBulkIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{refusal(70001), refusal(70202), {status: 503}, {err: io.EOF}}}
		c := s.client(t, nil)
		<-time.After(time.Minute)
		for i := range 4 {
			if _, err := c.BulkImport(t.Context(), http.NoBody, imclient.BulkImportOptions{}); err == nil || len(s.at) != i+1 {
				t.Errorf("%d requests, error %v", len(s.at), err)
			}
		}
		if s.sigs[0] == s.sigs[1] {
			t.Error("the UserSig that was refused was used again")
		}
		if _, err := c.BulkExport(t.Context(), imclient.BulkExportOptions{}, nil); !errors.Is(err, io.EOF) || len(s.at) != 5 {
			t.Errorf("%d requests, error %v", len(s.at), err)
		}
	})
}

// slow is a transport whose service takes all rows and answers with what a test writes.
type slow struct{ answer *io.PipeReader }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	go func() { _, _ = io.Copy(io.Discard, r.Body) }()
	context.AfterFunc(r.Context(), func() { _ = s.answer.CloseWithError(r.Context().Err()) })
	h := http.Header{"Content-Type": {"application/x-ndjson"}}
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: s.answer}, nil
}

// TestBulkSilence holds that a service may send nothing for two minutes, and that the
// caller may take any time.
func TestBulkSilence(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script func(answer io.Writer)
		end    time.Duration
		silent bool
	}{
		{"silent", func(io.Writer) {}, 2 * time.Minute, true},
		{"silent after some time", func(answer io.Writer) {
			for range 5 {
				<-time.After(119 * time.Second)
				_, _ = io.WriteString(answer, firstProgress+"\n")
			}
			// the second one waits for the callback, which takes an hour
		}, 4*119*time.Second + time.Hour + 2*time.Minute, true},
		{"a byte now and then is enough", func(answer io.Writer) {
			for _, c := range `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":9}` + "\n" {
				<-time.After(time.Minute)
				_, _ = io.WriteString(answer, string(c))
			}
		}, time.Hour + time.Second, false}, // and a second for the end, which does not come
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer, say := io.Pipe()
				o := (&fake{}).options()
				o.HTTPClient = &http.Client{Transport: slow{answer}, Timeout: time.Second}
				c := newClient(t, o)
				begin, hour := time.Now(), time.Hour
				go tc.script(say)
				_, err := c.BulkImport(t.Context(), strings.NewReader(`"ann"`), imclient.BulkImportOptions{
					OnProgress: func(imclient.BulkResult) {
						<-time.After(hour)
						hour = 0
					},
				})
				if tc.silent != errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != tc.end {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
				if tc.silent && !strings.Contains(err.Error(), "sent nothing for 2m0s") {
					t.Errorf("error %v", err)
				}
				synctest.Wait()
			})
		})
	}
}

// TestBulkWaitsForRows holds that a body which gives nothing for long is no silence of
// the service, whose time goes on when a row was sent.
func TestBulkWaitsForRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, say := io.Pipe()
		o := (&fake{}).options()
		o.HTTPClient = &http.Client{Transport: slow{answer}}
		c := newClient(t, o)
		body, rows := io.Pipe()
		go func() {
			for range 3 {
				<-time.After(time.Hour)
				_, _ = io.WriteString(rows, "\"ann\"\n")
			}
			_ = rows.Close()
			<-time.After(119 * time.Second)
			_, _ = io.WriteString(say, firstProgress+"\n")
		}()
		begin := time.Now()
		got, err := c.BulkImport(t.Context(), body, imclient.BulkImportOptions{})
		if !errors.Is(err, context.DeadlineExceeded) || got.Rows != 1 || time.Since(begin) != 3*time.Hour+119*time.Second+2*time.Minute {
			t.Errorf("after %v: %+v, %v", time.Since(begin), got, err)
		}
		synctest.Wait()
	})
}

// stuck is a transport whose service neither takes a row nor answers.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestBulkServiceIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := (&fake{}).options()
		o.HTTPClient = &http.Client{Transport: stuck{}}
		c := newClient(t, o)
		begin := time.Now()
		_, importErr := c.BulkImport(t.Context(), &repeater{text: "\"ann\"\n"}, imclient.BulkImportOptions{})
		_, exportErr := c.BulkExport(t.Context(), imclient.BulkExportOptions{}, nil)
		for _, err := range []error{importErr, exportErr} {
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "sent nothing for 2m0s") {
				t.Errorf("error %v", err)
			}
		}
		if time.Since(begin) != 4*time.Minute {
			t.Errorf("after %v", time.Since(begin))
		}
	})
}

const (
	exportedAnn = `{"UserID":"ann","TinyID":"144115188075855873","Created":1700000000,"ValidFrom":1700000100,"Nick":"Ann","FaceUrl":"http://x/ä"}`
	exportedBob = `{"UserID":"bob","TinyID":"144115188075855874","Created":1700000001}`
	endOfTwo    = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":2}`
)
