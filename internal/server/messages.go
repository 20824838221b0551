package server

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/message"
)

// openMessages makes the Service of messages, which delivers through a gateway that is made
// after it.
func (s *Server) openMessages() (err error) {
	s.messages, err = message.New(message.Options{
		Store:     s.store,
		Accounts:  s.accounts,
		Hooks:     hooks{s.webhooks},
		Deliverer: &s.devices,
		Now:       time.Now,
		Random:    rand.Uint32,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		s.sweepMessages(ctx, sweepInterval)
	}()
	s.cleanups.push("sweeping of messages", func(context.Context) error {
		cancel()
		<-swept
		return nil
	})
	return nil
}

// How often expired messages are removed, and how many at a time.
const (
	sweepInterval = time.Minute
	sweepBatch    = 10_000
)

// sweepMessages removes expired messages until ctx ends.
func (s *Server) sweepMessages(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for more := true; more && ctx.Err() == nil; {
			n, err := s.store.SweepMessages(ctx, time.Now().Unix(), sweepBatch)
			if err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "expired messages are not removed; trying again", slog.Any("err", err))
			}
			more = err == nil && n == sweepBatch
		}
	}
}

// devices delivers through the gateway, which is there before anybody can send.
type devices struct{ gateway *gateway.Gateway }

// Deliver implements message.Deliverer.
func (d *devices) Deliver(app account.SDKAppID, c *message.Copy) { d.gateway.Deliver(app, c) }

// DeliverRead implements message.Deliverer.
func (d *devices) DeliverRead(app account.SDKAppID, reader, peer account.UserID, upTo int64) {
	d.gateway.DeliverRead(app, reader, peer, upTo)
}
