package webhook

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
)

// quiet is how long an App's lines in the log are apart at least.
const quiet = 10 * time.Second

// queue holds the events of one App. It is a list rather than a channel, so that an empty
// one takes no room.
type queue struct {
	app     account.SDKAppID
	limit   int
	seed    maphash.Seed
	breaker *breaker

	mu     sync.Mutex
	size   int     // events waiting or being sent
	shards []shard // one for each worker

	// What the log has not told yet, and when it told something last.
	failed, dropped int
	told            time.Time
}

// shard is what falls to one worker.
type shard struct {
	first, last *entry
	working     bool // its worker runs
}

type entry struct {
	StateChange
	next *entry
}

func newQueue(id account.SDKAppID, o Options, down prometheus.Gauge) *queue {
	return &queue{
		app:     id,
		limit:   o.QueueLen,
		seed:    maphash.MakeSeed(),
		breaker: newBreaker(o.Probe, down),
		shards:  make([]shard, o.Workers),
	}
}

// push appends c to the shard of its account, or returns false if the queue is full. If
// began is true, the caller must start a worker for sh.
func (q *queue) push(c StateChange) (sh *shard, began, ok bool) {
	sh = &q.shards[maphash.String(q.seed, string(c.UserID))%uint64(len(q.shards))]
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size >= q.limit {
		q.dropped++
		return nil, false, false
	}
	q.size++
	e := &entry{StateChange: c}
	if sh.last == nil {
		sh.first = e
	} else {
		sh.last.next = e
	}
	sh.last = e
	began = !sh.working
	sh.working = true
	return sh, began, true
}

// next takes the first event out of sh, for its worker, which must settle it. After false
// the worker must end.
func (q *queue) next(sh *shard) (*StateChange, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := sh.first
	if e == nil {
		sh.working = false
		return nil, false
	}
	if sh.first = e.next; sh.first == nil {
		sh.last = nil
	}
	e.next = nil
	return &e.StateChange, true
}

// settle makes the room of one event free.
func (q *queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size--
}

// clear settles all events that wait and returns how many there were.
func (q *queue) clear() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for i := range q.shards {
		sh := &q.shards[i]
		for e := sh.first; e != nil; e = e.next {
			n++
		}
		sh.first, sh.last = nil, nil
	}
	q.size -= n
	return n
}

// tell counts an event that has failed and returns true if it is time for a line in the
// log, with what the line should say.
func (q *queue) tell(now time.Time) (failed, dropped int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed++
	// A clock that was set back does not silence the log.
	if since := now.Sub(q.told); since >= 0 && since < quiet {
		return 0, 0, false
	}
	q.told = now
	failed, dropped = q.failed, q.dropped
	q.failed, q.dropped = 0, 0
	return failed, dropped, true
}
