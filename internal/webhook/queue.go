package webhook

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// quiet is how long an App's lines in the log are apart at least.
const quiet = 10 * time.Second

// queue holds the events of one App. It is a list rather than a channel, so that an empty
// one takes no room.
type queue struct {
	app      account.SDKAppID
	limit    int // events of each command
	maxBytes int // of their messages
	seed     maphash.Seed
	breaker  *breaker

	// For Before, which does not queue. It has a breaker of its own, so that it is not for
	// a failing AfterSend that nobody is asked.
	asks   *breaker
	asking chan struct{} // one for each question that is under way

	mu     sync.Mutex
	held   [commands]int // events waiting or being sent
	bytes  int           // of their messages
	shards []shard       // one for each worker

	// What the log has not told yet, and when it told something last.
	failed, dropped int
	told            time.Time
}

// shard is what falls to one worker.
type shard struct {
	first, last queued
	working     bool // its worker runs
}

func newQueue(id account.SDKAppID, o Options, m *metrics) *queue {
	return &queue{
		app:      id,
		limit:    o.QueueLen,
		maxBytes: o.QueueBytes,
		seed:     maphash.MakeSeed(),
		breaker:  newBreaker(o.Probe, m.down),
		asks:     newBreaker(o.Probe, m.unasked),
		asking:   make(chan struct{}, maxAsking),
		shards:   make([]shard, o.Workers),
	}
}

// push appends the event that build returns, which is of that size, to the shard of its
// account, or returns false if the queue is full. If began is true, the caller must start a
// worker for sh. A flood of messages leaves a StateChange its room.
func (q *queue) push(c command, of account.UserID, size int, build func() queued) (sh *shard, began, ok bool) {
	sh = &q.shards[maphash.String(q.seed, string(of))%uint64(len(q.shards))]
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[c] >= q.limit || size > 0 && q.bytes+size > q.maxBytes {
		q.dropped++
		return nil, false, false
	}
	q.held[c]++
	q.bytes += size
	e := build()
	if sh.last == nil {
		sh.first = e
	} else {
		sh.last.linked().next = e
	}
	sh.last = e
	began = !sh.working
	sh.working = true
	return sh, began, true
}

// next takes the first event out of sh, for its worker, which must settle it. After false
// the worker must end.
func (q *queue) next(sh *shard) (queued, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := sh.first
	if e == nil {
		sh.working = false
		return nil, false
	}
	if sh.first = e.linked().next; sh.first == nil {
		sh.last = nil
	}
	e.linked().next = nil
	return e, true
}

// settle makes the room of one event free.
func (q *queue) settle(e queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(e)
}

func (q *queue) free(e queued) {
	q.held[e.command()]--
	q.bytes -= e.size()
}

// clear settles all events that wait and returns how many there were of each command.
func (q *queue) clear() (n [commands]int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.shards {
		sh := &q.shards[i]
		for e := sh.first; e != nil; e = e.linked().next {
			n[e.command()]++
			q.free(e)
		}
		sh.first, sh.last = nil, nil
	}
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
