package imclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

func TestReplies(t *testing.T) {
	const command = "im_open_login_svc/kick"
	bad := func(status int, reason string) error {
		return &imclient.ReplyError{Command: command, Status: status, Reason: reason}
	}
	for _, tc := range []struct {
		name   string
		status int
		reply  string
		want   error
	}{
		{"refused", 200, `{"ActionStatus":"FAIL","ErrorCode":70107,"ErrorInfo":"no such"}`, &imclient.Error{Command: command, Code: 70107, Info: "no such"}},
		{"refused without a status", 200, `{"ErrorCode":60009}`, &imclient.Error{Command: command, Code: 60009}},
		{"refused without a number", 200, `{"ActionStatus":"FAIL","ErrorCode":0}`, &imclient.Error{Command: command}},
		{"accepted without ErrorInfo", 200, `{"ActionStatus":"OK","ErrorCode":0}`, nil},
		{"a proxy's page", 502, `<html><h1>502 Bad Gateway</h1></html>`, bad(502, "not an answer of the API")},
		{"an envelope with another status", 500, okReply, bad(500, "not an answer of the API")},
		{"no content", 204, "", bad(204, "not an answer of the API")},
		{"a redirect", 307, "", bad(307, "a redirect, which is not followed; check BaseURL")},
		{"empty", 200, "", bad(200, "the body is not a reply: unexpected end of JSON input")},
		{"cut off", 200, okReply[:len(okReply)-1], bad(200, "the body is not a reply: unexpected end of JSON input")},
		{"HTML", 200, `<html>`, bad(200, "the body is not a reply: invalid character '<' looking for beginning of value")},
		{"two", 200, okReply + okReply, bad(200, "the body is not a reply: invalid character '{' after top-level value")},
		{"other JSON", 200, `{"status":"up"}`, bad(200, "the body has no ErrorCode")},
		{"null", 200, `null`, bad(200, "the body has no ErrorCode")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{status: tc.status, reply: tc.reply}
			err := newClient(t, f.options()).Kick(t.Context(), "a")
			if diff := cmp.Diff(tc.want, err); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrokenStatusReply holds that a list which was read before the fault in a reply was
// met does not pass for an answer.
func TestBrokenStatusReply(t *testing.T) {
	f := &fake{reply: `{"ErrorList":[{"To_Account":"a","ErrorCode":70107}],"ErrorCode":"0"}`}
	_, err := newClient(t, f.options()).QueryState(t.Context(), []string{"a"}, false)
	if _, ok := errors.AsType[*imclient.ReplyError](err); !ok {
		t.Errorf("error %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"imclient: openim/querystate: 90001 no":                       &imclient.Error{Command: "openim/querystate", Code: 90001, Info: "no"},
		"imclient: openim/querystate: HTTP status 502: not an answer": &imclient.ReplyError{Command: "openim/querystate", Status: 502, Reason: "not an answer"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err.Error(), want)
		}
	}
}

// TestConnectionIsReused holds that whatever is answered, the next call uses the same
// connection.
func TestConnectionIsReused(t *testing.T) {
	var conns, calls atomic.Int32
	page := strings.Repeat("<p>Bad Gateway</p>", 500)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch calls.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, page)
		case 1:
			_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":""}`)
		case 2:
			_, _ = io.WriteString(w, okReply)
		default:
			w.(http.Flusher).Flush() // chunked
			_, _ = io.WriteString(w, page)
		}
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := newClient(t, imclient.Options{BaseURL: s.URL, SDKAppID: testApp, Key: testKey, Admin: testAdmin, Attempts: 1})
	defer c.CloseIdleConnections()
	for range 20 {
		_ = c.Kick(t.Context(), "a") // three in four fail, as TestReplies holds
	}
	if calls.Load() != 20 || conns.Load() != 1 {
		t.Errorf("%d calls over %d connections, want 20 over 1", calls.Load(), conns.Load())
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	})
	err := c.Kick(t.Context(), "a")
	if e, ok := errors.AsType[*imclient.ReplyError](err); !ok || e.Status != http.StatusTemporaryRedirect {
		t.Errorf("error %v", err)
	}
	if reached.Load() {
		t.Error("the redirect was followed")
	}
}

func TestReplyIsBounded(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := c.Call(t.Context(), "openim/querystate", nil)
	if e, ok := errors.AsType[*imclient.ReplyError](err); !ok || !strings.Contains(e.Reason, "more than") {
		t.Errorf("error %v", err)
	}
}

func TestBodyCutOff(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, okReply)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if err := c.Kick(t.Context(), "a"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if err := c.Kick(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestTimeout holds that a service which never answers does not hold a call for ever.
func TestTimeout(t *testing.T) {
	s, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	o := imclient.Options{BaseURL: s.URL, SDKAppID: testApp, Key: testKey, Admin: testAdmin, Timeout: 20 * time.Millisecond, Attempts: 1}
	if err := newClient(t, o).Kick(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// telltale fails as transports do that wrap others: with the URL in the text.
type telltale struct{ cause error }

func (t telltale) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("POST %s giving up after 4 attempts: %w", r.URL, &url.Error{Op: "Post", URL: r.URL.String(), Err: t.cause})
}

// escaping fails likewise, with the query written in another way and the Key added.
type escaping struct{}

func (escaping) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("post %s with %s: %w", r.URL.Query().Encode(), testKey, io.ErrClosedPipe)
}

// echoing answers with whatever was asked.
func echoing(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, `{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":%q}`, r.URL.RawQuery+testKey)
}

// TestNoErrorShowsASecret lets calls fail in every way there is, and looks for the
// UserSig and the Key in each error of each chain.
func TestNoErrorShowsASecret(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(echoing))
	defer echo.Close()
	abort := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer abort.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name      string
		ctx       context.Context
		base      string
		transport http.RoundTripper
		is        error
	}{
		{name: "nobody listens", base: gone.URL},
		{name: "the connection breaks", base: abort.URL, is: io.EOF},
		{name: "no such host", base: "http://im.invalid"},
		{name: "cancelled", base: echo.URL, ctx: cancelled, is: context.Canceled},
		{name: "the service echoes", base: echo.URL},
		{name: "a transport tells", base: echo.URL, transport: telltale{context.DeadlineExceeded}, is: context.DeadlineExceeded},
		{name: "a transport tells in other words", base: echo.URL, transport: escaping{}, is: io.ErrClosedPipe},
		{name: "TLS", base: strings.Replace(echo.URL, "http:", "https:", 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := imclient.Options{BaseURL: tc.base, SDKAppID: testApp, Key: testKey, Admin: testAdmin, Attempts: 1}
			o.HTTPClient = &http.Client{Transport: tc.transport}
			ctx := t.Context()
			if tc.ctx != nil {
				ctx = tc.ctx
			}
			c := newClient(t, o)
			_, importErr := c.BulkImport(ctx, strings.NewReader(`"a"`), imclient.BulkImportOptions{})
			_, exportErr := c.BulkExport(ctx, imclient.BulkExportOptions{}, nil)
			for _, err := range []error{c.Kick(ctx, "a"), importErr, exportErr} {
				if err == nil || (tc.is != nil && !errors.Is(err, tc.is)) {
					t.Fatalf("error %v, want %v", err, tc.is)
				}
				checkNoSecret(t, err)
			}
		})
	}
}

func checkNoSecret(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if strings.Contains(text, testKey) || strings.Contains(text, "eAEB") || strings.Contains(text, "usersig=e") {
		t.Errorf("%T shows a secret: %s", err, text)
	}
	switch e := err.(type) { //nolint:errorlint // each error of the tree is looked at
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			checkNoSecret(t, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			checkNoSecret(t, inner)
		}
	}
}
