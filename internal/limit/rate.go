// Package limit protects the server from too much of anything: calls per second of one
// App and command (Rates), requests in flight (Gate), and failed UserSigs from one
// source address (Lockout). All of it is in memory, bounded, safe for concurrent use, and
// cheap enough to stand in front of every call.
//
// Times are passed in. They come from one clock, as time.Now gives them: with a monotonic
// reading, so that setting the wall clock neither opens nor closes a limit.
package limit

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Rates limits the calls per second of each App and command. A bucket holds one second's
// worth of calls and is full at first.
//
// It stands after authentication: its memory grows with the pairs it has seen, so the
// caller passes only Apps that exist and commands of the route table.
type Rates struct {
	start   time.Time // the zero of the buckets' clock
	mu      sync.RWMutex
	buckets map[rateKey]*bucket
}

type rateKey struct {
	app     account.SDKAppID
	command string
}

// bucket is a bucket of the generic cell rate algorithm: the instant at which it will be
// full again, in nanoseconds since Rates.start. An instant says nothing of the rate, so
// that a rate may change from one call to the next and the bucket stays filled to the
// same fraction. One word needs no lock, which is why this is not x/time/rate: calls of
// one App mostly are calls of one command.
type bucket struct{ fullAt atomic.Int64 }

// NewRates returns Rates whose buckets are all full. now is the current time.
func NewRates(now time.Time) *Rates {
	return &Rates{start: now, buckets: make(map[rateKey]*bucket)}
}

// Decision is what became of one call.
type Decision struct {
	Allowed    bool
	Limit      int           // calls per second; 0 if there is no limit, and then the rest is zero too
	Remaining  int           // calls that would be allowed right now, after this one
	Reset      time.Duration // until the bucket is full again
	RetryAfter time.Duration // until one call would be allowed; 0 if this one was
}

// Allow takes one call of command from the bucket of app, if there is one left. At most
// perSecond calls are allowed at once, and perSecond in every second after that; 0 or
// less means no limit.
func (r *Rates) Allow(app account.SDKAppID, command string, perSecond int, now time.Time) Decision {
	if perSecond <= 0 {
		return Decision{Allowed: true}
	}
	return r.bucket(rateKey{app, command}).take(perSecond, int64(now.Sub(r.start)))
}

func (r *Rates) bucket(k rateKey) *bucket {
	r.mu.RLock()
	b := r.buckets[k]
	r.mu.RUnlock()
	if b != nil {
		return b
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b = r.buckets[k]; b == nil {
		b = new(bucket)
		r.buckets[k] = b
	}
	return b
}

// take takes one call at the instant now.
func (b *bucket) take(perSecond int, now int64) Decision {
	// Rounded up, so that rounding never allows more than the rate.
	cost := (int64(time.Second) + int64(perSecond) - 1) / int64(perSecond)
	capacity := cost * int64(perSecond)
	for {
		fullAt := b.fullAt.Load()
		after := max(fullAt, now) + cost
		if lack := after - now - capacity; lack > 0 {
			return Decision{
				Limit:      perSecond,
				Reset:      time.Duration(fullAt - now),
				RetryAfter: time.Duration(lack),
			}
		}
		if b.fullAt.CompareAndSwap(fullAt, after) {
			return Decision{
				Allowed:   true,
				Limit:     perSecond,
				Remaining: int((capacity - (after - now)) / cost),
				Reset:     time.Duration(after - now),
			}
		}
	}
}
