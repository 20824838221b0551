package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/muster-im/muster/internal/presence"
)

// session is one login: the Conn of its presence.Session. The Table may end it before
// centrifuge has connected the client.
type session struct {
	presence.Session
	g        *Gateway
	expireAt int64

	mu      sync.Mutex
	client  *centrifuge.Client // nil until connected
	ended   bool
	cause   presence.Cause // if ended
	endedAt time.Time      // when the Table ended it; zero if it did not
	forsake func() bool    // keeps the session from being left when its context ends
}

// sessionKey is the key of a client's session in its context.
type sessionKey struct{}

func sessionOf(ctx context.Context) (*session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*session)
	return s, ok
}

// End implements presence.Conn.
func (s *session) End(cause presence.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.cause, s.endedAt = true, cause, s.g.opt.Now()
	s.g.metrics.ends[cause].Inc()
	if s.client != nil {
		s.client.Disconnect(disconnects[cause])
	}
}

// bind gives the session its client, which is connected now, and disconnects it if the
// session has been ended meanwhile.
func (s *session) bind(client *centrifuge.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = client
	s.forsake()
	s.forsake = nil
	if s.ended {
		client.Disconnect(disconnects[s.cause])
	}
}

// gone accounts for the connection's end, whoever ended it.
func (s *session) gone(cause presence.Cause) {
	s.mu.Lock()
	ended, endedAt := s.ended, s.endedAt
	s.ended, s.client = true, nil
	s.mu.Unlock()
	if !endedAt.IsZero() {
		s.g.metrics.endSeconds.Observe(s.g.opt.Now().Sub(endedAt).Seconds())
	}
	if ended {
		return
	}
	if s.g.opt.Presence.Leave(&s.Session, cause) {
		s.g.metrics.ends[cause].Inc()
	}
}

// connected completes a login: the device has its answer and the node knows the client.
func (g *Gateway) connected(client *centrifuge.Client) {
	s, ok := sessionOf(client.Context())
	if !ok { // cannot be: connecting puts one into every context
		client.Disconnect(centrifuge.DisconnectServerError)
		return
	}
	client.OnDisconnect(func(e centrifuge.DisconnectEvent) { s.gone(lostBy(e.Disconnect)) })
	client.OnRPC(s.rpc)
	s.bind(client)
}

// lostBy returns why a connection ended that the Table did not end.
func lostBy(d centrifuge.Disconnect) presence.Cause {
	if d.Code == centrifuge.DisconnectNoPong.Code {
		return presence.TimedOut
	}
	return presence.LinkClosed
}
