// Package rest is the door for an App's backend: the HTTP handler of the server REST
// API, /v4/service/command. It has one table of routes, one file for each family of
// commands and one place where an error becomes an answer.
//
// A request goes this way: gate (how many are in flight), route, query, UserSig, admin,
// rate, and only then the body. What is refused before the body is refused cheaply, and
// a limit is never keyed by an App that was not authenticated.
//
// Every application answer is HTTP 200 with the envelope that package wire writes,
// whatever went wrong. Paths are matched exactly: another version, another case or a
// trailing slash is an unknown command (60009). A method other than POST is 60002,
// except HEAD, which answers 200 to whoever probes the server, and OPTIONS, which
// answers a browser's preflight. The Content-Type of a request is never looked at.
//
// The two streaming commands (stream.go) differ in one thing: once they have begun, their
// answer is lines of JSON that come while the body is read, and the envelope is the last.
//
// Every answer carries an X-Request-Id, which the log line of the request repeats. The log
// has the path, never the query, the body or a UserSig; names of accounts appear at
// debug level only.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/presence"
)

// DefaultMaxBody is how many bytes a body may have unless Options say otherwise. A
// hundred accounts with the longest Nick and FaceUrl need about 120 KB (im-rest-api.md,
// section 1.6).
const DefaultMaxBody = 1 << 20

// Accounts carries out the account commands; *account.Service is one. An error is about
// the whole call and has a public code.
type Accounts interface {
	Import(ctx context.Context, p *account.Policy, entries []account.Entry, detail bool) ([]account.Outcome, error)
	Check(ctx context.Context, p *account.Policy, ids []account.UserID) ([]account.Checked, error)
	Delete(ctx context.Context, p *account.Policy, ids []account.UserID) ([]*errcode.Error, error)
	Kick(ctx context.Context, p *account.Policy, id account.UserID) error
	KickMany(ctx context.Context, p *account.Policy, ids []account.UserID) ([]*errcode.Error, error)
	Exist(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error)
	Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error)
	SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) error
	ImportRun(ctx context.Context, p *account.Policy, r account.Run) (account.RunResult, error)
	List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error)
}

// Presence knows who is online; *presence.Table does. Names may repeat; the answer is
// aligned with them. It is not asked about accounts that are not imported.
type Presence interface {
	Status(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]presence.Status, error)
}

// Authenticator finds out who calls. An error has a public code.
type Authenticator interface {
	Authenticate(ctx context.Context, c auth.Credentials) (auth.Caller, error)
}

// Limiter decides whether one more call of a command is within the App's rate; 0 calls
// per second mean no limit.
type Limiter interface {
	Allow(app account.SDKAppID, command string, perSecond int, now time.Time) limit.Decision
}

// Gate bounds the requests in flight. After a true from Enter the handler calls Leave.
type Gate interface {
	Enter() bool
	Leave()
}

// Options are what a handler needs. Those without a comment are required.
type Options struct {
	Accounts      Accounts
	Presence      Presence
	Messages      Messages
	Authenticator Authenticator
	Limiter       Limiter
	Gate          Gate
	Logger        *slog.Logger
	Now           func() time.Time

	// Metrics is where the handler registers its metrics; nil keeps them to itself.
	Metrics prometheus.Registerer
	// MaxBody is how many bytes a body may have; 0 means DefaultMaxBody.
	MaxBody int64
	// Recipients is how many accounts an App may send to with batchsendmsg within a minute; 0
	// means DefaultRecipients.
	Recipients int
	// Streams bounds the bulk streams under way, each of which needs some 50 MB; nil means
	// no limit.
	Streams Gate
	// StreamStall is how long a bulk stream waits for its client to send or to take
	// something; 0 means DefaultStreamStall.
	StreamStall time.Duration
	// NewRequestID returns the X-Request-Id of the next request; nil means random ones.
	NewRequestID func() string
}

func (o *Options) validate() error {
	var missing []error
	for _, f := range []struct {
		name string
		ok   bool
	}{
		{"Accounts", o.Accounts != nil},
		{"Presence", o.Presence != nil},
		{"Messages", o.Messages != nil},
		{"Authenticator", o.Authenticator != nil},
		{"Limiter", o.Limiter != nil},
		{"Gate", o.Gate != nil},
		{"Logger", o.Logger != nil},
		{"Now", o.Now != nil},
	} {
		if !f.ok {
			missing = append(missing, fmt.Errorf("rest: options: %s is missing", f.name))
		}
	}
	if o.MaxBody < 0 {
		missing = append(missing, errors.New("rest: options: MaxBody is negative"))
	}
	if o.Recipients < 0 {
		missing = append(missing, errors.New("rest: options: Recipients is negative"))
	}
	if o.StreamStall < 0 {
		missing = append(missing, errors.New("rest: options: StreamStall is negative"))
	}
	return errors.Join(missing...)
}

// Handler serves the REST API. It is safe for concurrent use.
type Handler struct {
	opt     Options
	metrics *metrics
	routes  map[string]*route // by path
	unknown *route            // stands in for a path that has none

	recipients *recipients

	stopping chan struct{} // closed when streams should end
}

// New returns a Handler, or an error if an option is missing or its metrics cannot be
// registered.
func New(o Options) (*Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Recipients == 0 {
		o.Recipients = DefaultRecipients
	}
	if o.StreamStall == 0 {
		o.StreamStall = DefaultStreamStall
	}
	if o.NewRequestID == nil {
		o.NewRequestID = randomID
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("rest: register metrics: %w", err)
	}
	h := &Handler{
		opt: o, metrics: m, routes: make(map[string]*route, len(commands)),
		recipients: newRecipients(o.Recipients), stopping: make(chan struct{}),
	}
	for _, c := range commands {
		h.routes["/v4/"+c.name] = newRoute(c, m)
	}
	h.unknown = newRoute(command{name: "unknown", family: &gateway}, m)
	return h, nil
}
