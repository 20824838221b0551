package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

// Paths of the gateway; the last is where the devices of the second and the third send what
// they have to say.
const (
	PathWebSocket  = "/connection/websocket"
	PathHTTPStream = "/connection/http_stream"
	PathSSE        = "/connection/sse"
	PathEmulation  = "/emulation"
)

// makeDoors returns the handlers behind the paths.
func (g *Gateway) makeDoors() map[string]http.Handler {
	ping := centrifuge.PingPongConfig{PingInterval: g.opt.PingInterval, PongTimeout: g.opt.PongTimeout}
	websocket := centrifuge.NewWebsocketHandler(g.node, centrifuge.WebsocketConfig{
		CheckOrigin:        func(*http.Request) bool { return true }, // ServeHTTP has checked it
		ReadBufferSize:     readBuffer,
		UseWriteBufferPool: true,
		MessageSizeLimit:   g.opt.MaxMessage,
		WriteTimeout:       writeTimeout,
		PingPongConfig:     ping,
		// Most devices are idle most of the time, and a small stack is what counts then.
		ProcessCommandsOffReadLoop: true,
	})
	stream := centrifuge.NewHTTPStreamHandler(g.node, centrifuge.HTTPStreamConfig{
		PingPongConfig: ping, MaxRequestBodySize: g.opt.MaxMessage,
	})
	sse := centrifuge.NewSSEHandler(g.node, centrifuge.SSEConfig{
		PingPongConfig: ping, MaxRequestBodySize: g.opt.MaxMessage,
	})
	emulation := centrifuge.NewEmulationHandler(g.node, centrifuge.EmulationConfig{MaxRequestBodySize: g.opt.MaxMessage})
	return map[string]http.Handler{
		PathWebSocket:  g.hijacked(websocket),
		PathHTTPStream: g.streamed(stream),
		PathSSE:        g.streamed(sse),
		PathEmulation:  emulation,
	}
}

const (
	readBuffer   = 512
	writeTimeout = 5 * time.Second
)

// Handles reports whether a path is the gateway's.
func (g *Gateway) Handles(path string) bool { return g.doors[path] != nil }

// ServeHTTP implements http.Handler for the paths that Handles. A browser's Origin that is not
// allowed is answered with 403, too many connections of the address with 429, too many of
// all and a gateway that is stopping with 503.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door, ok := g.doors[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
	case g.stopping.Load():
		g.deny(w, denyStopping)
	case !g.allow(w, r):
		g.deny(w, denyOrigin)
	default:
		door.ServeHTTP(w, r)
	}
}

// deny answers a request that does not become a connection.
func (g *Gateway) deny(w http.ResponseWriter, why denial) {
	g.metrics.denied[why].Inc()
	if why != denyOrigin {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, denials[why].text, denials[why].status)
}

// denial is why a request does not become a connection.
type denial int

const (
	denyOrigin denial = iota
	denyAddress
	denyTotal
	denyStopping
)

var denials = [...]struct {
	name, text string
	status     int
}{
	denyOrigin:   {"origin", "this Origin may not connect: see the setting allowed-origins", http.StatusForbidden},
	denyAddress:  {"address", "too many connections of this address", http.StatusTooManyRequests},
	denyTotal:    {"total", "too many connections", http.StatusServiceUnavailable},
	denyStopping: {"stopping", "the server is stopping", http.StatusServiceUnavailable},
}

// allow checks a browser's Origin, and has the browser told that it may read the answer.
func (g *Gateway) allow(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" { // no browser
		return true
	}
	if !g.origins.allow(origin, r.Host) {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Headers", "Content-Type")
	}
	return true
}

type addressKey struct{}

func addressOf(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

// admit counts the request's connection, if there may be one more.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request) (*http.Request, *admission, bool) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	a, why, ok := g.admitted.enter(address)
	if !ok {
		g.deny(w, why)
		return nil, nil, false
	}
	return r.WithContext(context.WithValue(r.Context(), addressKey{}, address)), a, true
}

// hijacked serves connections that leave net/http: they count until they are closed.
func (g *Gateway) hijacked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, a, ok := g.admit(w, r)
		if !ok {
			return
		}
		h := &hijacker{ResponseWriter: w, admission: a}
		defer func() {
			if !h.taken {
				a.leave()
			}
		}()
		next.ServeHTTP(h, r)
	})
}

// hijacker hands its admission over to the connection.
type hijacker struct {
	http.ResponseWriter
	admission *admission
	taken     bool
}

// Unwrap makes the http.ResponseController find the rest.
func (h *hijacker) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// streamed serves connections that are one long answer. What net/http allows a request to take
// does not hold for them, once the request itself is read.
func (g *Gateway) streamed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		r, a, ok := g.admit(w, r)
		if !ok {
			return
		}
		defer a.leave()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(g.opt.MaxMessage)))
		if err != nil {
			status := http.StatusBadRequest
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, "the body cannot be read", status)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}

// origins are those that may connect.
type origins struct {
	all   bool
	exact map[string]bool
}

// parseOrigins reads the setting; each is an origin as browsers send it, or "*".
func parseOrigins(list []string) (origins, error) {
	o := origins{exact: make(map[string]bool)}
	for _, text := range list {
		if text == "*" {
			o.all = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			return origins{}, fmt.Errorf("allowed origin %q is none: it must be such as https://app.example.com", text)
		}
		o.exact[strings.ToLower(text)] = true
	}
	return o, nil
}

// allow reports whether origin may connect to host: one that is named, or host itself.
func (o origins) allow(origin, host string) bool {
	if o.all || o.exact[strings.ToLower(origin)] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
