package rest

import (
	"sync"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// DefaultRecipients is how many accounts an App may send to with batchsendmsg within a minute,
// unless Options say otherwise (im-rest-api.md, section 6.2).
const DefaultRecipients = 12_000

// recipients limits to how many accounts an App sends within a minute. Each App has a bucket of
// them that is full at first and fills evenly, as those of limit.Rates do. An App without a
// rate has no such limit either.
type recipients struct {
	each   time.Duration // in which one more is allowed; rounded up
	minute time.Duration // in which an empty bucket is full again

	mu     sync.Mutex
	fullAt map[account.SDKAppID]time.Time // when the bucket is full again
}

func newRecipients(perMinute int) *recipients {
	each := (time.Minute + time.Duration(perMinute) - 1) / time.Duration(perMinute)
	return &recipients{each: each, minute: each * time.Duration(perMinute), fullAt: make(map[account.SDKAppID]time.Time)}
}

// take takes n recipients, or none if there are fewer; then it returns how long to wait until
// there are that many.
func (r *recipients) take(a *app.App, n int, now time.Time) (wait time.Duration) {
	if a.Rate <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fullAt := r.fullAt[a.SDKAppID]
	if fullAt.Before(now) {
		fullAt = now
	}
	fullAt = fullAt.Add(time.Duration(n) * r.each)
	if lack := fullAt.Sub(now) - r.minute; lack > 0 {
		return lack
	}
	r.fullAt[a.SDKAppID] = fullAt
	return 0
}
