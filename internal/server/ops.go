package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"sync"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsHandler serves the operator's door.
func (s *Server) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", s.health.serve)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}))
	mux.HandleFunc("GET /ops/v1/apps/{app}/accounts/{id}", s.serveAccount)
	if s.config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// health knows whether requests should be sent to the server. The zero value is one that
// is starting.
type health struct {
	mu       sync.Mutex
	opened   bool
	stopping bool
	failure  error
	index    func() bool // whether the store works at full speed; nil if it always does
}

// indexed is a store that serves at once and builds an index of names meanwhile.
type indexed interface{ Ready() bool }

// open notes that the store is open.
func (h *health) open(store any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = true
	if s, ok := store.(indexed); ok {
		h.index = s.Ready
	}
}

// fail notes that the store has failed.
func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = err
}

// stop notes that the server is stopping.
func (h *health) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready bool `json:"ready"`
	// Server is "starting", "serving" or "stopping".
	Server string `json:"server"`
	// Store is "opening", "open" or "failed: " and why.
	Store string `json:"store"`
	// NameIndex is "complete", or "loading" while the store serves but not yet at full
	// speed, which does not make the server less ready.
	NameIndex string `json:"name_index"`
}

func (h *health) report() readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := readiness{Server: "serving", Store: "open", NameIndex: "complete"}
	switch {
	case h.stopping:
		r.Server = "stopping"
	case !h.opened:
		r.Server, r.Store = "starting", "opening"
	}
	if h.failure != nil {
		r.Store = "failed: " + h.failure.Error()
	}
	if !h.opened || h.index != nil && !h.index() {
		r.NameIndex = "loading"
	}
	r.Ready = h.opened && !h.stopping && h.failure == nil
	return r
}

func (h *health) serve(w http.ResponseWriter, _ *http.Request) {
	r := h.report()
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // if the client is gone, nobody is left to tell
}
