package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/presence"
)

func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		allowed []string
		origin  string // HOST stands for the server's own
		ok      bool
	}{
		{"no browser", nil, "", true},
		{"own", nil, "http://HOST", true},
		{"foreign", nil, "https://evil.example", false},
		{"null", nil, "null", false},
		{"named", []string{"https://app.example"}, "https://app.example", true},
		{"named, other case", []string{"https://App.example"}, "https://app.EXAMPLE", true},
		{"named, other scheme", []string{"https://app.example"}, "http://app.example", false},
		{"named, longer", []string{"https://app.example"}, "https://app.example.evil.example", false},
		{"all", []string{"*"}, "https://whoever.example", true},
		{"all, null", []string{"*"}, "null", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(o *gateway.Options) { o.AllowedOrigins = tt.allowed })
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", strings.ReplaceAll(tt.origin, "HOST", strings.TrimPrefix(w.url, "ws://")))
			}
			d, err := w.dial(w.credentials("ann"), device.Options{Header: header})
			if err == nil {
				d.Close()
			}
			if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "HTTP 403") {
				t.Errorf("Origin %q: %v, want allowed: %v", tt.origin, err, tt.ok)
			}
		})
	}
}

func TestBadOrigins(t *testing.T) {
	for _, bad := range []string{"app.example", "https://app.example/", "https://app.example?x", "https://u@app.example", "https://", "%"} {
		o := gateway.Options{AllowedOrigins: []string{bad}}
		if _, err := gateway.New(o); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*gateway.Options)
		status string
	}{
		{"per address", func(o *gateway.Options) { o.MaxPerAddress = 3 }, "HTTP 429"},
		{"in all", func(o *gateway.Options) { o.MaxSessions = 3 }, "HTTP 503"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.change)
			devices := make([]*device.Device, 3)
			for i := range devices {
				devices[i] = w.login(w.credentials(fmt.Sprint("u", i)))
			}
			if _, err := w.dial(w.credentials("ann"), device.Options{}); err == nil || !strings.Contains(err.Error(), tt.status) {
				t.Errorf("one more: %v, want %s", err, tt.status)
			}
			devices[0].Close()
			var again *device.Device
			w.await("a place is free once a device is gone", func() bool {
				var err error
				again, err = w.dial(w.credentials("ann"), device.Options{})
				return err == nil
			})
			again.Close()
		})
	}
}

// TestBadFrames sends what is no command, or too large a one.
func TestBadFrames(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame string
		code  int
	}{
		{"no JSON", "hello", 3501},
		{"broken", `{"id":1,"connect":{`, 3501},
		{"a command before the connect", `{"id":1,"rpc":{"method":"logout"}}`, 3501},
		{"empty object", `{}`, 3501},
		{"huge", `{"id":1,"connect":{"data":"` + strings.Repeat("x", 5000) + `"}}`, websocket.CloseMessageTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			conn := w.raw()
			w.must(conn.WriteMessage(websocket.TextMessage, []byte(tt.frame)))
			_, _, err := conn.ReadMessage()
			if !websocket.IsCloseError(err, tt.code) {
				t.Errorf("%v, want close code %d", err, tt.code)
			}
		})
	}
}

func (w *world) connectCommand(l device.Login) []byte {
	w.t.Helper()
	data, err := json.Marshal(l)
	w.must(err)
	return fmt.Appendf(nil, `{"id":1,"connect":{"data":%s}}`, data)
}

// raw returns a WebSocket connection that is not logged in.
func (w *world) raw() *websocket.Conn {
	w.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(w.url+gateway.PathWebSocket, nil)
	w.must(err)
	response.Body.Close()
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestHalfOpen leaves many connections without a login, which Stop ends as well.
func TestHalfOpen(t *testing.T) {
	w := newWorld(t, nil)
	for range 500 {
		w.raw()
	}
	d := w.login(w.credentials("ann"))
	w.mustBeConnected(d)
	if got := w.sessions.Total(); got != 1 {
		t.Errorf("%d sessions", got)
	}
}

// TestTimeout has a device that no longer answers pings.
func TestTimeout(t *testing.T) {
	w := newWorld(t, func(o *gateway.Options) { o.PingInterval, o.PongTimeout = time.Second, 500*time.Millisecond })
	conn := w.raw()
	l := w.credentials("ann")
	l.Platform, l.PushCapable = "iPhone", true
	w.must(conn.WriteMessage(websocket.TextMessage, w.connectCommand(l)))
	var err error
	for err == nil { // read, but never answer
		_, _, err = conn.ReadMessage()
	}
	if !websocket.IsCloseError(err, 3012) {
		t.Errorf("%v, want close code 3012, no pong", err)
	}
	w.await("ann is PushOnline", func() bool { return w.state("ann") == presence.PushOnline })
	if got := w.metric("muster_session_ends_total", "timeout"); got != 1 {
		t.Errorf("%v sessions are counted as timed out", got)
	}
}

// metric returns the value of a counter or gauge with one label.
func (w *world) metric(name, label string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	w.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	w.t.Fatalf("there is no metric %s of %s", name, label)
	return 0
}

// TestFallbacks logs in by HTTP streaming and by server-sent events, and is kicked there.
func TestFallbacks(t *testing.T) {
	for _, tt := range []struct {
		path string
		get  bool
		line func(string) (string, bool) // the message on a line of the answer
	}{
		{path: gateway.PathHTTPStream, line: func(s string) (string, bool) { return s, s != "" }},
		{path: gateway.PathSSE, get: true, line: func(s string) (string, bool) { return strings.CutPrefix(s, "data: ") }},
	} {
		t.Run(tt.path, func(t *testing.T) {
			w := newWorld(t, nil)
			data, err := json.Marshal(w.credentials("ann"))
			w.must(err)
			command := fmt.Sprintf(`{"id":1,"connect":{"data":%s}}`, data)
			base := "http" + strings.TrimPrefix(w.url, "ws")
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+tt.path, strings.NewReader(command))
			if tt.get {
				request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, base+tt.path+"?cf_connect="+url.QueryEscape(command), nil)
			}
			w.must(err)
			response, err := http.DefaultClient.Do(request)
			w.must(err)
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			next := func() (m frame) {
				t.Helper()
				for lines.Scan() {
					if text, ok := tt.line(lines.Text()); ok && text != "" {
						w.must(json.Unmarshal([]byte(text), &m))
						return m
					}
				}
				t.Fatalf("the answer ended: %v", lines.Err())
				return m
			}
			hello := next()
			if hello.Connect.Session == "" || w.state("ann") != presence.Online {
				t.Fatalf("ann is %s after %+v", w.state("ann"), hello)
			}
			w.emulate(base, hello, `{"id":2,"rpc":{"method":"set_status","data":{"CustomStatus":"busy"}}}`)
			if m := next(); m.ID != 2 || m.Error != nil {
				t.Errorf("the answer of the RPC is %+v", m)
			}
			w.kick("ann")
			if m := next(); m.Push.Disconnect.Code != 4501 || !strings.HasPrefix(m.Push.Disconnect.Reason, "70052 ") {
				t.Errorf("the push of the kick is %+v", m)
			}
			w.await("the connection is over", func() bool { return w.metric("muster_connections", "") == 0 })
		})
	}
}

type frame struct {
	ID      int `json:"id"`
	Error   any `json:"error"`
	Connect struct {
		Session string `json:"session"`
		Node    string `json:"node"`
	} `json:"connect"`
	Push struct {
		Disconnect struct {
			Code   int    `json:"code"`
			Reason string `json:"reason"`
		} `json:"disconnect"`
	} `json:"push"`
}

// emulate sends a command beside a connection that only receives.
func (w *world) emulate(base string, hello frame, command string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"session": hello.Connect.Session, "node": hello.Connect.Node, "data": command})
	w.must(err)
	response, err := http.Post(base+gateway.PathEmulation, "application/json", bytes.NewReader(body))
	w.must(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		w.t.Fatalf("emulation: %s", response.Status)
	}
}

// TestPreflight is what a browser asks before it posts from another origin.
func TestPreflight(t *testing.T) {
	w := newWorld(t, func(o *gateway.Options) { o.AllowedOrigins = []string{"https://app.example"} })
	base := "http" + strings.TrimPrefix(w.url, "ws")
	for _, path := range []string{gateway.PathHTTPStream, gateway.PathEmulation} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, base+path, nil)
		w.must(err)
		request.Header.Set("Origin", "https://app.example")
		response, err := http.DefaultClient.Do(request)
		w.must(err)
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example" || response.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %s, Access-Control-Allow-Origin %q", path, response.Status, got)
		}
	}
}

func TestHugeBody(t *testing.T) {
	w := newWorld(t, nil)
	base := "http" + strings.TrimPrefix(w.url, "ws")
	for _, path := range []string{gateway.PathHTTPStream, gateway.PathSSE, gateway.PathEmulation} {
		response, err := http.Post(base+path, "application/json", strings.NewReader(strings.Repeat("x", 10_000)))
		w.must(err)
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

// TestGivenUp breaks connections at every moment of a login: no session may stay.
func TestGivenUp(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			conn, response, err := websocket.DefaultDialer.Dial(w.url+gateway.PathWebSocket, nil)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			data, _ := json.Marshal(w.credentials(fmt.Sprint("u", i)))
			if i%2 == 0 {
				_ = conn.NetConn().(*net.TCPConn).SetLinger(0)
			}
			_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"id":1,"connect":{"data":%s}}`, data))
			conn.Close()
		})
	}
	wg.Wait()
	w.await("all are gone", func() bool {
		return w.metric("muster_connections", "") == 0 && w.sessions.Total() == 0
	})
}
