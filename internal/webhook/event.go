package webhook

import (
	"bytes"
	"encoding/json"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// command is what a callback is about.
type command uint8

const (
	stateChange command = iota
	afterSend
	beforeSend // never queued: its caller waits for the answer

	commands // how many there are
)

// String returns the CallbackCommand.
func (c command) String() string {
	switch c {
	case stateChange:
		return "State.StateChange"
	case afterSend:
		return "C2C.CallbackAfterSendMsg"
	default:
		return "C2C.CallbackBeforeSendMsg"
	}
}

// wantedBy reports whether a has a URL and wants the command there.
func (c command) wantedBy(a *app.App) bool {
	if a.Webhook.URL == "" {
		return false
	}
	switch c {
	case stateChange:
		return !a.Webhook.NoState
	case afterSend:
		return a.Webhook.AfterSend
	default:
		return a.Webhook.BeforeSend
	}
}

// event is one callback: what the command is, whom it is from, and what it says.
type event interface {
	command() command
	// origin returns the OptPlatform, spelled as the command spells it, and the ClientIP.
	origin() (platform, address string)
	// body returns the event as JSON, its fields in the documented order.
	body() ([]byte, error)
}

// queued is an event in a queue.
type queued interface {
	event
	// size is how many bytes of a message the event holds on to.
	size() int
	linked() *link
}

// link is a part of every queued event, so that the list of them costs nothing of its own.
type link struct{ next queued }

func (l *link) linked() *link { return l }

// changed is a StateChange in a queue.
type changed struct {
	link
	StateChange
}

// sent is an AfterSend in a queue.
type sent struct {
	link
	AfterSend
}

// marshal returns v as compact JSON.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false) // names may have < and &, and this is no web page
	err := e.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// StateChanged sends a State.StateChange to the backend of c's App, if the App has a URL and
// wants it. It returns without waiting for anything. If the App's queue is full, or Stop has
// begun, the event is dropped and counted.
//
// The events of one account arrive in the order in which they were reported, and hence only
// if the caller does not report those of one account concurrently. c.Kicked must not be
// changed afterwards.
func (s *Sender) StateChanged(c StateChange) {
	if _, ok := s.receiver(c.SDKAppID, stateChange); !ok {
		return
	}
	if c.At.IsZero() {
		c.At = s.options.Now()
	}
	s.enqueue(c.SDKAppID, stateChange, c.UserID, 0, func() queued { return &changed{StateChange: c} })
}

// AfterSent sends a C2C.CallbackAfterSendMsg to the backend of c's App, as StateChanged does
// with its event. Those of one sender arrive in order, also among its StateChanges. c.Body
// must not be changed afterwards.
func (s *Sender) AfterSent(c AfterSend) {
	if _, ok := s.receiver(c.SDKAppID, afterSend); !ok {
		return
	}
	if c.At.IsZero() {
		c.At = s.options.Now()
	}
	s.enqueue(c.SDKAppID, afterSend, c.From, c.size(), func() queued { return &sent{AfterSend: c} })
}

// enqueue queues the event that build returns, if there is room for it.
func (s *Sender) enqueue(id account.SDKAppID, c command, of account.UserID, size int, build func() queued) {
	q := s.queue(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		s.metrics.settle(c, dropped, 1)
		return
	}
	s.metrics.queued.Inc()
	sh, began, ok := q.push(c, of, size, build)
	if !ok {
		s.metrics.queued.Dec()
		s.metrics.settle(c, dropped, 1)
		return
	}
	if began {
		s.workers.Go(func() { s.work(q, sh) })
	}
}
