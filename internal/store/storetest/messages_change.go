package storetest

import (
	"fmt"
	"math"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// recalled is a copy without its content.
func recalled(m message.Copy) message.Copy {
	m.Flags |= message.Recalled
	m.Body, m.CloudData = nil, ""
	return m
}

func messageRecall(c *client) {
	a, b, back := note("ann", "bob", 1, 50), note("ann", "bob", 2, 50), note("bob", "ann", 1, 50)
	a.Flags = message.Muted
	c.send(a, b, back)
	toBob, toAnn := recalled(copyOf(a, "bob", 4)), recalled(copyOf(a, "ann", 4))
	notices, again := c.recall("ann", "bob", a.Key)
	same(c.TB, "notices", notices, []message.Copy{toBob, toAnn})
	if again {
		c.Error("the first recall is said to be the second")
	}
	for range 2 {
		c.wantBox("bob's box", "bob", 4, recalled(copyOf(a, "bob", 1)), copyOf(b, "bob", 2), copyOf(back, "bob", 3), toBob)
		c.wantBox("ann's box", "ann", 4, recalled(copyOf(a, "ann", 1)), copyOf(b, "ann", 2), copyOf(back, "ann", 3), toAnn)
		c.wantConversation("bob's view", "bob", "ann", copyOf(b, "bob", 2), copyOf(back, "bob", 3), recalled(copyOf(a, "bob", 1)))
		if notices, again := c.recall("ann", "bob", a.Key); len(notices) > 0 || !again {
			c.Errorf("the second recall gave %v, %v", notices, again)
		}
	}
	if got := c.send(a)[0]; !got.Duplicate || got.ToBox != 1 {
		c.Errorf("what was recalled can be sent again: %+v", got)
	}
	if got := c.send(note("ann", "bob", 9, 55))[0]; got.ToBox != 5 || got.FromBox != 5 {
		c.Errorf("numbers go on with %+v", got)
	}
}

func messageRecallNothing(c *client) {
	a, one := note("ann", "bob", 1, 50), note("ann", "bob", 3, 50)
	one.FromBox = false
	c.send(a, one)
	for _, k := range []message.Key{{Time: 49, Seq: 1, Random: 7}, {Time: 50, Seq: 2, Random: 7}, {Time: 50, Seq: 1, Random: 8}} {
		if notices, again := c.recall("ann", "bob", k); len(notices) > 0 || again {
			c.Errorf("recall of %s gave %v, %v", k, notices, again)
		}
	}
	if notices, again := c.recall("bob", "ann", a.Key); len(notices) > 0 || again {
		c.Errorf("recall the other way gave %v, %v", notices, again)
	}
	if notices, again := c.of(c.app+1).recall("ann", "bob", a.Key); len(notices) > 0 || again {
		c.Errorf("recall in another App gave %v, %v", notices, again)
	}
	c.wantBox("bob's box", "bob", 2, copyOf(a, "bob", 1), copyOf(one, "bob", 2))
	notices, _ := c.recall("ann", "bob", one.Key)
	same(c.TB, "notices of one copy", notices, []message.Copy{recalled(copyOf(one, "bob", 3))})
	c.wantBox("ann's box", "ann", 1, copyOf(a, "ann", 1))
}

func messageRead(c *client) {
	for _, step := range [][2]int64{{50, 50}, {40, 50}, {50, 50}, {60, 60}, {0, 60}, {-1, 60}, {math.MaxInt64, math.MaxInt64}} {
		if got := c.setRead("ann", "bob", step[0]); got != step[1] {
			c.Errorf("SetRead to %d gave %d; want %d", step[0], got, step[1])
		}
	}
	c.setRead("ann", "cal", 30)
	pairs := []message.Pair{{Reader: "ann", Peer: "bob"}, {Reader: "bob", Peer: "ann"}, {Reader: "ann", Peer: "cal"}, {Reader: "ann", Peer: "bob"}}
	same(c.TB, "read", c.readUpTo(pairs...), []int64{math.MaxInt64, 0, 30, math.MaxInt64})
	same(c.TB, "read in another App", c.of(c.app+1).readUpTo(pairs...), []int64{0, 0, 0, 0})
	c.wantBox("a box that was only read", "ann", 0)
}

func messageSeen(c *client) {
	for _, step := range [][2]uint64{{5, 5}, {4, 5}, {0, 5}, {6, 6}, {math.MaxUint64, math.MaxUint64}} {
		c.setSeen("ann", "i", step[0])
		c.wantSeen("ann", "i", step[1])
	}
	c.setSeen("ann", "j", 1)
	c.wantSeen("ann", "j", 1)
	c.wantSeen("ann", "ij", 0)
	c.wantSeen("bob", "i", 0)
	c.of(c.app+1).wantSeen("ann", "i", 0)
}

func messageSweep(c *client) {
	old, kept, stays := note("ann", "bob", 1, 50), note("ann", "bob", 2, 50), note("cal", "bob", 3, 50)
	old.Expires, kept.Expires = 70, 71
	c.send(kept, old, stays)
	c.recall("ann", "bob", old.Key)
	if n := c.sweep(69, 100); n != 0 {
		c.Errorf("%d copies were swept before their time", n)
	}
	total := 0
	for _, want := range []int{1, 2, 1} { // two copies and two notices
		n := c.sweep(70, 3-want)
		if total += n; n > 3-want {
			c.Errorf("%d copies were swept; the limit was %d", n, 3-want)
		}
	}
	if total += c.sweep(70, 100); total != 4 {
		c.Errorf("%d copies were swept; want 4", total)
	}
	c.wantBox("bob's box", "bob", 4, copyOf(kept, "bob", 1), copyOf(stays, "bob", 3))
	c.wantBox("ann's box", "ann", 3, copyOf(kept, "ann", 1))
	c.wantConversation("ann's view", "ann", "bob", copyOf(kept, "ann", 1))
	if notices, again := c.recall("ann", "bob", old.Key); len(notices) > 0 || again {
		c.Errorf("recall of what was swept gave %v, %v", notices, again)
	}
	if got := c.send(note("ann", "bob", 9, 72))[0]; got.ToBox != 5 || got.FromBox != 4 {
		c.Errorf("numbers go on with %+v", got)
	}
	early := note("ann", "bob", 10, 72)
	early.Expires = 20 // before what was swept
	if c.send(early); c.sweep(30, 100) != 2 {
		c.Error("what came late is not swept")
	}
	c.sweep(never, 100)
	c.wantBox("bob's box", "bob", 6)
	if got := c.send(note("ann", "bob", 11, 72))[0]; got.ToBox != 7 || got.FromBox != 6 {
		c.Errorf("numbers of an empty box go on with %+v", got)
	}
}

func messageDeleted(c *client) {
	c.importIDs(50, "ann", "bob", "anna")
	a, b := note("ann", "bob", 1, 50), note("anna", "bob", 2, 50)
	c.send(a, b)
	c.recall("anna", "bob", b.Key)
	c.setRead("ann", "bob", 50)
	c.setRead("bob", "ann", 50)
	c.setSeen("ann", "i", 1)
	c.setSeen("anna", "i", 1)
	c.of(c.app + 1).send(a)
	same(c.TB, "deleted", c.del(60, "ann", "zoe"), []bool{true, false})
	pairs := []message.Pair{{Reader: "ann", Peer: "bob"}, {Reader: "bob", Peer: "ann"}}
	for range 2 {
		c.wantBox("ann's box", "ann", 1)
		c.wantConversation("ann's view", "ann", "bob")
		same(c.TB, "read", c.readUpTo(pairs...), []int64{0, 50})
		c.wantSeen("ann", "i", 0)
		c.wantSeen("anna", "i", 1)
		c.wantConversation("bob's view", "bob", "ann", copyOf(a, "bob", 1))
		c.wantBox("anna's box", "anna", 2, recalled(copyOf(b, "anna", 1)), recalled(copyOf(b, "anna", 2)))
		c.of(c.app+1).wantBox("in another App", "ann", 1, copyOf(a, "ann", 1))
		c.importIDs(70, "ann")
	}
	if got := c.setRead("ann", "bob", 10); got != 10 {
		c.Errorf("a new account has read up to %d; want 10", got)
	}
	notices, _ := c.recall("ann", "bob", a.Key)
	same(c.TB, "notices of the copy that is left", notices, []message.Copy{recalled(copyOf(a, "bob", 4))})
	if got := c.send(note("ann", "bob", 3, 70))[0]; got.FromBox != 2 || got.ToBox != 5 {
		c.Errorf("numbers go on with %+v", got)
	}
}

// messageDeletedMuch deletes an account that keeps many copies, and one of which nothing is there.
func messageDeletedMuch(c *client) {
	c.importIDs(50, "ann", "bob", "cal")
	var all []message.Append
	for i := range uint32(700) {
		all = append(all, note("ann", account.UserID(fmt.Sprintf("p%d", i%3)), i, 50))
	}
	other := note("an", "anna", 1, 50)
	c.send(append(all, other)...)
	c.del(60, "bob", "ann", "cal")
	c.wantBox("ann's box", "ann", 700)
	c.wantConversation("ann's view", "ann", "p1")
	c.wantBox("an's box", "an", 1, copyOf(other, "an", 1))
	c.wantBox("anna's box", "anna", 1, copyOf(other, "anna", 1))
	if got := c.send(note("ann", "bob", 1, 70))[0]; got.FromBox != 701 || got.ToBox != 1 {
		c.Errorf("numbers go on with %+v", got)
	}
}

// messageNames has names of which one is the beginning of the other, wherever a name may stand.
func messageNames(c *client) {
	names := []account.UserID{"a", "aa", "b", "ab", "ba", "~", "a~", longID("a"), longID("~")}
	var seq uint32
	want := make(map[account.UserID][]message.Copy)
	for _, from := range names {
		for _, to := range names {
			if from == to {
				continue
			}
			seq++
			m := note(from, to, seq, 50)
			c.send(m)
			want[from] = append(want[from], copyOf(m, from, uint64(len(want[from])+1)))
			want[to] = append(want[to], copyOf(m, to, uint64(len(want[to])+1)))
		}
	}
	for _, owner := range names {
		c.wantBox(fmt.Sprintf("box of %q", owner), owner, uint64(len(want[owner])), want[owner]...)
		for _, peer := range names {
			n := 2
			if owner == peer {
				n = 0
			}
			if got := c.conversation(owner, peer, allMessages, 0, never, 10); len(got) != n {
				c.Errorf("%q and %q have %d messages; want %d", owner, peer, len(got), n)
			}
		}
	}
}

func messageTexts(c *client) {
	a := note("ann", "bob", 1, 50)
	want := copyOf(note("ann", "bob", 1, 50), "bob", 1)
	all := []message.Append{a}
	c.send(all...)
	clear(all)
	clear(a.Body)
	for range 2 {
		got, _ := c.readBox("bob", 0, 1, 60)
		same(c.TB, "bob's box", got, []message.Copy{want})
		clear(got[0].Body)
		got = c.conversation("bob", "ann", allMessages, 0, never, 1)
		same(c.TB, "bob's view", got, []message.Copy{want})
		clear(got[0].Body)
	}
}
