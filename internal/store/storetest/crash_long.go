package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

// crashLong is Crashes with workers that import long batches, and with crashes in the
// middle of those: at a random moment after one has begun.
func crashLong(tb testing.TB, h Harness, cycles int, seed uint64) {
	tb.Helper()
	c := newClient(tb, h)
	rng := rand.New(rand.NewPCG(seed, 1))
	run := &crashRun{twins: newTwins(), fuse: newFuse(math.MaxInt)}
	workers := make([]*crashWorker, 4)
	for i := range workers {
		workers[i] = newCrashWorker(run, i, seed)
	}
	for _, w := range workers[:2] {
		w.long, w.names = true, nil
	}
	pace := measureLong(c, workers[0])
	middle := 0
	for cycle := range cycles {
		run.fuse = newFuse(math.MaxInt)
		begun := make(chan struct{})
		begin := sync.OnceFunc(func() { close(begun) })
		for _, w := range workers[:2] {
			w.begin = begin
		}
		go run.fuse.tripAfter(begun, time.Duration(rng.Int64N(3*int64(pace))))
		run.untilCrash(c, workers)
		for _, w := range workers[:2] {
			if w.inLong && w.unanswered != nil {
				middle++
			}
		}
		run.settle(c, workers)
		if c.Failed() {
			c.Fatalf("seed %d, crash %d", seed, cycle+1)
		}
	}
	c.Logf("%d crashes, %d answered calls, %d long batches unanswered; %d of %d unanswered calls had their effect",
		cycles, run.answered.Load(), middle, run.applied, run.unanswered)
}

// measureLong makes one long batch and returns how long it took.
func measureLong(c *client, w *crashWorker) time.Duration {
	c.Helper()
	start := time.Now()
	if err := w.importLong(c.Context(), c.store()); err != nil {
		c.Fatalf("a long batch: %v", err)
	}
	return time.Since(start)
}

// tripAfter trips the fuse some time after begun. Nothing waits for that time: it is one
// of all those at which a crash must do no harm.
func (f *fuse) tripAfter(begun <-chan struct{}, d time.Duration) {
	select {
	case <-begun:
	case <-f.ch: // a call has failed
	}
	select {
	case <-time.After(d):
	case <-f.ch:
	}
	f.trip()
}

// longStep makes a long batch, mostly, and sometimes deletes a part of what is there.
func (w *crashWorker) longStep(ctx context.Context, st store.Store) error {
	if w.begin != nil {
		w.begin()
		w.begin = nil
		return w.importLong(ctx, st)
	}
	w.time++
	w.inLong = false
	switch w.rng.IntN(4) {
	case 0:
		return w.del(ctx, st, pick(w.rng, w.names, min(len(w.names), 200)), w.time)
	case 1:
		return w.importBatch(ctx, st, account.Batch{Entries: entries(pick(w.rng, w.names, min(len(w.names), 20))...), At: w.time})
	default:
		return w.importLong(ctx, st)
	}
}

// importLong imports a long batch of which a part is new, a part is there, and some was
// deleted.
func (w *crashWorker) importLong(ctx context.Context, st store.Store) error {
	const fresh = longSize / 4
	w.time++
	n := fresh
	if len(w.names) == 0 {
		n = longSize
	}
	for range n {
		w.names = append(w.names, account.UserID(fmt.Sprintf("w%d-%07d", w.id, len(w.names))))
	}
	b := account.Batch{Entries: entries(w.names[len(w.names)-longSize:]...), At: w.time}
	if w.rng.IntN(2) == 0 {
		for range 50 {
			b.Entries[w.rng.IntN(longSize)].Nick = fmt.Sprint(w.time)
		}
	}
	w.inLong = true
	return w.importBatch(ctx, st, b)
}

// observeLong returns what the store has of the worker's names without reading them all one
// by one: the list, and of what is not in it what was deleted and a sample.
func (w *crashWorker) observeLong(ctx context.Context, st store.Store) ([]account.Account, error) {
	prefix := fmt.Sprintf("w%d-", w.id)
	listed, err := st.List(ctx, mainApp, account.UserID(prefix), len(w.names)+1)
	if err != nil {
		return nil, err
	}
	there := make(map[account.UserID]account.Account, len(w.names))
	for _, a := range listed {
		if strings.HasPrefix(string(a.UserID), prefix) {
			there[a.UserID] = a
		}
	}
	out := make([]account.Account, len(w.names))
	absent := make(map[account.UserID]int)
	var ids []account.UserID
	for i, id := range w.names {
		if a, ok := there[id]; ok {
			out[i] = a
			continue
		}
		out[i] = account.Account{UserID: id}
		if w.wasDeleted(place{mainApp, id}) || i%100 == 0 {
			absent[id] = i
			ids = append(ids, id)
		}
	}
	got, err := st.Get(ctx, mainApp, ids)
	if err != nil {
		return nil, err
	}
	for _, a := range got {
		out[absent[a.UserID]] = a
	}
	return out, nil
}

// wasDeleted reports whether a name may have been deleted.
func (w *crashWorker) wasDeleted(at place) bool {
	_, deleted := w.model.dead[at]
	if w.unanswered != nil && !deleted {
		_, deleted = w.unanswered.dead[at]
	}
	return deleted
}
