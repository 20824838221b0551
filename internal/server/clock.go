package server

import (
	"context"
	"time"
)

// clock is the machine's clock; it implements account.Clock.
type clock struct{}

// Now implements account.Clock.
func (clock) Now() time.Time { return time.Now() }

// WaitUntil implements account.Clock. It looks at the clock again after waiting, because
// the wall clock may have been set back meanwhile, and t is a second of the wall clock.
func (c clock) WaitUntil(ctx context.Context, t time.Time) error {
	for {
		left := t.Sub(c.Now().Round(0)) // without the monotonic reading
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
