package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store"
)

// messageConcurrentCases show what must hold when many call at once.
func messageConcurrentCases(seed uint64) []testCase {
	return []testCase{
		{"boxes that many send to", func(c *client) {
			senders := make([]*messageSender, 12)
			c.together(len(senders)+2, func(w int) error {
				if w >= len(senders) {
					return readWhileSending(c, w)
				}
				senders[w] = newMessageSender(c.app, w, rand.New(rand.NewPCG(seed, uint64(w))))
				for range 25 {
					if err := senders[w].step(c.Context(), c.store(), newFuse(math.MaxInt)); err != nil {
						return err
					}
				}
				return nil
			})
			c.wantSent(senders)
		}},
		{"the same by many", func(c *client) {
			got := make([]message.Appended, 12)
			c.together(len(got), func(w int) error {
				done, err := c.store().AppendMessages(c.Context(), c.app, []message.Append{note("ann", "bob", 1, 50)})
				if err == nil {
					got[w] = done[0]
				}
				return err
			})
			stored := 0
			for _, g := range got {
				if !g.Duplicate {
					stored++
				}
				if g.ToBox != 1 || g.FromBox != 1 {
					c.Errorf("one of many got %+v", g)
				}
			}
			if stored != 1 {
				c.Errorf("%d of many calls stored the message; want 1", stored)
			}
		}},
		{"marks that many raise", func(c *client) {
			c.together(12, func(w int) error {
				for i := range int64(20) {
					at := i*12 + int64(w) + 1
					held, err := c.store().SetRead(c.Context(), c.app, "ann", "bob", at)
					if err == nil && held < at {
						err = fmt.Errorf("read up to %d, it was raised to %d", held, at)
					}
					if err == nil {
						err = c.store().SetSeen(c.Context(), c.app, "ann", "i", uint64(at))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			same(c.TB, "read", c.readUpTo(message.Pair{Reader: "ann", Peer: "bob"}), []int64{240})
			c.wantSeen("ann", "i", 240)
		}},
		{"a recall by many", func(c *client) {
			a := note("ann", "bob", 1, 50)
			c.send(a)
			first := make([]bool, 12)
			c.together(len(first), func(w int) error {
				notices, again, err := c.store().Recall(c.Context(), c.app, "ann", "bob", a.Key)
				if first[w] = len(notices) == 2; err == nil && first[w] == again {
					err = fmt.Errorf("recall gave %v, %v", notices, again)
				}
				return err
			})
			c.wantBox("bob's box", "bob", 2, recalled(copyOf(a, "bob", 1)), recalled(copyOf(a, "bob", 2)))
		}},
	}
}

// readWhileSending follows a box as a device does: no number is missing, and none comes late.
func readWhileSending(c *client, w int) error {
	owner, seen := account.UserID(fmt.Sprintf("to%d", w%messageRecipients)), uint64(0)
	for range 60 {
		got, last, err := c.store().ReadBox(c.Context(), c.app, owner, seen, 5, 60)
		if err != nil {
			return err
		}
		for i := range got {
			if seen++; got[i].Box != seen {
				return fmt.Errorf("box of %q: %d came where %d was due", owner, got[i].Box, seen)
			}
		}
		if seen > last || seen < last && len(got) < 5 {
			return fmt.Errorf("box of %q: %d copies end with %d, the last number is %d", owner, len(got), seen, last)
		}
	}
	return nil
}

// messageRecipients is how many accounts all senders send to.
const messageRecipients = 3

// messageSender sends messages from an account that is its alone.
type messageSender struct {
	app  account.SDKAppID
	id   account.UserID
	rng  *rand.Rand
	seq  uint32
	last []message.Append // of the last call
	// sent are the messages that were answered, with their numbers.
	sent []sentMessage
	// unanswered is a call that was not answered; nil if there is none.
	unanswered []message.Append
}

type sentMessage struct {
	message.Append
	as message.Appended
}

func newMessageSender(app account.SDKAppID, i int, rng *rand.Rand) *messageSender {
	return &messageSender{app: app, id: account.UserID(fmt.Sprintf("from%d", i)), rng: rng}
}

// step sends a few messages in one call, or those of the last call again.
func (w *messageSender) step(ctx context.Context, st store.Store, f *fuse) error {
	all, repeated := w.last, w.rng.IntN(4) == 0 && len(w.last) > 0
	if !repeated {
		all = nil
		for range 1 + w.rng.IntN(4) {
			w.seq++
			all = append(all, note(w.id, account.UserID(fmt.Sprintf("to%d", w.rng.IntN(messageRecipients))), w.seq, 50))
		}
	}
	got, err := st.AppendMessages(ctx, w.app, all)
	if f.blown.Load() {
		w.unanswered = all
		return nil
	}
	if err == nil {
		err = w.note(all, got, repeated)
	}
	if err != nil {
		return fmt.Errorf("append messages: %w", err)
	}
	w.last = all
	f.burn()
	return nil
}

// note notes what was answered.
func (w *messageSender) note(all []message.Append, got []message.Appended, repeated bool) error {
	if repeated {
		for i, before := range w.sent[len(w.sent)-len(all):] {
			want := before.as
			if want.Duplicate = true; got[i] != want {
				return fmt.Errorf("the same again gave %+v; want %+v", got[i], want)
			}
		}
		return nil
	}
	for i := range all {
		if got[i].Duplicate || got[i].ToBox == 0 || got[i].FromBox != uint64(len(w.sent)+1) {
			return fmt.Errorf("a new message of %q gave %+v", w.id, got[i])
		}
		w.sent = append(w.sent, sentMessage{all[i], got[i]})
	}
	return nil
}

// wantSent checks that all boxes hold what was answered to the senders, each message once and
// under its number, and nothing else.
func (c *client) wantSent(senders []*messageSender) {
	c.Helper()
	to := make(map[account.UserID]map[uint64]sentMessage)
	for _, w := range senders {
		var want []message.Copy
		for _, m := range w.sent {
			want = append(want, copyOf(m.Append, w.id, m.as.FromBox))
			if to[m.To] == nil {
				to[m.To] = make(map[uint64]sentMessage)
			}
			if other, taken := to[m.To][m.as.ToBox]; taken {
				c.Errorf("box of %q: %s and %s have both got %d", m.To, other.Key, m.Key, m.as.ToBox)
			}
			to[m.To][m.as.ToBox] = m
		}
		c.wantBox(fmt.Sprintf("box of %q", w.id), w.id, uint64(len(want)), want...)
	}
	for owner, numbers := range to {
		var want []message.Copy
		for n := range uint64(len(numbers)) {
			want = append(want, copyOf(numbers[n+1].Append, owner, n+1))
		}
		c.wantBox(fmt.Sprintf("box of %q", owner), owner, uint64(len(want)), want...)
	}
}

// messageReopenCases show what outlasts a clean close.
func messageReopenCases(seed uint64) []testCase {
	return []testCase{
		{"messages are kept", func(c *client) {
			w := newMessageSender(c.app, 1, rand.New(rand.NewPCG(seed, 8)))
			for range 4 {
				c.reopen()
				c.wantSent([]*messageSender{w})
				for range 10 {
					if err := w.step(c.Context(), c.store(), newFuse(math.MaxInt)); err != nil {
						c.Fatal(err)
					}
				}
			}
		}},
		{"marks, recalls and numbers are kept", func(c *client) {
			c.importIDs(50, "ann", "bob")
			a, b := note("ann", "bob", 1, 50), note("ann", "bob", 2, 50)
			b.Expires = 70
			c.send(a, b)
			c.recall("ann", "bob", a.Key)
			c.setRead("bob", "ann", 40)
			c.setSeen("bob", "i", 2)
			c.sweep(70, 10)
			c.del(60, "ann")
			c.reopen()
			c.wantBox("bob's box", "bob", 3, recalled(copyOf(a, "bob", 1)), recalled(copyOf(a, "bob", 3)))
			c.wantBox("ann's box", "ann", 3)
			c.wantSeen("bob", "i", 2)
			same(c.TB, "read", c.readUpTo(message.Pair{Reader: "bob", Peer: "ann"}), []int64{40})
			if got := c.setRead("bob", "ann", 30); got != 40 {
				c.Errorf("read up to %d; want 40", got)
			}
			want := message.Appended{Key: a.Key, ToBox: 1, FromBox: 1, Duplicate: true}
			same(c.TB, "the same again", c.send(a)[0], want)
			if got := c.send(note("ann", "bob", 3, 60))[0]; got.FromBox != 4 || got.ToBox != 4 {
				c.Errorf("numbers go on with %+v", got)
			}
		}},
	}
}
