package imclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-im/muster/imclient"
)

// TestMain holds that no test leaves a goroutine, of the client or of a transport.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testApp   = 1400000001
	testAdmin = "administrator"
	testKey   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// request is what a fake service saw.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         string
}

// fake answers every request with status and reply, without a network.
type fake struct {
	status int // 200 if zero
	reply  string
	err    error // instead of an answer
	seen   []request
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.seen = append(f.seen, request{r.Method, r.URL.Path, r.URL.Query(), r.Header, string(body)})
	if f.err != nil {
		return nil, f.err
	}
	return &http.Response{
		StatusCode:    max(f.status, http.StatusOK),
		Header:        http.Header{},
		Body:          io.NopCloser(strings.NewReader(f.reply)),
		ContentLength: int64(len(f.reply)),
	}, nil
}

// options are those of a Client of the fake that makes one request for each call.
func (f *fake) options() imclient.Options {
	return imclient.Options{
		BaseURL: "http://im.example", SDKAppID: testApp, Key: testKey, Admin: testAdmin,
		HTTPClient: &http.Client{Transport: f}, Attempts: 1,
		Now: func() time.Time { return time.Unix(1700000000, 0) },
	}
}

func newClient(tb testing.TB, o imclient.Options) *imclient.Client {
	tb.Helper()
	c, err := imclient.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// serve starts a real service and returns a Client of it with its own connections, which
// makes one request for each call.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *imclient.Client) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c := newClient(t, imclient.Options{BaseURL: s.URL, SDKAppID: testApp, Key: testKey, Admin: testAdmin, Attempts: 1})
	t.Cleanup(c.CloseIdleConnections)
	return s, c
}

const okReply = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`

// discarding answers without keeping anything.
type discarding struct{ reply string }

func (d *discarding) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode:    http.StatusOK,
		Body:          io.NopCloser(strings.NewReader(d.reply)),
		ContentLength: int64(len(d.reply)),
	}, nil
}
