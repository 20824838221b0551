package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/rest"
	"github.com/muster-im/muster/internal/webhook"
)

// openRooms wires the rooms behind the public door to the store, which is open.
func (s *Server) openRooms(ctx context.Context) error {
	measured, err := s.measure(s.store)
	if err != nil {
		return err
	}
	if err := s.openPresence(); err != nil {
		return err
	}
	s.accounts = account.NewService(measured, clock{}, revoker{s.revoked, s.sessions})
	if err := s.sessions.Load(ctx, s.accounts); err != nil {
		return err
	}
	authenticator, err := auth.New(auth.Options{
		Registry:    s.apps,
		Accounts:    s.accounts,
		Revocations: s.revoked,
		Lockout:     limit.NewLockout(s.config.BadSigLimit, time.Now()),
		Now:         time.Now,
		CacheSize:   s.config.SigCache,
	})
	if err != nil {
		return err
	}
	if err := s.openMessages(); err != nil {
		return err
	}
	if err := s.openGateway(authenticator); err != nil {
		return err
	}
	s.devices.gateway = s.gateway
	s.api, err = rest.New(rest.Options{
		Accounts:      s.accounts,
		Presence:      s.sessions,
		Messages:      s.messages,
		Authenticator: authenticator,
		Limiter:       limit.NewRates(time.Now()),
		Gate:          s.gate,
		Logger:        s.log.With(slog.String("component", "rest")),
		Now:           time.Now,
		Metrics:       s.registry,
		MaxBody:       int64(s.config.MaxBody),
		Streams:       s.streams,
	})
	if err != nil {
		return err
	}
	s.rest.server.Handler = public{gateway: s.gateway, rest: s.api}
	return nil
}

// openPresence makes the Table of sessions, and what tells App's backends of its changes.
func (s *Server) openPresence() (err error) {
	s.webhooks, err = webhook.New(webhook.Options{
		Apps:    s.apps.Find,
		Logger:  s.log.With(slog.String("component", "webhook")),
		Metrics: s.registry,
		Now:     time.Now,
	})
	if err != nil {
		return err
	}
	s.cleanups.push("webhooks", func(ctx context.Context) error { return s.within(ctx, s.webhooks.Stop) })
	s.sessions, err = presence.New(presence.Options{
		Store:    s.store,
		Logger:   s.log.With(slog.String("component", "presence")),
		Now:      time.Now,
		Observer: stateChanges{s.webhooks},
	})
	if err != nil {
		return err
	}
	s.cleanups.push("presence", func(ctx context.Context) error { return s.within(ctx, s.sessions.Stop) })
	return nil
}

func (s *Server) openGateway(authenticator *auth.Authenticator) (err error) {
	s.gateway, err = gateway.New(gateway.Options{
		Authenticator:  authenticator,
		Accounts:       s.accounts,
		Presence:       s.sessions,
		Messages:       s.messages,
		Apps:           s.apps.Find,
		Logger:         s.log.With(slog.String("component", "gateway")),
		Now:            time.Now,
		Metrics:        s.registry,
		AllowedOrigins: s.config.AllowedOrigins,
		MaxSessions:    s.config.MaxSessions,
		MaxPerAddress:  s.config.SessionsPerAddress,
		PingInterval:   s.config.PingInterval,
		PongTimeout:    s.config.PongTimeout,
		MaxMessage:     int(s.config.MaxMessage),
		MaxQueue:       int(s.config.SessionQueue),
	})
	return err
}

// public is the handler of the public door.
type public struct {
	gateway *gateway.Gateway
	rest    *rest.Handler
}

// ServeHTTP implements http.Handler.
func (p public) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.gateway.Handles(r.URL.Path) {
		p.gateway.ServeHTTP(w, r)
		return
	}
	p.rest.ServeHTTP(w, r)
}

// revoker revokes UserSigs and then ends the sessions that began with them: this order is
// what a login that comes between the two relies on.
type revoker struct {
	sigs     *auth.Revocations
	sessions *presence.Table
}

// Revoke implements account.Revoker.
func (r revoker) Revoke(app account.SDKAppID, id account.UserID, why account.Cause) {
	r.sigs.Revoke(app, id, why)
	cause := presence.Kicked
	if why == account.Deleted {
		cause = presence.Deleted
	}
	r.sessions.End(app, id, cause)
}
