package imclient

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// newLimiter returns nil if the rate is without limit. Its burst is 1, because services
// count per second or less, and some lock out whoever comes in bursts.
func newLimiter(perSecond float64) (*rate.Limiter, error) {
	if perSecond < 0 || math.IsNaN(perSecond) || math.IsInf(perSecond, 0) {
		return nil, fmt.Errorf("the Rate is %v, it must be a number of requests per second, or 0 for no limit", perSecond)
	}
	if perSecond == 0 {
		return nil, nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), 1), nil
}

// pace waits for the turn of the next request. Its error is that of ctx, which Limiter.Wait
// does not promise.
func (c *Client) pace(ctx context.Context) error {
	if c.limiter == nil {
		return ctx.Err()
	}
	turn := c.limiter.Reserve()
	if err := sleep(ctx, turn.Delay()); err != nil {
		turn.Cancel()
		return err
	}
	return nil
}

// sleep returns the error of ctx if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
