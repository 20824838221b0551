package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/internal/account"
)

const (
	keepAlive = time.Minute // how long a connection without requests is kept
	maxIdle   = 256         // such connections, of all Apps
	maxHeader = 64 << 10    // bytes of an answer's header
)

// Sender sends callbacks. It is safe for concurrent use. Whoever has made one must Stop
// it.
type Sender struct {
	options Options
	metrics *metrics
	own     *http.Transport // nil if the Transport is the caller's

	ctx       context.Context //nolint:containedctx // of all requests; abort ends it, at the end of Stop
	abort     context.CancelFunc
	stopping  chan struct{}  // closed when Stop begins
	workers   sync.WaitGroup // and who waits in Before
	abandoned atomic.Int64

	// mu guards what follows. A worker is started under its read lock, so that none is
	// once Stop has set stopped; nor is Before entered.
	mu      sync.RWMutex
	stopped bool
	queues  map[account.SDKAppID]*queue // grows by one for each App that ever had an event
}

// New returns a Sender without a goroutine, or an error that names every option which is
// missing or wrong.
func New(o Options) (*Sender, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("webhook: new: %w", err)
	}
	o.fill()
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("webhook: new: %w", err)
	}
	s := &Sender{
		options:  o,
		metrics:  m,
		stopping: make(chan struct{}),
		queues:   make(map[account.SDKAppID]*queue),
	}
	if o.Transport == nil {
		s.own = newTransport(o)
		s.options.Transport = s.own
	}
	s.ctx, s.abort = context.WithCancel(context.Background())
	return s, nil
}

// newTransport returns a transport for HTTP/1.1 alone: there a request that is given up
// takes its connection with it, where with HTTP/2 a connection that has died unnoticed
// would fail one request after the other.
func newTransport(o Options) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
		TLSHandshakeTimeout:    o.Timeout,
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    max(o.Workers, maxIdle/8), // Apps may share a host
		IdleConnTimeout:        keepAlive,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// queue returns the queue of an App.
func (s *Sender) queue(id account.SDKAppID) *queue {
	s.mu.RLock()
	q := s.queues[id]
	s.mu.RUnlock()
	if q != nil {
		return q
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q = s.queues[id]; q == nil {
		q = newQueue(id, s.options, s.metrics)
		s.queues[id] = q
	}
	return q
}

// Stop takes no more events and sends what is queued, each event once, and waits for the
// answers that Before waits for, until all is settled or ctx ends; then it abandons and
// counts the rest. It does not wait for a receiver that is down: what that should have got
// is abandoned at once.
//
// When Stop has returned, the Sender has no goroutine any more. The error, if there is
// one, says how many events were abandoned. Stop may be called again, and then waits for
// the same end.
func (s *Sender) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		s.workers.Wait()
	}()
	var cause error
	select {
	case <-done:
	case <-ctx.Done():
		cause = context.Cause(ctx)
		s.abort()
		<-done
	}
	s.abort()
	if s.own != nil {
		s.own.CloseIdleConnections() // and dials that nobody waits for any more
	}
	switch n := s.abandoned.Load(); {
	case n == 0:
		return nil
	case cause == nil:
		return fmt.Errorf("webhook: stop: %d events were abandoned, because their receivers are down", n)
	default:
		return fmt.Errorf("webhook: stop: %d events were abandoned: %w", n, cause)
	}
}
