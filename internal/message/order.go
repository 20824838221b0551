package message

import (
	"slices"
	"sync"

	"github.com/muster-im/muster/internal/account"
)

// sequencer delivers the copies of each box in the order of their numbers, though the calls
// that stored them return in any order.
//
// A call takes a ticket before it stores. A copy is delivered once every call that had a
// ticket when the copy's own call returned has returned as well: one with a lower number is
// among those, or has returned before.
type sequencer struct {
	to     Deliverer
	shards [64]struct {
		mu    sync.Mutex
		boxes map[boxKey]*box
	}
}

type boxKey struct {
	app   account.SDKAppID
	owner account.UserID
}

// box is one that somebody is storing into.
type box struct {
	last     uint64   // ticket
	underway []uint64 // tickets, ascending
	waiting  []waiting
}

type waiting struct {
	copy    Copy
	barrier uint64 // the last ticket when its call returned
}

// ticket is a call's place at one box.
type ticket struct {
	key    boxKey
	n      uint64
	stores []int // which of the call's messages have a copy in the box
}

func newSequencer(to Deliverer) *sequencer {
	s := &sequencer{to: to}
	for i := range s.shards {
		s.shards[i].boxes = make(map[boxKey]*box)
	}
	return s
}

func (s *sequencer) with(k boxKey, f func(b *box)) {
	var h uint32 = 2166136261
	for i := range len(k.owner) {
		h = (h ^ uint32(k.owner[i])) * 16777619
	}
	sh := &s.shards[(h^uint32(k.app))%64]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b := sh.boxes[k]
	if b == nil {
		b = new(box)
		sh.boxes[k] = b
	}
	f(b)
	if len(b.underway) == 0 {
		delete(sh.boxes, k)
	}
}

// begin takes a ticket for each box that the call stores into.
func (s *sequencer) begin(app account.SDKAppID, all []Append) []ticket {
	tickets := make([]ticket, 0, len(all)+1)
	at := make(map[account.UserID]int, len(all)+1)
	take := func(owner account.UserID, i int) {
		n, taken := at[owner]
		if !taken {
			n = len(tickets)
			at[owner] = n
			tickets = append(tickets, ticket{key: boxKey{app, owner}})
			s.with(tickets[n].key, func(b *box) {
				b.last++
				b.underway = append(b.underway, b.last)
				tickets[n].n = b.last
			})
		}
		tickets[n].stores = append(tickets[n].stores, i)
	}
	for i := range all {
		if all[i].FromBox {
			take(all[i].From, i)
		}
		if all[i].ToBox {
			take(all[i].To, i)
		}
	}
	return tickets
}

// abandon gives the tickets of a call back that stored nothing that is known of.
func (s *sequencer) abandon(tickets []ticket) {
	for i := range tickets {
		s.with(tickets[i].key, func(b *box) { s.done(b, &tickets[i]) })
	}
}

// finish gives the tickets back with the copies that the call has stored.
func (s *sequencer) finish(tickets []ticket, all []Append, done []Appended, m *Send) {
	for i := range tickets {
		t := &tickets[i]
		s.with(t.key, func(b *box) {
			for _, i := range t.stores {
				b.add(t.key.owner, &all[i], &done[i], m)
			}
			s.done(b, t)
		})
	}
}

// add has the owner's copy of one message wait for its turn, if it is to be delivered.
func (b *box) add(owner account.UserID, a *Append, done *Appended, m *Send) {
	switch {
	case done.Duplicate:
	case a.ToBox && a.To == owner:
		b.wait(a, done.ToBox, owner)
	case m.Sync == SyncDevices:
		b.wait(a, done.FromBox, owner)
	}
}

func (b *box) wait(a *Append, number uint64, owner account.UserID) {
	b.waiting = append(b.waiting, waiting{copy: Copy{Message: a.Message, Owner: owner, Box: number}, barrier: b.last})
}

// done ends a call, and delivers what waited for it.
func (s *sequencer) done(b *box, t *ticket) {
	b.underway = slices.DeleteFunc(b.underway, func(n uint64) bool { return n == t.n })
	slices.SortFunc(b.waiting, func(x, y waiting) int { return cmp(x.copy.Box < y.copy.Box) })
	n := 0
	for n < len(b.waiting) && (len(b.underway) == 0 || b.underway[0] > b.waiting[n].barrier) {
		s.to.Deliver(t.key.app, &b.waiting[n].copy)
		n++
	}
	b.waiting = slices.Delete(b.waiting, 0, n)
}
