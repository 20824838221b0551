package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"github.com/muster-im/muster/internal/account"
)

// History is what clients saw of one set of accounts. Make it with NewHistory, fill it
// with Record as often as wanted, judge it with Verify.
type History struct {
	w     Workload
	names []account.UserID
	clock atomic.Int64 // logical: stamps calls and returns in one order

	mu     sync.Mutex
	rounds uint64
	ops    map[account.UserID][]porcupine.Operation // one for each account of each call
	counts Counts
	errs   []error
}

// Counts says how the calls of a History ended.
type Counts struct {
	Answered int // with a result
	Refused  int // with the promise that nothing was done
	Unknown  int // with another error
}

// NewHistory returns an empty History.
func NewHistory(w Workload) *History {
	h := &History{w: w, ops: make(map[account.UserID][]porcupine.Operation)}
	for i := range w.Accounts {
		h.names = append(h.names, account.UserID(fmt.Sprintf("lin-%016x-%d", w.Seed, i)))
	}
	return h
}

// Counts returns how the calls ended so far.
func (h *History) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// Err returns the errors of calls that were not abandoned on purpose, joined.
func (h *History) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.errs...)
}

// Record runs the clients against t until each has made its calls, and then reads every
// account once. It returns when all calls have. One Target may follow another, such as
// a store after a crash; they must hold the same accounts.
func (h *History) Record(ctx context.Context, t Target) {
	h.mu.Lock()
	h.rounds++
	round := h.rounds
	h.mu.Unlock()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for id := range h.w.Clients {
		wg.Go(func() {
			c := recorder{h: h, t: t, id: id, rng: rand.New(rand.NewPCG(h.w.Seed, round<<32|uint64(id)))}
			<-start
			for range h.w.Calls {
				c.step(ctx)
			}
		})
	}
	close(start)
	wg.Wait()
	last := recorder{h: h, t: t, id: h.w.Clients}
	last.check(ctx, h.names)
	if slices.Contains(h.w.Mix, OpGet) {
		last.get(ctx, h.names)
	}
}

// recorder is one client: it makes calls and writes down what it saw.
type recorder struct {
	h   *History
	t   Target
	id  int
	rng *rand.Rand
}

// step makes one random call.
func (c *recorder) step(ctx context.Context) {
	op := c.h.w.Mix[c.rng.IntN(len(c.h.w.Mix))]
	ids := make([]account.UserID, 1+c.rng.IntN(c.h.w.Batch))
	for i, n := range c.rng.Perm(c.h.w.Accounts)[:len(ids)] {
		ids[i] = c.h.names[n]
	}
	// Times rise, or else most kicks and deletes would not change ValidFrom; but not always.
	at := c.h.clock.Load() + 1 + c.rng.Int64N(20)
	if c.rng.IntN(2) == 0 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.rng.IntN(100) < c.h.w.Abandon {
		go cancel()
	}
	switch op {
	case OpImport:
		c.importAll(ctx, ids, at, c.rng.IntN(2) == 0)
	case OpCheck:
		c.check(ctx, ids)
	case OpGet:
		c.get(ctx, ids)
	case OpDelete:
		c.del(ctx, ids, at)
	case OpKick:
		c.kick(ctx, ids, at)
	}
}

func (c *recorder) importAll(ctx context.Context, ids []account.UserID, at int64, detail bool) {
	p := c.begin(OpImport, ids, at)
	got, err := c.t.Import(ctx, ids, at, detail)
	c.end(ctx, p, err, answers(got, func(im account.Imported) answer {
		return answer{status: im.Status, tinyID: im.TinyID, validFrom: im.ValidFrom}
	}))
}

func (c *recorder) check(ctx context.Context, ids []account.UserID) {
	p := c.begin(OpCheck, ids, 0)
	got, err := c.t.Check(ctx, ids)
	c.end(ctx, p, err, answers(got, found))
}

func (c *recorder) get(ctx context.Context, ids []account.UserID) {
	p := c.begin(OpGet, ids, 0)
	got, err := c.t.Get(ctx, ids)
	c.end(ctx, p, err, answers(got, func(a account.Account) answer {
		return answer{found: a.Exists(), tinyID: a.TinyID, validFrom: a.ValidFrom}
	}))
}

func (c *recorder) del(ctx context.Context, ids []account.UserID, at int64) {
	p := c.begin(OpDelete, ids, at)
	got, err := c.t.Delete(ctx, ids, at)
	c.end(ctx, p, err, answers(got, found))
}

func (c *recorder) kick(ctx context.Context, ids []account.UserID, validFrom int64) {
	p := c.begin(OpKick, ids, validFrom)
	got, err := c.t.Kick(ctx, ids, validFrom)
	c.end(ctx, p, err, answers(got, found))
}

func found(f bool) answer { return answer{found: f} }

func answers[T any](results []T, one func(T) answer) []answer {
	out := make([]answer, len(results))
	for i, r := range results {
		out[i] = one(r)
	}
	return out
}

// started is a call that has begun.
type started struct {
	request request
	ids     []account.UserID
	stamp   int64
}

func (c *recorder) begin(op Op, ids []account.UserID, at int64) started {
	return started{request: request{op: op, at: at}, ids: ids, stamp: c.h.clock.Add(1)}
}

// end writes a call down, as one operation on each of its accounts. A read without an
// answer says nothing; a write without one returns, as it were, never.
func (c *recorder) end(ctx context.Context, p started, err error, got []answer) {
	stamp := c.h.clock.Add(1)
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	misaligned := err == nil && len(got) != len(p.ids)
	if misaligned {
		err = fmt.Errorf("%d results for %d names", len(got), len(p.ids))
	}
	if misaligned || err != nil && ctx.Err() == nil {
		c.h.errs = append(c.h.errs, fmt.Errorf("%v of %q: %w", p.request.op, p.ids, err))
	}
	switch {
	case err == nil:
		c.h.counts.Answered++
	case errors.Is(err, account.ErrBusy) || errors.Is(err, account.ErrQuota):
		c.h.counts.Refused++
		return
	default:
		c.h.counts.Unknown++
		if p.request.op == OpCheck || p.request.op == OpGet {
			return
		}
		stamp = math.MaxInt64
		got = slices.Repeat([]answer{{unknown: true}}, len(p.ids))
	}
	for i, id := range p.ids {
		c.h.ops[id] = append(c.h.ops[id], porcupine.Operation{
			ClientId: c.id, Input: p.request, Call: p.stamp, Output: got[i], Return: stamp,
		})
	}
}
