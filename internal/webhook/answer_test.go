package webhook_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/webhook"
)

func padded(size int) string { return ok + strings.Repeat(" ", size-len(ok)) }

// TestAnswer shows which answers are good, which make the Sender try again, and which end
// the event.
func TestAnswer(t *testing.T) {
	const attempts = 3
	for name, test := range map[string]struct {
		status   int
		body     string
		attempts int
		log      string // part of the line; "" if the event is delivered
	}{
		"as asked for":              {200, ok, 1, ""},
		"other fields too":          {200, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":null,"x":[{}]}` + "\n", 1, ""},
		"ErrorCode alone":           {200, `{"ErrorCode":0}`, 1, ""},
		"ErrorCode as text":         {200, `{"ErrorCode":"0"}`, 1, ""},
		"ActionStatus alone":        {200, `{"ActionStatus":"ok"}`, 1, ""},
		"as long as may be":         {200, padded(64 << 10), 1, ""},
		"an ErrorCode":              {200, `{"ActionStatus":"OK","ErrorCode":1}`, attempts, "ErrorCode 1"},
		"ActionStatus FAIL":         {200, `{"ActionStatus":"FAIL","ErrorCode":0}`, attempts, "ActionStatus"},
		"neither":                   {200, `{}`, attempts, "neither"},
		"null":                      {200, `null`, attempts, "neither"},
		"nothing":                   {200, ``, attempts, "not the JSON"},
		"a list":                    {200, `[]`, attempts, "not the JSON"},
		"HTML":                      {200, `<html>`, attempts, "not the JSON"},
		"too long":                  {200, padded(64<<10 + 1), attempts, "more than 65536 bytes"},
		"500":                       {500, ok, attempts, "status 500"},
		"503 with a huge body":      {503, strings.Repeat("x", 1<<20), attempts, "status 503"},
		"429":                       {429, ``, attempts, "status 429"},
		"408":                       {408, ``, attempts, "status 408"},
		"404":                       {404, ok, 1, "status 404"},
		"201":                       {201, ok, 1, "status 201"},
		"304":                       {304, ``, 1, "status 304"},
		"an ErrorCode of any shape": {200, `{"ErrorCode":{}}`, attempts, "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newReceiver(t, func(int, request) (int, string) { return test.status, test.body })
			w := newWorld(t, func(o *webhook.Options) { o.Attempts = attempts }, hooked(firstApp, v.URL))
			w.report(firstApp, "u", "1")
			want := map[string]float64{"failed": 1}
			if test.log == "" {
				want = map[string]float64{"delivered": 1}
			}
			w.settled(1)
			w.finish()
			w.results(want)
			if got := len(v.got()); got != test.attempts {
				t.Errorf("%d attempts, want %d", got, test.attempts)
			}
			if got := w.value("muster_webhook_retries_total"); got != float64(test.attempts-1) {
				t.Errorf("muster_webhook_retries_total is %v", got)
			}
			if got := w.value("muster_webhook_seconds"); got != float64(test.attempts) {
				t.Errorf("muster_webhook_seconds has %v samples", got)
			}
			if log := w.log.String(); !strings.Contains(log, test.log) || (log == "") != (test.log == "") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// A redirect is not followed, wherever it leads.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := newReceiver(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		v := httptest.NewServer(http.RedirectHandler(other.URL, status))
		t.Cleanup(v.Close)
		w := newWorld(t, nil, hooked(firstApp, v.URL))
		w.report(firstApp, "u", "1")
		w.finish()
		w.results(map[string]float64{"failed": 1})
	}
	if got := len(other.got()); got != 0 {
		t.Errorf("%d requests were redirected", got)
	}
}

// countingBody never ends and counts what is read of it.
type countingBody struct{ read, closed atomic.Int64 }

func (c *countingBody) Read(p []byte) (int, error) {
	c.read.Add(int64(len(p)))
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (c *countingBody) Close() error {
	c.closed.Add(1)
	return nil
}

// Of an answer that never ends only so much is read, and it is closed.
func TestEndlessAnswer(t *testing.T) {
	for _, status := range []int{200, 404, 500} {
		var body countingBody
		w := newWorld(t, func(o *webhook.Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Body: &body}, nil
			})
		}, hooked(firstApp, "http://receiver"))
		w.report(firstApp, "u", "1")
		w.finish()
		w.results(map[string]float64{"failed": 1})
		if got := body.read.Load(); got > 128<<10 {
			t.Errorf("status %d: %d bytes were read", status, got)
		}
		if got := body.closed.Load(); got != 1 {
			t.Errorf("status %d: closed %d times", status, got)
		}
	}
}

// A receiver that is too slow fails, be it with the answer or with the end of its body.
func TestTimeout(t *testing.T) {
	for name, begin := range map[string]string{"no answer": "", "half an answer": ok} {
		t.Run(name, func(t *testing.T) {
			v := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if begin != "" {
					_, _ = io.WriteString(rw, begin)
					_ = http.NewResponseController(rw).Flush()
				}
				<-r.Context().Done()
			}))
			t.Cleanup(v.Close)
			w := newWorld(t, func(o *webhook.Options) { o.Timeout = 20 * time.Millisecond }, hooked(firstApp, v.URL))
			w.report(firstApp, "u", "1")
			w.finish()
			w.results(map[string]float64{"failed": 1})
			if log := w.log.String(); !strings.Contains(log, "no answer within 20ms") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// Connections are kept.
func TestKeepAlive(t *testing.T) {
	const events, workers = 200, 3
	v := newReceiver(t, nil)
	w := newWorld(t, func(o *webhook.Options) { o.Workers = workers }, hooked(firstApp, v.URL))
	for range events {
		for _, id := range []account.UserID{"a", "b", "c", "d", "e", "f", "g", "h"} {
			w.report(firstApp, id, "x")
		}
	}
	w.finish()
	remotes := make(map[string]bool)
	for _, r := range v.got() {
		remotes[r.remote] = true
	}
	// The transport may dial while a connection is on its way back to it.
	if len(remotes) > 2*workers {
		t.Errorf("%d connections for %d workers and %d events", len(remotes), workers, 8*events)
	}
}

// A kept connection that the receiver closes just when it is used again costs no attempt.
func TestKeptConnectionBreaks(t *testing.T) {
	addr, requests := flakyReceiver(t)
	w := newWorld(t, func(o *webhook.Options) { o.Workers = 1 }, hooked(firstApp, "http://"+addr))
	w.report(firstApp, "u", "1", "2", "3")
	for range 5 { // 1, 2 in vain, 2, 3 in vain, 3
		<-requests
	}
	w.finish()
	w.results(map[string]float64{"delivered": 3})
}

// flakyReceiver answers the first request of each connection and closes it, unanswered,
// at the second.
func flakyReceiver(t *testing.T) (addr string, requests <-chan struct{}) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan struct{}, 100)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for n := range 2 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if n == 0 {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(ok), ok)
			}
			all <- struct{}{}
		}
	}
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(conn) })
		}
	})
	return listener.Addr().String(), all
}
