package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
)

// maxAsking is how many questions of one App are under way at the most. Further ones wait,
// within their time-out, until one is answered.
const maxAsking = 256

// errDown is why a question was not asked at all.
var errDown = errors.New("the receiver is down")

// Before asks the backend of b's App whether a message may be sent, if the App wants that. It
// takes the time-out at the most, and asks once.
//
// If there is no usable answer, the message may be sent, unless the App is set to fail closed:
// then the error is an *errcode.Error with 80003. It is that, too, whatever the App is set to,
// if ctx has ended. With an error the Verdict says nothing.
//
// A backend that has failed five times in a row counts as down. While it is, one message is a
// probe every few seconds, and the others are not asked about, which is no usable answer.
func (s *Sender) Before(ctx context.Context, b BeforeSend) (Verdict, error) {
	a, ok := s.receiver(b.SDKAppID, beforeSend)
	if !ok {
		return Verdict{}, nil
	}
	if b.At.IsZero() {
		b.At = s.options.Now()
	}
	v, err := s.ask(ctx, a, &b)
	switch {
	case err == nil:
		s.metrics.judge(v.Code)
		return v, nil
	case ctx.Err() != nil, a.Webhook.FailClosed:
		s.metrics.verdicts.WithLabelValues("refused").Inc()
		return Verdict{}, errcode.Wrap(errcode.OpenIMHook, fmt.Errorf("webhook: before: %w", err))
	default:
		s.metrics.verdicts.WithLabelValues("passed").Inc()
		return Verdict{}, nil
	}
}

// ask asks, if the state of the receiver allows it, and counts what comes of that.
func (s *Sender) ask(ctx context.Context, a *app.App, b *BeforeSend) (v Verdict, err error) {
	// As if it were a worker, so that Stop waits for it.
	if !s.join() {
		s.metrics.settle(beforeSend, dropped, 1)
		return Verdict{}, errAbandoned
	}
	defer s.workers.Done()
	q := s.queue(a.SDKAppID)
	if !q.asks.pass(s.options.Now()) {
		s.metrics.settle(beforeSend, dropped, 1)
		return Verdict{}, errDown
	}
	asking, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	v, err = s.question(asking, q, a, b)
	switch {
	case err == nil:
		q.asks.note(answers)
		s.metrics.settle(beforeSend, delivered, 1)
	case ctx.Err() != nil, s.ctx.Err() != nil: // nobody waits for the answer any more
		s.metrics.settle(beforeSend, abandoned, 1)
	case isFinal(err):
		q.asks.note(answers)
		s.fail(q, q.asks, beforeSend, err)
	default:
		q.asks.note(fails)
		s.fail(q, q.asks, beforeSend, err)
	}
	return v, err
}

// question waits for its turn, then for the answer.
func (s *Sender) question(ctx context.Context, q *queue, a *app.App, b *BeforeSend) (Verdict, error) {
	select {
	case q.asking <- struct{}{}:
		defer func() { <-q.asking }()
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("%d messages waited for an answer", maxAsking)
	}
	body, err := s.post(ctx, a, b)
	if err != nil {
		return Verdict{}, err
	}
	return readVerdict(body)
}

func (s *Sender) fail(q *queue, receiver *breaker, c command, err error) {
	s.metrics.settle(c, failed, 1)
	s.tell(q, receiver, c, err, 1)
}

// join makes Stop wait until the caller is Done, or returns false if Stop has begun.
func (s *Sender) join() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		return false
	}
	s.workers.Add(1)
	return true
}

// receiver returns the App if it has a URL now and wants the command there.
func (s *Sender) receiver(id account.SDKAppID, c command) (*app.App, bool) {
	a, ok := s.options.Apps(id)
	return a, ok && c.wantedBy(a)
}
