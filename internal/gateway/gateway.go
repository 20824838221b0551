package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/presence"
)

// Authenticator finds out who logs in; *auth.Authenticator does.
type Authenticator interface {
	Authenticate(ctx context.Context, c auth.Credentials) (auth.Caller, error)
	// Current reports whether nothing was revoked since Authenticate returned c.
	Current(c auth.Caller) bool
}

// Accounts makes the account of a first login; *account.Service does.
type Accounts interface {
	// Login makes the account unless it is there, with a UserSig that was made in the second
	// signed. It never brings back an account that was deleted in that second or later.
	Login(ctx context.Context, p *account.Policy, id account.UserID, signed int64) (created bool, err error)
}

// Presence holds the sessions; *presence.Table does.
type Presence interface {
	Login(s *presence.Session, p app.LoginPolicy, current func() bool) bool
	Leave(s *presence.Session, cause presence.Cause) bool
	SetCustomStatus(s *presence.Session, custom string) bool
	Flush(ctx context.Context) error
	Count(p presence.Platform) int64
	Total() int64
}

// Limits of a gateway that nobody sets.
const (
	// staleAfter is how long a connection may take to send its connect command.
	staleAfter = 10 * time.Second
	// maxLogins is how many logins are served at a time; more wait, for loginWait at most.
	maxLogins = 64
	loginWait = 3 * time.Second
	// maxCustomStatus is how many bytes a custom status may have.
	maxCustomStatus = 50
)

// Options are what a Gateway needs. Those without a comment are required.
type Options struct {
	Authenticator Authenticator
	Accounts      Accounts
	Presence      Presence
	Messages      Messages
	Apps          func(account.SDKAppID) (*app.App, bool)
	Logger        *slog.Logger
	Now           func() time.Time
	Metrics       *prometheus.Registry

	// AllowedOrigins are the origins that browsers may connect from, beside the one of the
	// address they connect to; "*" allows all.
	AllowedOrigins []string
	// MaxSessions is how many connections there may be, MaxPerAddress how many of one IP
	// address; 0 means no limit.
	MaxSessions, MaxPerAddress int
	// PingInterval is how often a device is pinged, PongTimeout how long it may take to
	// answer: half a minute later at the latest a lost one is known to be.
	PingInterval, PongTimeout time.Duration
	// MaxMessage is how many bytes a device may send at once, MaxQueue how many may wait for
	// a device that is slow to read before it is disconnected.
	MaxMessage, MaxQueue int
}

func (o *Options) validate() error {
	var faults []error
	for _, need := range []struct {
		name  string
		given bool
	}{
		{"Authenticator", o.Authenticator != nil},
		{"Accounts", o.Accounts != nil},
		{"Presence", o.Presence != nil},
		{"Messages", o.Messages != nil},
		{"Apps", o.Apps != nil},
		{"Logger", o.Logger != nil},
		{"Now", o.Now != nil},
		{"Metrics", o.Metrics != nil},
		{"PingInterval", o.PingInterval > 0},
		{"PongTimeout", o.PongTimeout > 0},
		{"MaxMessage", o.MaxMessage > 0},
		{"MaxQueue", o.MaxQueue > 0},
	} {
		if !need.given {
			faults = append(faults, fmt.Errorf("%s is not given", need.name))
		}
	}
	return errors.Join(faults...)
}

// Gateway serves devices. It is safe for concurrent use.
type Gateway struct {
	opt      Options
	node     *centrifuge.Node
	doors    map[string]http.Handler // by path
	origins  origins
	admitted *admissions
	logins   chan struct{} // a place for each login that is being served
	wait     time.Duration // for such a place, at most
	metrics  *metrics
	stopping atomic.Bool
}

// New returns a Gateway that serves at once. Its owner calls Stop.
func New(o Options) (*Gateway, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	allowed, err := parseOrigins(o.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	node, err := centrifuge.New(centrifuge.Config{
		LogLevel:              centrifuge.LogLevelWarn,
		LogHandler:            logHandler(o.Logger),
		ClientStaleCloseDelay: staleAfter,
		ClientQueueMaxSize:    o.MaxQueue,
		Metrics:               centrifuge.MetricsConfig{RegistererGatherer: o.Metrics},
	})
	if err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	g := &Gateway{
		opt:      o,
		node:     node,
		origins:  allowed,
		admitted: newAdmissions(o.MaxSessions, o.MaxPerAddress),
		logins:   make(chan struct{}, maxLogins),
		wait:     loginWait,
	}
	if g.metrics, err = newMetrics(o.Metrics, o.Presence, g.admitted); err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	g.doors = g.makeDoors()
	node.OnConnecting(g.connecting)
	node.OnConnect(g.connected)
	if err := node.Run(); err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	return g, nil
}

// Stop refuses new connections, has every device told to connect again elsewhere or later,
// and returns once all sessions are gone or ctx has ended.
func (g *Gateway) Stop(ctx context.Context) error {
	g.stopping.Store(true)
	if err := g.node.Shutdown(ctx); err != nil {
		return fmt.Errorf("gateway: stop: %w", err)
	}
	if err := g.admitted.wait(ctx); err != nil {
		return fmt.Errorf("gateway: stop: %d connections are still open: %w", g.admitted.total(), err)
	}
	return nil
}
