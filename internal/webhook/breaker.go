package webhook

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tolerance is how many attempts in a row may fail before a receiver counts as down.
const tolerance = 5

// breaker spares a dead receiver, and us, as the package's comment says.
type breaker struct {
	probe time.Duration
	turn  chan struct{} // full while somebody's turn lasts; the runtime lets in order of arrival
	gauge prometheus.Gauge

	mu       sync.Mutex
	failures int           // in a row
	down     chan struct{} // nil while the receiver is not down; closed when it no longer is
	passed   time.Time     // when pass let a probe through last
}

func newBreaker(probe time.Duration, gauge prometheus.Gauge) *breaker {
	return &breaker{probe: probe, turn: make(chan struct{}, 1), gauge: gauge}
}

// sight is what an attempt shows of the receiver.
type sight int

const (
	nothing sight = iota // there was no attempt, or it was broken off
	answers
	fails
)

// enter waits until an attempt may be made: not at all while the receiver is not down,
// else for a turn and the pause before a probe. After true the caller owes a leave with
// the same probing. It returns false, whatever the receiver, once stopping is closed
// while the receiver is down.
func (b *breaker) enter(stopping <-chan struct{}) (probing, ok bool) {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	if down == nil {
		return false, true
	}
	select {
	case b.turn <- struct{}{}:
	case <-down:
		return false, true
	case <-stopping:
		return false, false
	}
	pause := time.NewTimer(b.probe)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true, true
	case <-down:
		<-b.turn
		return false, true
	case <-stopping:
		<-b.turn
		return false, false
	}
}

// pass reports, without waiting, whether an attempt may be made now: always while the
// receiver is not down, else once in each probe's pause. The caller owes a note.
func (b *breaker) pass(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down == nil {
		return true
	}
	// A clock that was set back does not end the probes.
	if since := now.Sub(b.passed); since >= 0 && since < b.probe {
		return false
	}
	b.passed = now
	return true
}

// leave ends what enter began.
func (b *breaker) leave(probing bool, s sight) {
	b.note(s)
	if probing {
		<-b.turn
	}
}

func (b *breaker) note(s sight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s {
	case nothing:
	case answers:
		b.failures = 0
		if b.down != nil {
			close(b.down)
			b.down = nil
			b.gauge.Dec()
		}
	case fails:
		if b.failures++; b.failures >= tolerance && b.down == nil {
			b.down = make(chan struct{})
			b.gauge.Inc()
		}
	}
}

// isDown reports whether the receiver counts as down.
func (b *breaker) isDown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down != nil
}
