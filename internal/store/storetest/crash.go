package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

const (
	crashWorkers = 8
	crashNames   = 24 // of each worker
	crashBatch   = 8  // most names in a call
	crashCalls   = 150
)

// Crashes crashes one store again and again while workers write to it, each to names of
// its own. After each crash every call that was answered before it must have had its
// full effect, with the TinyIDs that were answered; each worker's one unanswered call
// must have had all of its effect or none; counts and lists must agree; and no TinyID
// that was ever answered may come again.
func Crashes(tb testing.TB, h Harness, cycles int, seed uint64) {
	tb.Helper()
	c := newClient(tb, h)
	rng := rand.New(rand.NewPCG(seed, 0))
	run := &crashRun{twins: newTwins()}
	workers := make([]*crashWorker, crashWorkers)
	for i := range workers {
		workers[i] = newCrashWorker(run, i, seed)
	}
	for cycle := range cycles {
		run.fuse = newFuse(rng.IntN(crashCalls))
		run.untilCrash(c, workers)
		run.settle(c, workers)
		if c.Failed() {
			c.Fatalf("seed %d, crash %d", seed, cycle+1)
		}
	}
	c.Logf("%d crashes, %d answered calls, %d of %d unanswered calls had their effect",
		cycles, run.answered.Load(), run.applied, run.unanswered)
}

// crashRun is what the workers share.
type crashRun struct {
	fuse     *fuse
	answered atomic.Int64

	mu    sync.Mutex
	twins twins

	unanswered, applied int
}

// untilCrash lets the workers work until the fuse blows, and crashes the store.
func (r *crashRun) untilCrash(c *client, workers []*crashWorker) {
	c.Helper()
	st := c.store()
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			for errs[i] == nil && w.unanswered == nil {
				errs[i] = w.act(c.Context(), st)
			}
			if errs[i] != nil {
				r.fuse.trip()
			}
		})
	}
	r.fuse.wait()
	r.fuse.blown.Store(true)
	c.inst.Crash(c.TB)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatalf("before the crash: %v", err)
	}
}

// settle finds out what the crash has left of each worker's accounts.
func (r *crashRun) settle(c *client, workers []*crashWorker) {
	c.Helper()
	total := 0
	for _, w := range workers {
		if err := w.settle(c.Context(), c.store()); err != nil {
			c.Errorf("worker %d: %v", w.id, err)
			return
		}
		total += len(w.model.live)
	}
	c.wantExactCount(total)
}

// crashWorker makes calls on names that are its alone, so that it knows what must be.
type crashWorker struct {
	run   *crashRun
	id    int
	rng   *rand.Rand
	time  int64 // of the last call, in seconds
	names []account.UserID
	// numbers are the TinyIDs that it has restored accounts with, or tried to.
	numbers []account.TinyID
	model   *naive // after every answered call
	// unanswered is the model after the call whose fate the crash made unknown too.
	unanswered *naive

	long   bool   // most calls are long batches
	begin  func() // to be called before the next long batch; or nil
	inLong bool   // the last call was one
}

func newCrashWorker(run *crashRun, id int, seed uint64) *crashWorker {
	w := &crashWorker{run: run, id: id, rng: rand.New(rand.NewPCG(seed, 1+uint64(id))), model: newNaive()}
	w.model.last = account.TinyID(id) << 32 // the workers' models share one twins
	for i := range crashNames {
		w.names = append(w.names, account.UserID(fmt.Sprintf("w%d-%d", id, i)))
	}
	return w
}

// act makes one call.
func (w *crashWorker) act(ctx context.Context, st store.Store) error {
	if w.long {
		return w.longStep(ctx, st)
	}
	return w.step(ctx, st)
}

// step makes one random call.
func (w *crashWorker) step(ctx context.Context, st store.Store) error {
	ids := make([]account.UserID, 1+w.rng.IntN(crashBatch))
	for i, n := range w.rng.Perm(len(w.names))[:len(ids)] {
		ids[i] = w.names[n]
	}
	w.time++
	at := w.time + w.rng.Int64N(5) // mostly rising, so that most kicks and deletes change ValidFrom
	switch w.rng.IntN(8) {
	case 0, 1:
		return w.del(ctx, st, ids, at)
	case 2:
		next := w.model.clone()
		want := next.kick(mainApp, ids, at)
		got, err := st.Kick(ctx, mainApp, ids, at)
		return answeredCall(w, "kick", next, err, got, func() []bool { return want })
	case 3:
		next := w.model.clone()
		change := account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: fmt.Sprint(at)}}}
		want := next.setProfile(mainApp, ids[0], change)
		got, err := st.SetProfile(ctx, mainApp, ids[0], change)
		return answeredCall(w, "set profile", next, err, []bool{got}, func() []bool { return []bool{want} })
	default:
		b := account.Batch{Entries: entries(ids...), At: at, TinyIDs: w.rng.IntN(2) == 0}
		for i := range b.Entries {
			b.Entries[i].Nick = []string{"", "x", "y"}[w.rng.IntN(3)]
		}
		if w.rng.IntN(3) == 0 {
			b.Restore = w.restore(len(ids))
		}
		return w.importBatch(ctx, st, b)
	}
}

func (w *crashWorker) del(ctx context.Context, st store.Store, ids []account.UserID, at int64) error {
	next := w.model.clone()
	want := next.del(mainApp, ids, at)
	got, err := st.Delete(ctx, mainApp, ids, at)
	return answeredCall(w, "delete", next, err, got, func() []bool { return want })
}

func (w *crashWorker) importBatch(ctx context.Context, st store.Store, b account.Batch) error {
	next := w.model.clone()
	want, _ := next.importBatch(mainApp, b, nil)
	got, err := st.Import(ctx, mainApp, b)
	return answeredCall(w, "import", next, err, got, func() []account.Imported {
		return w.run.twins.imported(want, got, b.TinyIDs)
	})
}

// restore returns what n entries bring along: a third of them nothing, a third a new
// TinyID, a third one that was given, most likely.
func (w *crashWorker) restore(n int) []account.Restore {
	out := make([]account.Restore, n)
	for i := range out {
		switch w.rng.IntN(3) {
		case 0:
			w.numbers = append(w.numbers, freshTinyIDs(w.rng, 1)...)
			out[i] = account.Restore{TinyID: w.numbers[len(w.numbers)-1], Created: 7, ValidFrom: w.rng.Int64N(w.time)}
		case 1:
			if len(w.numbers) > 0 {
				out[i].TinyID = w.numbers[w.rng.IntN(len(w.numbers))]
			}
		}
	}
	return out
}

// answeredCall takes next as the worker's model if the call was answered before the
// crash, and else notes it as what may be. want is called only for an answer.
func answeredCall[T any](w *crashWorker, op string, next *naive, err error, got []T, want func() []T) error {
	if w.run.fuse.blown.Load() {
		w.unanswered = next
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if diff := differences(want(), got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", op, diff)
	}
	w.model = next
	w.run.answered.Add(1)
	w.run.fuse.burn()
	return nil
}

// settle finds out what a crash has left: the model as it was, or with the unanswered
// call done.
func (w *crashWorker) settle(ctx context.Context, st store.Store) error {
	got, err := w.observe(ctx, st)
	if err != nil {
		return fmt.Errorf("read after the crash: %w", err)
	}
	asItWas := w.matches(w.model, got)
	done := "there was no unanswered call"
	if w.unanswered != nil {
		w.run.unanswered++
		if asItWas != "" {
			done = w.matches(w.unanswered, got)
		}
		if done == "" {
			w.run.applied++
			w.model = w.unanswered
		}
		w.unanswered = nil
		// The store need not know of those that the call would have given. No call tries them again.
		w.numbers = slices.DeleteFunc(w.numbers, func(id account.TinyID) bool { return !w.model.restored[id] })
	}
	if asItWas != "" && done != "" {
		return fmt.Errorf("the accounts are neither as answered (-want +got):\n%s\nnor as with the unanswered call (-want +got):\n%s", asItWas, done)
	}
	return nil
}

// observe returns what the store has of the worker's names.
func (w *crashWorker) observe(ctx context.Context, st store.Store) ([]account.Account, error) {
	if w.long {
		return w.observeLong(ctx, st)
	}
	return st.Get(ctx, mainApp, w.names)
}

// matches compares the store's accounts with a model's, and learns the TinyIDs that came to
// light if they are the same.
func (w *crashWorker) matches(n *naive, got []account.Account) (diff string) {
	try := w.run.twins.clone()
	diff = differences(try.accounts(n.get(mainApp, w.names), got), got)
	if diff == "" {
		w.run.twins = try
	}
	return diff
}

func (t twins) clone() twins {
	return twins{real: maps.Clone(t.real), taken: maps.Clone(t.taken)}
}

// fuse decides when a store crashes: after a number of answers.
type fuse struct {
	left  atomic.Int64
	blown atomic.Bool // set before the crash begins: what is answered later does not count
	once  sync.Once
	ch    chan struct{}
}

func newFuse(answers int) *fuse {
	f := &fuse{ch: make(chan struct{})}
	f.left.Store(int64(answers))
	if answers < 1 {
		f.trip()
	}
	return f
}

// burn counts one answer.
func (f *fuse) burn() {
	if f.left.Add(-1) == 0 {
		f.trip()
	}
}

func (f *fuse) trip() { f.once.Do(func() { close(f.ch) }) }
func (f *fuse) wait() { <-f.ch }
