package storetest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store"
)

// pushConcurrentCases show what must hold when many call at once.
func pushConcurrentCases(seed uint64) []testCase {
	return []testCase{
		{"a load sees no half of a call", func(c *client) { pushTogether(c, seed) }},
		{"calls beside imports", func(c *client) { pushBesideImports(c, seed) }},
	}
}

// pushTogether has each worker save all its devices with one Seen, or remove them all.
func pushTogether(c *client, seed uint64) {
	const workers, calls, devices = 6, 30, 5
	c.together(workers+2, func(w int) error {
		if w >= workers {
			return loadWhole(c, calls, devices)
		}
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for n := range int64(calls) {
			var put []presence.PushDevice
			var remove []presence.PushKey
			for i := range devices {
				d := c.device(account.UserID(fmt.Sprintf("w%d", w)), presence.IPhone, fmt.Sprint(i), n)
				put, remove = append(put, d), append(remove, d.PushKey)
			}
			if rng.IntN(3) == 0 {
				put = nil
			} else {
				remove = nil
			}
			if err := c.store().SavePush(c.Context(), put, remove); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadWhole loads again and again: of each account all devices must be there, as they were
// saved by one call, or none.
func loadWhole(c *client, times, devices int) error {
	for range times {
		got, err := loadPush(c.Context(), c.store())
		if err != nil {
			return err
		}
		for group := range slices.Chunk(got, devices) { // they are sorted by UserID
			for _, d := range group {
				if len(group) != devices || d.UserID != group[0].UserID || d.Seen != group[0].Seen {
					return fmt.Errorf("half of a call: %+v", group)
				}
			}
		}
	}
	return nil
}

// pushBesideImports saves devices while accounts of the same names are imported and deleted.
func pushBesideImports(c *client, seed uint64) {
	const workers, calls = 8, 25
	models := make([]map[presence.PushKey]int64, workers/2)
	var balance atomic.Int64
	c.together(workers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		if w < len(models) {
			p := newPushWorker(c, w, rng)
			for range calls {
				if err := p.step(c.Context(), c.store(), newFuse(math.MaxInt)); err != nil {
					return err
				}
			}
			models[w] = p.model
			return nil
		}
		for range calls {
			ids := []account.UserID{account.UserID(fmt.Sprintf("w%d", rng.IntN(workers)))}
			if err := churnCall(c, rng.IntN(3), ids, func(_ int, by int64) { balance.Add(by) }); err != nil {
				return err
			}
		}
		return nil
	})
	var want []presence.PushDevice
	for _, m := range models {
		want = append(want, devicesOf(m)...)
	}
	c.wantPush("devices", want...)
	c.wantExactCount(int(balance.Load()))
}

// pushReopenCases show what outlasts a clean close.
func pushReopenCases(seed uint64) []testCase {
	return []testCase{{"devices are kept", func(c *client) {
		w := newPushWorker(c, 1, rand.New(rand.NewPCG(seed, 7)))
		for range 4 {
			c.reopen()
			c.wantPush("devices", devicesOf(w.model)...)
			for range 10 {
				if err := w.step(c.Context(), c.store(), newFuse(math.MaxInt)); err != nil {
					c.Fatalf("SavePush: %v", err)
				}
			}
			c.importIDs(50, "w1")
		}
		c.del(60, "w1")
		c.reopen()
		c.wantPush("devices", devicesOf(w.model)...)
		c.wantExactCount(0)
	}}}
}

// pushWorker saves and removes the devices of one account, which are its alone.
type pushWorker struct {
	id    account.UserID
	keys  []presence.PushKey
	rng   *rand.Rand
	model map[presence.PushKey]int64 // after every answered call
	// unanswered is the model after a call that was not answered; nil if there is none.
	unanswered map[presence.PushKey]int64
}

func newPushWorker(c *client, i int, rng *rand.Rand) *pushWorker {
	w := &pushWorker{id: account.UserID(fmt.Sprintf("w%d", i)), rng: rng, model: make(map[presence.PushKey]int64)}
	for k := range 12 {
		w.keys = append(w.keys, c.device(w.id, presence.Platforms()[k%3], fmt.Sprint(k), 0).PushKey)
	}
	return w
}

// step makes one call with some of the worker's devices.
func (w *pushWorker) step(ctx context.Context, st store.Store, f *fuse) error {
	next := maps.Clone(w.model)
	var put []presence.PushDevice
	var remove []presence.PushKey
	for _, n := range w.rng.Perm(len(w.keys))[:1+w.rng.IntN(len(w.keys))] {
		k := w.keys[n]
		if w.rng.IntN(3) == 0 {
			remove = append(remove, k)
			delete(next, k)
			continue
		}
		put = append(put, presence.PushDevice{PushKey: k, Seen: w.rng.Int64N(1000)})
		next[k] = put[len(put)-1].Seen
	}
	err := st.SavePush(ctx, put, remove)
	if f.blown.Load() {
		w.unanswered = next
		return nil
	}
	if err != nil {
		return fmt.Errorf("save push: %w", err)
	}
	w.model = next
	f.burn()
	return nil
}

func devicesOf(m map[presence.PushKey]int64) []presence.PushDevice {
	var out []presence.PushDevice
	for k, seen := range m {
		out = append(out, presence.PushDevice{PushKey: k, Seen: seen})
	}
	return out
}
