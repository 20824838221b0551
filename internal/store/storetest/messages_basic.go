package storetest

import (
	"fmt"
	"slices"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// messageCases hold the contract of message.Store against a store, one call at a time.
func messageCases() []testCase {
	return []testCase{
		{"nothing there", func(c *client) {
			c.wantBox("box", "ann", 0)
			c.wantConversation("conversation", "ann", "bob")
			same(c.TB, "read", c.readUpTo(message.Pair{Reader: "ann", Peer: "bob"}), []int64{0})
			same(c.TB, "read", c.readUpTo(), nil)
			same(c.TB, "appended", c.send(), nil)
			c.wantSeen("ann", "i", 0)
			if notices, again := c.recall("ann", "bob", note("ann", "bob", 1, 50).Key); len(notices) > 0 || again {
				c.Errorf("recall of nothing gave %v, %v", notices, again)
			}
			if n := c.sweep(never, 10); n != 0 {
				c.Errorf("%d copies were swept of none", n)
			}
		}},
		{"two copies", messageTwoCopies},
		{"who keeps a copy", messageWhoKeeps},
		{"numbers of one call", messageNumbers},
		{"the same again", messageSameAgain},
		{"the same again in one call", messageSameInCall},
		{"pages of a box", messageBoxPages},
		{"pages of a conversation", messageConversationPages},
		{"recall", messageRecall},
		{"recall of what is not there", messageRecallNothing},
		{"read marks", messageRead},
		{"seen marks", messageSeen},
		{"sweep", messageSweep},
		{"a deleted account", messageDeleted},
		{"a deleted account with much", messageDeletedMuch},
		{"names that run into each other", messageNames},
		{"texts stay the caller's", messageTexts},
	}
}

func messageTwoCopies(c *client) {
	a, b := note("ann", "bob", 1, 50), note("bob", "ann", 2, 49)
	a.Flags, b.Body, b.CloudData = message.Muted|message.NoUnread, nil, ""
	same(c.TB, "appended", c.send(a), []message.Appended{{Key: a.Key, ToBox: 1, FromBox: 1}})
	same(c.TB, "appended", c.send(b), []message.Appended{{Key: b.Key, ToBox: 2, FromBox: 2}})
	c.wantBox("ann's box", "ann", 2, copyOf(a, "ann", 1), copyOf(b, "ann", 2))
	c.wantBox("bob's box", "bob", 2, copyOf(a, "bob", 1), copyOf(b, "bob", 2))
	c.wantConversation("ann's view", "ann", "bob", copyOf(a, "ann", 1), copyOf(b, "ann", 2))
	c.wantConversation("bob's view", "bob", "ann", copyOf(a, "bob", 1), copyOf(b, "bob", 2))
	c.of(c.app+1).wantBox("in another App", "ann", 0)
}

func messageWhoKeeps(c *client) {
	to, from, none, self := note("ann", "bob", 1, 50), note("ann", "bob", 2, 50), note("ann", "bob", 3, 50), note("ann", "ann", 4, 50)
	to.FromBox, from.ToBox, none.ToBox, none.FromBox, self.FromBox = false, false, false, false, true
	same(c.TB, "appended", c.send(to, from, none, self), []message.Appended{
		{Key: to.Key, ToBox: 1},
		{Key: from.Key, FromBox: 1},
		{Key: none.Key},
		{Key: self.Key, ToBox: 2, FromBox: 2},
	})
	c.wantBox("ann's box", "ann", 2, copyOf(from, "ann", 1), copyOf(self, "ann", 2))
	c.wantBox("bob's box", "bob", 1, copyOf(to, "bob", 1))
	c.wantConversation("with oneself", "ann", "ann", copyOf(self, "ann", 2))
	if notices, _ := c.recall("ann", "ann", self.Key); len(notices) != 1 {
		c.Errorf("recall of a message to oneself gave %v", notices)
	}
}

func messageNumbers(c *client) {
	var all []message.Append
	var want []message.Appended
	for i := range uint32(40) {
		all = append(all, note("ann", account.UserID(fmt.Sprintf("n%d", i%4)), i, 50))
		want = append(want, message.Appended{Key: all[i].Key, ToBox: uint64(i/4 + 1), FromBox: uint64(i + 1)})
	}
	same(c.TB, "appended", c.send(all...), want)
	again := note("n1", "ann", 1, 51)
	same(c.TB, "appended", c.send(again), []message.Appended{{Key: again.Key, ToBox: 41, FromBox: 11}})
}

func messageSameAgain(c *client) {
	a := note("ann", "bob", 1, 50)
	first := c.send(a)[0]
	repeat := func(what string, duplicate bool, change func(m *message.Append)) {
		c.Helper()
		m := a
		m.Time = 100
		m.Since = 40
		change(&m)
		got := c.send(m)[0]
		want := first
		want.Duplicate = true
		if duplicate && got != want {
			c.Errorf("%s gave %+v; want %+v", what, got, want)
		}
		if !duplicate && (got.Duplicate || got.Key != m.Key || got.ToBox == 0 || got.FromBox == 0) {
			c.Errorf("%s gave %+v; want a new message", what, got)
		}
	}
	repeat("the same later", true, func(*message.Append) {})
	repeat("the same since its time", true, func(m *message.Append) { m.Since = 50 })
	repeat("with other texts and the same sum", true, func(m *message.Append) { m.Body, m.CloudData = []byte("[]"), "other" })
	repeat("with another sum", false, func(m *message.Append) { m.Sum++ })
	repeat("the same again", true, func(*message.Append) {})
	repeat("with another number", false, func(m *message.Append) { m.Seq++ })
	repeat("with another random", false, func(m *message.Append) { m.Random++ })
	repeat("the other way", false, func(m *message.Append) { m.From, m.To = m.To, m.From })
	repeat("to another", false, func(m *message.Append) { m.To = "cal" })
	repeat("from another", false, func(m *message.Append) { m.From = "cal" })
	repeat("too late", false, func(m *message.Append) { m.Since = 51 })
	if _, last := c.readBox("bob", 0, 1, 60); last != 7 {
		c.Errorf("bob's last number is %d; want 7", last)
	}
	if got := c.of(c.app + 1).send(a)[0]; got.Duplicate {
		c.Error("the same in another App is no message")
	}
}

func messageSameInCall(c *client) {
	a := note("ann", "bob", 1, 50)
	late, other := a, a
	late.Time, late.Since = 60, 40
	other.Sum++
	want := message.Appended{Key: a.Key, ToBox: 1, FromBox: 1}
	again := want
	again.Duplicate = true
	same(c.TB, "appended", c.send(a, late, other, a), []message.Appended{want, again, {Key: a.Key, ToBox: 2, FromBox: 2}, again})
	same(c.TB, "appended again", c.send(late, other), []message.Appended{again, {Key: a.Key, ToBox: 2, FromBox: 2, Duplicate: true}})
	c.wantBox("bob's box", "bob", 2, copyOf(a, "bob", 1), copyOf(other, "bob", 2))
}

func messageBoxPages(c *client) {
	var want []message.Copy
	for i := range uint32(10) {
		m := note("ann", "bob", 10-i, 50)
		if i%3 == 2 {
			m.Expires = 60 // as of the time of reading
		}
		if c.send(m); m.Expires > 60 {
			want = append(want, copyOf(m, "bob", uint64(i+1)))
		}
	}
	for after := range uint64(12) {
		for limit := range 12 {
			rest := want[slices.IndexFunc(append(slices.Clone(want), message.Copy{Box: 1 << 60}), func(m message.Copy) bool { return m.Box > after }):]
			got, last := c.readBox("bob", after, limit, 60)
			sameEach(c.TB, fmt.Sprintf("%d after %d", limit, after), got, rest[:min(limit, len(rest))])
			if last != 10 {
				c.Errorf("the last number is %d; want 10", last)
			}
		}
	}
}

func messageConversationPages(c *client) {
	var want []message.Copy // the newest first
	for i, k := range []message.Key{
		{Time: 50, Seq: 1, Random: 2},
		{Time: 50, Seq: 1, Random: 3},
		{Time: 50, Seq: 2, Random: 1},
		{Time: 51, Seq: 0, Random: 0},
		{Time: 53, Seq: 1 << 31, Random: 1 << 31},
		{Time: 53, Seq: 1<<32 - 1, Random: 1<<32 - 1},
	} {
		m := note("ann", "bob", 0, 50)
		if i%2 == 1 {
			m = note("bob", "ann", 0, 50)
		}
		m.Key = k
		want = slices.Insert(want, 0, copyOf(m, "ann", uint64(6-i)))
	}
	gone := note("ann", "bob", 1, 52)
	gone.Expires = 60
	for _, m := range want { // stored in the order opposite to that of keys
		one := note(m.From, m.To, 0, 50)
		one.Message = m.Message
		c.send(one)
	}
	c.send(gone, note("ann", "bo", 1, 52), note("ann", "bobb", 1, 52))
	for _, before := range append([]message.Key{allMessages, {}, {Time: 52}, {Time: 50, Seq: 1, Random: 4}}, keysOf(want)...) {
		for _, times := range [][2]int64{{0, never}, {50, 50}, {51, 53}, {52, 52}, {53, 51}} {
			for _, limit := range []int{0, 1, 2, 100} {
				in := slices.DeleteFunc(slices.Clone(want), func(m message.Copy) bool {
					return m.Compare(before) >= 0 || m.Time < times[0] || m.Time > times[1]
				})
				got := c.conversation("ann", "bob", before, times[0], times[1], limit)
				sameEach(c.TB, fmt.Sprintf("%d before %s in %v", limit, before, times), got, in[:min(limit, len(in))])
			}
		}
	}
}

func keysOf(all []message.Copy) (keys []message.Key) {
	for i := range all {
		keys = append(keys, all[i].Key)
	}
	return keys
}
