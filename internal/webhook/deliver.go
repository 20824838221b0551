package webhook

import (
	"errors"
	"log/slog"
	"net/url"
	"time"
)

// Why an attempt was not made or does not count.
var (
	errAbandoned  = errors.New("stopping")
	errNoReceiver = errors.New("the App has no URL any more")
	errUnwanted   = errors.New("the App does not want the command any more")
)

// maxErrorText bounds what the log shows of an error, part of which a receiver may have
// written.
const maxErrorText = 300

// work sends what falls to one worker, until nothing is left.
func (s *Sender) work(q *queue, sh *shard) {
	for {
		e, ok := q.next(sh)
		if !ok {
			return
		}
		r := s.deliver(q, e)
		q.settle(e)
		s.metrics.queued.Dec()
		s.metrics.settle(e.command(), r, 1)
		if r == abandoned {
			s.abandoned.Add(1)
		}
	}
}

// deliver sends e until that has succeeded or is hopeless.
func (s *Sender) deliver(q *queue, e event) result {
	for attempt := 1; ; attempt++ {
		err := s.try(q, e, attempt)
		switch {
		case err == nil:
			return delivered
		case errors.Is(err, errAbandoned):
			return abandoned
		case errors.Is(err, errNoReceiver):
			s.forget(q)
			return dropped
		case errors.Is(err, errUnwanted):
			return dropped
		case attempt == s.options.Attempts, isFinal(err), !s.wait(s.options.Backoff(attempt)):
			s.tell(q, q.breaker, e.command(), err, attempt)
			return failed
		}
	}
}

// try makes one attempt, when the state of the receiver allows it.
func (s *Sender) try(q *queue, e event, attempt int) error {
	probing, ok := q.breaker.enter(s.stopping)
	if !ok {
		return errAbandoned
	}
	seen := nothing
	defer func() { q.breaker.leave(probing, seen) }()
	if s.ctx.Err() != nil {
		return errAbandoned
	}
	// Only now, after all waiting: a changed URL or Token holds at once.
	a, ok := s.options.Apps(q.app)
	switch {
	case !ok || a.Webhook.URL == "":
		seen = answers // whatever the App is set to next begins anew
		return errNoReceiver
	case !e.command().wantedBy(a):
		return errUnwanted
	}
	if attempt > 1 {
		s.metrics.retries.Inc()
	}
	err := s.send(a, e)
	switch {
	case err == nil, isFinal(err):
		seen = answers
	case s.ctx.Err() != nil:
		return errAbandoned
	default:
		seen = fails
	}
	return err
}

// forget drops what waits for an App that has lost its URL.
func (s *Sender) forget(q *queue) {
	for c, n := range q.clear() {
		s.metrics.queued.Sub(float64(n))
		s.metrics.settle(command(c), dropped, n)
	}
}

// wait waits for d and returns true, or returns false as soon as Stop has begun.
func (s *Sender) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping:
	}
	select {
	case <-s.stopping:
		return false
	default:
		return true
	}
}

// tell reports that an event has failed, if the App's last line is long enough ago.
func (s *Sender) tell(q *queue, receiver *breaker, c command, err error, attempts int) {
	failed, dropped, ok := q.tell(s.options.Now())
	if !ok {
		return
	}
	s.options.Logger.Warn("a webhook failed",
		slog.Uint64("sdkappid", uint64(q.app)),
		slog.String("command", c.String()),
		slog.Int("attempts", attempts),
		slog.Int("failed", failed),   // events since the App's last line
		slog.Int("dropped", dropped), // for want of room, since then
		slog.Bool("down", receiver.isDown()),
		slog.String("error", errorText(err)))
}

// errorText returns what an error says, without the URL that it may name.
func errorText(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	text := err.Error()
	return text[:min(len(text), maxErrorText)]
}
