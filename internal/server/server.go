// Package server puts the rooms together into one running server and owns its life: New
// wires what needs no outside world, Start opens the store and the doors, Stop closes
// them in the opposite order, answering what is under way. It decides nothing that a
// request could notice; that is the business of the packages it wires.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/rest"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
	"github.com/muster-im/muster/internal/webhook"
)

// Options are what a Server needs. All are required.
type Options struct {
	Config  config.Config
	Logger  *slog.Logger
	Version string // of this program, for the metrics
}

// Server is one server. It is started once and stopped once.
type Server struct {
	config   config.Config
	log      *slog.Logger
	apps     *app.Registry
	revoked  *auth.Revocations
	gate     *limit.Gate
	streams  *limit.Gate // bulk imports and exports
	registry *prometheus.Registry
	health   health
	cleanups cleanups
	failed   chan error // the first reason why the server cannot go on

	// From Start on, if that succeeds.
	store    store.Store
	accounts *account.Service
	webhooks *webhook.Sender
	sessions *presence.Table
	messages *message.Service
	devices  devices
	gateway  *gateway.Gateway
	api      *rest.Handler
	rest     *door
	ops      *door
}

// New returns a Server that is ready to start, or an error that lists what is wrong with
// the settings. It touches neither the disk nor the network.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		return nil, errors.New("server: new: Logger is not given")
	}
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("server: new: %w", err)
	}
	apps, err := app.NewRegistry(o.Config.Apps)
	if err != nil {
		return nil, fmt.Errorf("server: new: %w", err)
	}
	s := &Server{
		config:   o.Config,
		log:      o.Logger,
		apps:     apps,
		revoked:  auth.NewRevocations(),
		gate:     limit.NewGate(o.Config.MaxInFlight),
		streams:  limit.NewGate(o.Config.BulkStreams),
		registry: prometheus.NewRegistry(),
		failed:   make(chan error, 1),
	}
	if err := s.registerProcess(o.Version); err != nil {
		return nil, fmt.Errorf("server: new: %w", err)
	}
	return s, nil
}

// Start opens the doors and the store and serves. The operator can ask /readyz as soon
// as the addresses are bound, the REST API waits until the store is open and every
// admin is an account. If it returns an error, nothing is left open.
func (s *Server) Start(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		// What went wrong at the start is more telling than what that broke in turn.
		_ = s.cleanups.run(context.WithoutCancel(ctx), s.log)
		return fmt.Errorf("server: start: %w", err)
	}
	return nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.serve(s.ops)
	opened, err := backend.Open(s.config.Store, backend.Options{
		Logger:    s.log.With(slog.String("component", "store")),
		OnFailure: s.storeFailed,
		QueueLen:  s.config.StoreQueue,
	})
	if err != nil {
		return err
	}
	s.cleanups.push("store", func(context.Context) error { return s.closeStore() })
	s.store = opened
	if err := importAdmins(ctx, s.store, s.config.Apps); err != nil {
		return err
	}
	if err := s.openRooms(ctx); err != nil {
		return err
	}
	s.health.open(s.store)
	s.serve(s.rest)
	s.cleanups.push("rest", func(ctx context.Context) error { return s.rest.close(ctx, s.config.ShutdownTimeout) })
	s.cleanups.push("streams", func(context.Context) error { s.api.StopStreams(); return nil })
	s.cleanups.push("gateway", func(ctx context.Context) error { return s.within(ctx, s.gateway.Stop) })
	s.cleanups.push("readiness", func(context.Context) error { s.health.stop(); return nil })
	return nil
}

// within runs a step of Stop for as long as the settings allow.
func (s *Server) within(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.ShutdownTimeout)
	defer cancel()
	return step(ctx)
}

// listen binds both addresses, so that one which is taken is found before anything else
// is touched. The operator's door is the first to open and so the last to close.
func (s *Server) listen(ctx context.Context) error {
	certs, err := s.loadCertificates()
	if err != nil {
		return err
	}
	if s.ops, err = openDoor(ctx, "ops", s.config.OpsListen, s.opsServer()); err != nil {
		return fmt.Errorf("ops-listen: %w", err)
	}
	s.cleanups.push("ops", func(ctx context.Context) error { return s.ops.close(ctx, s.config.ShutdownTimeout) })
	if s.rest, err = openDoor(ctx, "rest", s.config.Listen, s.restServer(certs)); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.cleanups.push("rest address", func(context.Context) error { return s.rest.unbind() })
	return nil
}

// storeFailed ends the server: nothing can be acknowledged any more, and a restart
// recovers all that was.
func (s *Server) storeFailed(f *backend.Fault) {
	s.health.fail(f)
	s.fail(fmt.Errorf("server: the store has failed and the server must be restarted: %w", f))
}

// fail notes why the server cannot go on; the first reason counts.
func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Failed yields at most one error: why the server cannot go on and must be stopped.
func (s *Server) Failed() <-chan error { return s.failed }

// Addr returns the address of the REST API, once started.
func (s *Server) Addr() string { return s.rest.addr() }

// OpsAddr returns the address of the operator's door, once started.
func (s *Server) OpsAddr() string { return s.ops.addr() }

// TLS reports whether the REST API is served over HTTPS.
func (s *Server) TLS() bool { return s.config.TLSCert != "" }

// Stop takes no new work, answers what is under way for as long as the settings allow
// and ctx lasts, and closes the store. Meanwhile /readyz answers 503. The error joins
// all that went wrong; calling Stop again does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.cleanups.run(ctx, s.log); err != nil {
		return fmt.Errorf("server: stop: %w", err)
	}
	return nil
}

// Run starts the server, calls ready, and serves until ctx ends or the server fails. Then
// it stops it. The error is nil if ctx ended and all was answered.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	ready()
	var failure error
	select {
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping")
	case failure = <-s.failed:
		s.log.ErrorContext(ctx, "stopping because of a failure", slog.Any("error", failure))
	}
	err := s.Stop(context.WithoutCancel(ctx))
	if failure == nil {
		select {
		case failure = <-s.failed: // while it stopped
		default:
		}
	}
	return errors.Join(failure, err)
}

// closeStore closes the store. One that had failed cannot be closed well, and the failure
// is what should be told.
func (s *Server) closeStore() error {
	err := s.store.Close()
	if errors.Is(err, account.ErrFailed) {
		s.storeFailed(&backend.Fault{Err: err})
		return nil
	}
	return err
}
