package storetest

import (
	"slices"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// naiveMessages is the contract of message.Store said once more, for one App, as simply as can be.
type naiveMessages struct {
	copies []naiveCopy // in the order in which they were stored
	last   map[account.UserID]uint64
	sent   []sentMessage
	read   map[message.Pair]int64
	seen   map[account.UserID]uint64
}

type naiveCopy struct {
	message.Copy
	notice bool
}

func newNaiveMessages() *naiveMessages {
	return &naiveMessages{
		last: make(map[account.UserID]uint64), read: make(map[message.Pair]int64), seen: make(map[account.UserID]uint64),
	}
}

func (n *naiveMessages) put(m message.Message, owner account.UserID, notice bool) uint64 {
	n.last[owner]++
	n.copies = append(n.copies, naiveCopy{message.Copy{Message: m, Owner: owner, Box: n.last[owner]}, notice})
	return n.last[owner]
}

func (n *naiveMessages) append(a *message.Append) message.Appended {
	earlier := slices.IndexFunc(n.sent, func(s sentMessage) bool {
		return s.From == a.From && s.To == a.To && s.Seq == a.Seq && s.Random == a.Random && s.Sum == a.Sum
	})
	if earlier >= 0 && n.sent[earlier].Time >= a.Since {
		again := n.sent[earlier].as
		again.Duplicate = true
		return again
	}
	out := message.Appended{Key: a.Key}
	if a.ToBox {
		out.ToBox = n.put(a.Message, a.To, false)
	}
	if a.FromBox && a.ToBox && a.From == a.To {
		out.FromBox = out.ToBox
	} else if a.FromBox {
		out.FromBox = n.put(a.Message, a.From, false)
	}
	switch {
	case earlier < 0:
		n.sent = append(n.sent, sentMessage{*a, out})
	case n.sent[earlier].Time <= a.Time:
		n.sent[earlier] = sentMessage{*a, out}
	}
	return out
}

// find returns the copies for which is holds, in the order of their numbers.
func (n *naiveMessages) find(is func(*naiveCopy) bool) (out []message.Copy) {
	for i := range n.copies {
		if is(&n.copies[i]) {
			out = append(out, n.copies[i].Copy)
		}
	}
	return out
}

func (n *naiveMessages) recall(from, to account.UserID, k message.Key) (notices []message.Copy, again bool) {
	for _, owner := range slices.Compact([]account.UserID{to, from}) {
		for i := range len(n.copies) {
			c := &n.copies[i]
			if c.notice || c.Owner != owner || c.From != from || c.To != to || c.Key != k {
				continue
			}
			if c.Flags&message.Recalled != 0 {
				again = true
				continue
			}
			c.Copy = recalled(c.Copy)
			notice := c.Copy
			notice.Box = n.put(notice.Message, owner, true)
			notices = append(notices, notice)
		}
	}
	return notices, again && len(notices) == 0
}

// sweep removes all that has expired, and returns how many copies that were.
func (n *naiveMessages) sweep(now int64) int {
	before := len(n.copies)
	n.copies = slices.DeleteFunc(n.copies, func(c naiveCopy) bool { return c.Expires <= now })
	n.sent = slices.DeleteFunc(n.sent, func(s sentMessage) bool { return s.Expires <= now })
	return before - len(n.copies)
}

func (n *naiveMessages) forget(owner account.UserID) {
	n.copies = slices.DeleteFunc(n.copies, func(c naiveCopy) bool { return c.Owner == owner })
	for p := range n.read {
		if p.Reader == owner {
			delete(n.read, p)
		}
	}
	delete(n.seen, owner)
}
