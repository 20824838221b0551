package limit

import (
	"container/list"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/internal/account"
)

const (
	// DefaultFailures is the number of failures that a Lockout forgives unless it is
	// told otherwise. It lets a person try things out, and is nothing to a guesser.
	DefaultFailures = 20

	failureWindow = time.Minute // failures further apart than this do not add up
	lockedFor     = time.Minute // the hosted service's (im-rest-api.md, section 3.4, 70050)

	// MaxSources bounds how many sources a Lockout follows, to some 10 MB.
	MaxSources = 1 << 15

	maxSourceName = 64 // bytes kept of a source that is not an IP address
)

// Lockout stops whoever guesses at an App's UserSigs: after so many failures from one
// source within a minute, that source is locked out of that App for a minute. A success
// forgives nothing, and neither another App nor another source is touched.
//
// A source is an IP address without its port. IPv6 addresses count by their first 64
// bits, because one host owns all the rest. Behind a proxy the caller passes the
// client's address, or switches the Lockout off: otherwise one guesser locks out all.
//
// A Lockout follows at most MaxSources sources and forgets the one whose first failure
// is oldest when there are more. It never forgets a locked source before its minute is
// over, so a flood of failures from elsewhere unlocks nobody; and to wipe out a count
// below the limit takes a flood that buys fewer guesses than it costs. If all that it
// follows are locked, further sources go uncounted: to lock out whoever is new would
// hand the flood what it wants.
type Lockout struct {
	failures int
	start    time.Time // the zero of the instants below

	// lockedUntil is an instant after which no source is locked, so that the usual case
	// takes no lock. It only grows.
	lockedUntil atomic.Int64

	mu       sync.Mutex
	sources  map[sourceKey]*list.Element
	counting *list.List // of *source not locked, the oldest window first
	locked   *list.List // of *source locked, the oldest lock first
}

type sourceKey struct {
	app  account.SDKAppID
	addr netip.Addr // of IPv6 the network; invalid if the source is not an IP address
	name string     // the source if it is not an IP address
}

type source struct {
	key      sourceKey
	failures int
	locked   bool
	ends     time.Duration // when the window or the lock is over, since Lockout.start
}

// NewLockout returns a Lockout that locks a source at its failures-th failure; 0 or less
// switches it off. now is the current time.
func NewLockout(failures int, now time.Time) *Lockout {
	return &Lockout{
		failures: failures,
		start:    now,
		sources:  make(map[sourceKey]*list.Element),
		counting: list.New(),
		locked:   list.New(),
	}
}

// Locked reports whether source is locked out of app.
func (l *Lockout) Locked(app account.SDKAppID, source string, now time.Time) bool {
	at := now.Sub(l.start)
	if int64(at) >= l.lockedUntil.Load() {
		return false
	}
	key := newSourceKey(app, source)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.find(key)
	return s != nil && s.locked && at < s.ends
}

// Fail counts one failure of source at app. The caller passes only Apps that exist, and
// no failure of a source that was Locked already: a lock is not prolonged.
func (l *Lockout) Fail(app account.SDKAppID, source string, now time.Time) {
	if l.failures <= 0 {
		return
	}
	at := now.Sub(l.start)
	key := newSourceKey(app, source)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetOver(at)
	s := l.find(key)
	if s == nil {
		if s = l.follow(key, at); s == nil {
			return
		}
	}
	if s.locked {
		return
	}
	if s.failures++; s.failures >= l.failures {
		l.lock(s, at)
	}
}

func (l *Lockout) find(key sourceKey) *source {
	if e, ok := l.sources[key]; ok {
		return e.Value.(*source)
	}
	return nil
}

// forgetOver forgets the sources whose window or lock is over. Both lists are in the order
// in which that happens, so each source is looked at once.
func (l *Lockout) forgetOver(at time.Duration) {
	for _, li := range [...]*list.List{l.counting, l.locked} {
		for e := li.Front(); e != nil && e.Value.(*source).ends <= at; e = li.Front() {
			l.forget(li, e)
		}
	}
}

func (l *Lockout) forget(li *list.List, e *list.Element) {
	delete(l.sources, e.Value.(*source).key)
	li.Remove(e)
}

// follow begins a window for a new source, or returns nil if there is no room for one.
func (l *Lockout) follow(key sourceKey, at time.Duration) *source {
	if len(l.sources) >= MaxSources {
		oldest := l.counting.Front()
		if oldest == nil {
			return nil
		}
		l.forget(l.counting, oldest)
	}
	s := &source{key: key, ends: at + failureWindow}
	l.sources[key] = l.counting.PushBack(s)
	return s
}

func (l *Lockout) lock(s *source, at time.Duration) {
	l.counting.Remove(l.sources[s.key])
	s.locked, s.ends = true, at+lockedFor
	l.sources[s.key] = l.locked.PushBack(s)
	l.lockedUntil.Store(max(l.lockedUntil.Load(), int64(s.ends)))
}

func newSourceKey(app account.SDKAppID, source string) sourceKey {
	addr, err := netip.ParseAddr(source)
	if err != nil {
		// Cloned, so that a source does not keep alive what it was cut from.
		return sourceKey{app: app, name: strings.Clone(source[:min(len(source), maxSourceName)])}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, _ := addr.Prefix(64) // no error: an IPv6 address has 64 bits
		addr = network.Addr()
	}
	return sourceKey{app: app, addr: addr}
}
