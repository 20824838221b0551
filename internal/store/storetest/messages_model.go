package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// MessageModel makes random calls of message.Store, one after another, beside the import and
// the deletion of accounts, and demands the answers that a naive model gives.
func MessageModel(tb testing.TB, h Harness) {
	tb.Helper()
	c := newClient(tb, h)
	var app account.SDKAppID
	now := int64(100)
	rapid.Check(tb, func(rt *rapid.T) {
		app++ // opening a store may be dear
		m := &messageMachine{c: c.of(app), now: now, naive: newNaiveMessages()}
		m.c.TB = tbOf{c.TB, rt}
		actions := map[string]func(*rapid.T){
			"Append": m.append, "Append too": m.append, "Append as well": m.append,
			"Recall": m.recall, "Read": m.read, "Seen": m.seen, "Sweep": m.sweep, "Delete": m.del, "Later": m.later,
			"": m.compare,
		}
		if h.Unsupported.Reopen == "" {
			actions["Reopen"] = func(rt *rapid.T) {
				if rapid.IntRange(0, 7).Draw(rt, "really") == 7 {
					c.reopen()
				}
			}
		}
		rt.Repeat(actions)
		now = m.now + 1
	})
}

// tbOf is the TB of a sequence: what fails is that.
type tbOf struct {
	testing.TB
	rt *rapid.T
}

func (t tbOf) Errorf(format string, args ...any) { t.rt.Fatalf(format, args...) }
func (t tbOf) Fatalf(format string, args ...any) { t.rt.Fatalf(format, args...) }
func (t tbOf) Error(args ...any)                 { t.rt.Fatal(args...) }
func (t tbOf) Fatal(args ...any)                 { t.rt.Fatal(args...) }

// messageMachine is a store and the naive model that it must agree with.
type messageMachine struct {
	c     *client
	naive *naiveMessages
	now   int64
}

var messageNames4 = []account.UserID{"a", "b", "ab", "~"}

func drawName(rt *rapid.T, label string) account.UserID {
	return rapid.SampledFrom(messageNames4).Draw(rt, label)
}

func (m *messageMachine) append(rt *rapid.T) {
	var all []message.Append
	for range rapid.IntRange(0, 4).Draw(rt, "messages") {
		a := note(drawName(rt, "from"), drawName(rt, "to"), rapid.Uint32Range(0, 2).Draw(rt, "seq"), m.now-rapid.Int64Range(0, 4).Draw(rt, "age"))
		a.Random = rapid.Uint32Range(0, 1).Draw(rt, "random")
		a.Expires = m.now + rapid.SampledFrom([]int64{1, 2, 4, 1000}).Draw(rt, "life")
		a.Flags = rapid.SampledFrom([]message.Flags{0, message.Muted}).Draw(rt, "flags")
		a.Sum = rapid.Uint32Range(0, 1).Draw(rt, "sum")
		a.Since = m.now - rapid.Int64Range(0, 6).Draw(rt, "since")
		a.ToBox, a.FromBox = rapid.IntRange(0, 5).Draw(rt, "to box") > 0, rapid.IntRange(0, 5).Draw(rt, "from box") > 0
		all = append(all, a)
	}
	var want []message.Appended
	for i := range all {
		want = append(want, m.naive.append(&all[i]))
	}
	same(m.c.TB, "appended", m.c.send(all...), want)
}

func (m *messageMachine) recall(rt *rapid.T) {
	one := message.Message{Key: message.Key{Time: m.now}, From: drawName(rt, "from"), To: drawName(rt, "to")}
	of := []message.Message{one}
	for _, n := range m.naive.copies {
		of = append(of, n.Message)
	}
	k := rapid.SampledFrom(of).Draw(rt, "message")
	from, to := k.From, k.To
	if rapid.IntRange(0, 4).Draw(rt, "turned") == 0 {
		from, to = to, from
	}
	for _, n := range m.naive.copies {
		if n.Key == k.Key && n.From == from && n.To == to && n.Expires <= m.now {
			return // it may be gone
		}
	}
	notices, again := m.c.recall(from, to, k.Key)
	want, wantAgain := m.naive.recall(from, to, k.Key)
	same(m.c.TB, "notices", notices, want)
	if again != wantAgain {
		rt.Fatalf("recall is the second: %t; want %t", again, wantAgain)
	}
}

func (m *messageMachine) read(rt *rapid.T) {
	p := message.Pair{Reader: drawName(rt, "reader"), Peer: drawName(rt, "peer")}
	at := rapid.Int64Range(0, 5).Draw(rt, "at")
	m.naive.read[p] = max(m.naive.read[p], at)
	if got := m.c.setRead(p.Reader, p.Peer, at); got != m.naive.read[p] {
		rt.Fatalf("SetRead gave %d; want %d", got, m.naive.read[p])
	}
}

func (m *messageMachine) seen(rt *rapid.T) {
	owner, at := drawName(rt, "owner"), rapid.Uint64Range(0, 5).Draw(rt, "at")
	m.naive.seen[owner] = max(m.naive.seen[owner], at)
	m.c.setSeen(owner, "i", at)
}

func (m *messageMachine) later(rt *rapid.T) { m.now += rapid.Int64Range(1, 3).Draw(rt, "seconds") }

// sweep sweeps until there is no more. What is left of deleted accounts may be counted.
func (m *messageMachine) sweep(rt *rapid.T) {
	limit, total := rapid.IntRange(1, 5).Draw(rt, "limit"), 0
	for {
		n := m.c.sweep(m.now, limit)
		if n > limit {
			rt.Fatalf("%d copies were swept; the limit was %d", n, limit)
		}
		if total += n; n < limit {
			break
		}
	}
	if want := m.naive.sweep(m.now); total < want {
		rt.Fatalf("%d copies were swept; want %d", total, want)
	}
}

func (m *messageMachine) del(rt *rapid.T) {
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom(messageNames4), 1, 2, rapid.ID).Draw(rt, "accounts")
	m.c.importIDs(1, ids...)
	m.c.del(2, ids...)
	for _, id := range ids {
		m.naive.forget(id)
	}
}

// compare compares all that can be read.
func (m *messageMachine) compare(rt *rapid.T) {
	after, limit := rapid.Uint64Range(0, 3).Draw(rt, "after"), rapid.IntRange(0, 4).Draw(rt, "limit")
	before := message.Key{Time: m.now - rapid.Int64Range(-1, 3).Draw(rt, "before"), Seq: 1}
	for _, owner := range messageNames4 {
		got, last := m.c.readBox(owner, after, limit, m.now)
		want := m.naive.find(func(n *naiveCopy) bool { return n.Owner == owner && n.Box > after && n.Expires > m.now })
		same(m.c.TB, fmt.Sprintf("box of %q", owner), got, want[:min(limit, len(want))])
		if last != m.naive.last[owner] {
			rt.Fatalf("the last number of %q is %d; want %d", owner, last, m.naive.last[owner])
		}
		for _, peer := range messageNames4 {
			m.compareConversation(owner, peer, before, limit)
		}
		m.c.wantSeen(owner, "i", m.naive.seen[owner])
	}
}

func (m *messageMachine) compareConversation(owner, peer account.UserID, before message.Key, limit int) {
	want := m.naive.find(func(n *naiveCopy) bool {
		return n.Owner == owner && n.Peer() == peer && !n.notice && n.Expires > m.now && n.Compare(before) < 0 && n.Time >= m.now-6
	})
	slices.SortFunc(want, func(x, y message.Copy) int { return cmp.Or(y.Compare(x.Key), cmp.Compare(y.Box, x.Box)) })
	got, err := m.c.store().ReadConversation(m.c.Context(), m.c.app, owner, peer, before, m.now-6, m.now, limit, m.now)
	if err != nil {
		m.c.Fatalf("ReadConversation: %v", err)
	}
	want = slices.DeleteFunc(want, func(c message.Copy) bool { return c.Time > m.now })
	same(m.c.TB, fmt.Sprintf("conversation of %q with %q", owner, peer), got, want[:min(limit, len(want))])
	p := message.Pair{Reader: owner, Peer: peer}
	same(m.c.TB, fmt.Sprintf("%v", p), m.c.readUpTo(p), []int64{m.naive.read[p]})
}
