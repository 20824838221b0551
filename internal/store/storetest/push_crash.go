package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// crashPush crashes one store again and again while workers save and remove devices, each
// its own, beside imports. After each crash every call that was answered before it must have
// had its effect, and each worker's one unanswered call all of its effect or none.
func crashPush(tb testing.TB, h Harness, cycles int, seed uint64) {
	tb.Helper()
	c := newClient(tb, h)
	rng := rand.New(rand.NewPCG(seed, 3))
	workers := make([]*pushWorker, 6)
	for i := range workers {
		workers[i] = newPushWorker(c, i, rand.New(rand.NewPCG(seed, 4+uint64(i))))
	}
	unanswered, applied := 0, 0
	for cycle := range cycles {
		pushUntilCrash(c, workers, newFuse(rng.IntN(100)))
		left := make(map[account.UserID]map[presence.PushKey]int64)
		for _, d := range c.loadPush() {
			if left[d.UserID] == nil {
				left[d.UserID] = make(map[presence.PushKey]int64)
			}
			left[d.UserID][d.PushKey] = d.Seen
		}
		for _, w := range workers {
			if w.unanswered != nil {
				unanswered++
			}
			if done, err := w.settle(left[w.id]); err != nil {
				c.Error(err)
			} else if done {
				applied++
			}
		}
		if c.Failed() {
			c.Fatalf("seed %d, crash %d", seed, cycle+1)
		}
	}
	c.Logf("%d crashes, %d of %d unanswered calls had an effect that shows", cycles, applied, unanswered)
}

// pushUntilCrash lets the workers work until the fuse blows, and crashes the store.
func pushUntilCrash(c *client, workers []*pushWorker, f *fuse) {
	c.Helper()
	st := c.store()
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			for errs[i] == nil && w.unanswered == nil {
				errs[i] = w.step(c.Context(), st, f)
			}
			if errs[i] != nil {
				f.trip()
			}
		})
	}
	wg.Go(func() {
		for n := 0; !f.blown.Load(); n++ {
			b := account.Batch{Entries: entries(account.UserID(fmt.Sprintf("w%d", n%20))), At: 50}
			if _, err := st.Import(c.Context(), c.app, b); err != nil {
				return // the crash, or else the workers have met it too
			}
		}
	})
	f.wait()
	f.blown.Store(true)
	c.inst.Crash(c.TB)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatalf("before the crash: %v", err)
	}
}

// settle finds out from what a crash has left of the worker's devices whether its unanswered
// call had an effect that shows.
func (w *pushWorker) settle(got map[presence.PushKey]int64) (applied bool, err error) {
	defer func() { w.unanswered = nil }()
	switch {
	case maps.Equal(got, w.model):
		return false, nil
	case w.unanswered != nil && maps.Equal(got, w.unanswered):
		w.model = w.unanswered
		return true, nil
	default:
		return false, fmt.Errorf("%s has the devices %v, neither %v nor, with the unanswered call, %v", w.id, got, w.model, w.unanswered)
	}
}
