package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// door is one address and the HTTP server behind it.
type door struct {
	name     string
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

// openDoor binds address. Connections wait until the server serves.
func openDoor(ctx context.Context, name, address string, server *http.Server) (*door, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &door{name: name, listener: listener, server: server}, nil
}

func (d *door) addr() string { return d.listener.Addr().String() }

// restServer returns the HTTP server of the REST API, which gets its handler once the
// store is open. certs, if not nil, makes it HTTPS.
func (s *Server) restServer(certs *certificates) *http.Server {
	server := s.httpServer("rest")
	if certs != nil {
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.get}
	}
	return server
}

// opsServer returns the HTTP server of the operator's door.
func (s *Server) opsServer() *http.Server {
	server := s.httpServer("ops")
	server.Handler = s.opsHandler()
	if s.config.Pprof { // whose profiles are of 30 seconds unless asked otherwise
		server.WriteTimeout = max(server.WriteTimeout, 2*time.Minute)
	}
	return server
}

// httpServer returns an HTTP server with the caps and time-outs of the settings.
func (s *Server) httpServer(name string) *http.Server {
	return &http.Server{
		MaxHeaderBytes:    int(s.config.MaxHeaderBytes),
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.WriteTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.With(slog.String("component", name)).Handler(), slog.LevelWarn),
	}
}

// serve serves until the door is closed; that it ends sooner is a failure of the server.
func (s *Server) serve(d *door) {
	d.serving.Go(func() {
		var err error
		if d.server.TLSConfig != nil {
			err = d.server.ServeTLS(d.listener, "", "")
		} else {
			err = d.server.Serve(d.listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("server: %s: %w", d.name, err))
		}
	})
}

// unbind gives the address back if nobody has yet.
func (d *door) unbind() error {
	if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// close accepts no more connections and waits until every request is answered, but no
// longer than timeout and ctx allow: then it closes the connections and returns an error.
func (d *door) close(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer d.serving.Wait()
	// Answers that are still to come say Connection: close, so that no client sends its
	// next request into a connection that is about to go.
	d.server.SetKeepAlivesEnabled(false)
	err := d.server.Shutdown(ctx)
	if err == nil {
		return nil
	}
	_ = d.server.Close() // what it could say, Shutdown has said
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were still under way after %v", timeout)
	}
	return err
}
