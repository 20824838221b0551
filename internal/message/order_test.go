package message

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
)

// inOrder fails when copies of a box come out of the order of their numbers.
type inOrder struct {
	t    *testing.T
	mu   sync.Mutex
	last map[account.UserID]uint64
	n    int
}

func (d *inOrder) Deliver(_ account.SDKAppID, c *Copy) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Box <= d.last[c.Owner] {
		d.t.Errorf("box of %s: %d after %d", c.Owner, c.Box, d.last[c.Owner])
	}
	d.last[c.Owner] = c.Box
	d.n++
}

func (d *inOrder) DeliverRead(account.SDKAppID, account.UserID, account.UserID, int64) {}

// TestSequencer has calls store in one order and return in another, as goroutines do.
func TestSequencer(t *testing.T) {
	const callers, calls = 8, 2000
	d := &inOrder{t: t, last: make(map[account.UserID]uint64)}
	s := newSequencer(d)
	var store sync.Mutex
	numbers := make(map[account.UserID]uint64)
	var wg sync.WaitGroup
	for i := range callers {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for range calls {
				from, to := account.UserID(fmt.Sprint("u", r.IntN(4))), account.UserID(fmt.Sprint("u", r.IntN(4)))
				all := []Append{{Message: Message{From: from, To: to}, ToBox: true, FromBox: from != to}}
				tickets := s.begin(1, all)
				if r.IntN(10) == 0 {
					s.abandon(tickets)
					continue
				}
				store.Lock()
				numbers[to]++
				done := []Appended{{ToBox: numbers[to]}}
				if from != to {
					numbers[from]++
					done[0].FromBox = numbers[from]
				}
				store.Unlock()
				if r.IntN(3) == 0 {
					runtime.Gosched()
				}
				s.finish(tickets, all, done, &Send{Sync: SyncDevices})
			}
		})
	}
	wg.Wait()
	for id, n := range numbers {
		if d.last[id] != n {
			t.Errorf("box of %s: the last one delivered is %d of %d", id, d.last[id], n)
		}
	}
	for i := range s.shards {
		if n := len(s.shards[i].boxes); n > 0 {
			t.Errorf("%d boxes are still remembered", n)
		}
	}
	var sum uint64
	for _, n := range numbers {
		sum += n
	}
	if uint64(d.n) != sum {
		t.Errorf("%d copies were delivered, %d stored", d.n, sum)
	}
}
