package pebblestore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/muster-im/muster/internal/account"
)

// failure remembers the first reason why a database can no longer be trusted to make
// anything durable, and lets everybody who waits for it know.
type failure struct {
	once   sync.Once
	ch     chan struct{} // closed once reason is set
	reason error
	notify func(error) // told once, on a goroutine of its own; may be nil
}

var errFailed = fmt.Errorf("pebblestore: %w", account.ErrFailed)

func newFailure(notify func(error)) *failure {
	return &failure{ch: make(chan struct{}), notify: notify}
}

// set notes the reason unless there is one.
func (f *failure) set(reason error) {
	f.once.Do(func() {
		f.reason = reason
		close(f.ch)
		if f.notify != nil {
			go f.notify(reason) // the caller may hold Pebble's locks, and its owner may want to Close
		}
	})
}

// err returns nil, or why the database has failed, wrapping ErrFailed.
func (f *failure) err() error {
	select {
	case <-f.ch:
		return fmt.Errorf("%w: %w", account.ErrFailed, f.reason)
	default:
		return nil
	}
}

// guard runs do, which calls Pebble and may therefore never return: when the database
// fails, guard gives do up and returns the reason.
func (f *failure) guard(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return errors.Join(f.err(), err)
	case <-f.ch:
		return f.err()
	}
}

// park reports a failure and never returns. It is for places where Pebble counts on the
// process ending: giving its locks up, or going on, would put its state in memory ahead
// of the disk.
func (f *failure) park(reason error) {
	f.set(reason)
	select {}
}
