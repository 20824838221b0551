package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// crashMessages crashes one store again and again while senders share their recipients. After
// each crash all that was answered must be there under its number, and of each sender's one
// unanswered call all or nothing, in both boxes; sent again it must not be there twice.
func crashMessages(tb testing.TB, h Harness, cycles int, seed uint64) {
	tb.Helper()
	c := newClient(tb, h)
	rng := rand.New(rand.NewPCG(seed, 5))
	senders := make([]*messageSender, 6)
	for i := range senders {
		senders[i] = newMessageSender(c.app, i, rand.New(rand.NewPCG(seed, 6+uint64(i))))
	}
	unanswered, stored := 0, 0
	for cycle := range cycles {
		sendUntilCrash(c, senders, newFuse(rng.IntN(100)))
		for _, w := range senders {
			if w.unanswered == nil {
				continue
			}
			unanswered++
			done, err := w.settle(c)
			if err != nil {
				c.Error(err)
			}
			if done {
				stored++
			}
		}
		c.wantSent(senders)
		if c.Failed() {
			c.Fatalf("seed %d, crash %d", seed, cycle+1)
		}
	}
	c.Logf("%d crashes, %d of %d unanswered calls had an effect", cycles, stored, unanswered)
}

// sendUntilCrash lets the senders work until the fuse blows, and crashes the store.
func sendUntilCrash(c *client, senders []*messageSender, f *fuse) {
	c.Helper()
	st := c.store()
	errs := make([]error, len(senders))
	var wg sync.WaitGroup
	for i, w := range senders {
		wg.Go(func() {
			for errs[i] == nil && w.unanswered == nil {
				errs[i] = w.step(c.Context(), st, f)
			}
			if errs[i] != nil {
				f.trip()
			}
		})
	}
	f.wait()
	f.blown.Store(true)
	c.inst.Crash(c.TB)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatalf("before the crash: %v", err)
	}
}

// settle sends the unanswered call again, and reports whether it had been stored before.
func (w *messageSender) settle(c *client) (stored bool, err error) {
	c.Helper()
	all, before := w.unanswered, uint64(len(w.sent))
	w.unanswered, w.last = nil, all
	_, last := c.readBox(w.id, 0, 1, 60)
	repeated := len(w.sent) > 0 && all[0].Seq <= w.sent[len(w.sent)-1].Seq
	if stored = last > before; stored && last != before+uint64(len(all)) {
		return stored, fmt.Errorf("box of %q: half of a call, the last number is %d after %d", w.id, last, before)
	}
	got := c.send(all...)
	if repeated {
		return stored, w.note(all, got, true)
	}
	for i := range got {
		if got[i].Duplicate != stored {
			return stored, fmt.Errorf("a call of %q that was stored (%t) gave %+v again", w.id, stored, got[i])
		}
		got[i].Duplicate = false
	}
	return stored, w.note(all, got, false)
}
