package storetest

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// never is when the messages of most tests expire.
const never = math.MaxInt32

// note makes a message of the second at, of which both keep a copy.
func note(from, to account.UserID, seq uint32, at int64) message.Append {
	m := message.Message{
		Key: message.Key{Time: at, Seq: seq, Random: 7}, From: from, To: to, Expires: never,
		Body: fmt.Appendf(nil, `[%d]`, seq), CloudData: fmt.Sprint("cloud ", seq),
	}
	return message.Append{Message: m, Sum: seq, Since: at - 120, ToBox: true, FromBox: from != to}
}

// send appends messages, which must succeed.
func (c *client) send(all ...message.Append) []message.Appended {
	c.Helper()
	got, err := c.store().AppendMessages(c.Context(), c.app, all)
	if err != nil {
		c.Fatalf("AppendMessages of %d: %v", len(all), err)
	}
	if len(got) != len(all) {
		c.Fatalf("AppendMessages gave %d results for %d messages", len(got), len(all))
	}
	return got
}

// copyOf is the copy of a message that an owner has.
func copyOf(a message.Append, owner account.UserID, number uint64) message.Copy {
	return message.Copy{Message: a.Message, Owner: owner, Box: number}
}

func (c *client) readBox(owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64) {
	c.Helper()
	got, last, err := c.store().ReadBox(c.Context(), c.app, owner, after, limit, now)
	if err != nil {
		c.Fatalf("ReadBox(%q, %d, %d, %d): %v", owner, after, limit, now, err)
	}
	return got, last
}

// wantBox checks all that is in a box, and the last number that it gave.
func (c *client) wantBox(what string, owner account.UserID, last uint64, want ...message.Copy) {
	c.Helper()
	got, gotLast := c.readBox(owner, 0, 1<<20, 60)
	sameEach(c.TB, what, got, want)
	if gotLast != last {
		c.Errorf("%s: the last number is %d; want %d", what, gotLast, last)
	}
}

// all is before every message of a conversation in the order of reading.
var allMessages = message.Key{Time: never, Seq: math.MaxUint32, Random: math.MaxUint32}

func (c *client) conversation(owner, peer account.UserID, before message.Key, from, to int64, limit int) []message.Copy {
	c.Helper()
	got, err := c.store().ReadConversation(c.Context(), c.app, owner, peer, before, from, to, limit, 60)
	if err != nil {
		c.Fatalf("ReadConversation(%q, %q, %s, %d, %d, %d): %v", owner, peer, before, from, to, limit, err)
	}
	return got
}

// wantConversation checks all of a conversation, the newest first.
func (c *client) wantConversation(what string, owner, peer account.UserID, want ...message.Copy) {
	c.Helper()
	sameEach(c.TB, what, c.conversation(owner, peer, allMessages, 0, never, 1<<20), want)
}

func (c *client) recall(from, to account.UserID, k message.Key) ([]message.Copy, bool) {
	c.Helper()
	got, again, err := c.store().Recall(c.Context(), c.app, from, to, k)
	if err != nil {
		c.Fatalf("Recall(%q, %q, %s): %v", from, to, k, err)
	}
	return got, again
}

func (c *client) setRead(reader, peer account.UserID, upTo int64) int64 {
	c.Helper()
	got, err := c.store().SetRead(c.Context(), c.app, reader, peer, upTo)
	if err != nil {
		c.Fatalf("SetRead(%q, %q, %d): %v", reader, peer, upTo, err)
	}
	return got
}

func (c *client) readUpTo(pairs ...message.Pair) []int64 {
	c.Helper()
	got, err := c.store().ReadUpTo(c.Context(), c.app, pairs)
	if err != nil || len(got) != len(pairs) {
		c.Fatalf("ReadUpTo(%v): %v, %v", pairs, got, err)
	}
	return got
}

func (c *client) setSeen(owner account.UserID, instance string, number uint64) {
	c.Helper()
	if err := c.store().SetSeen(c.Context(), c.app, owner, instance, number); err != nil {
		c.Fatalf("SetSeen(%q, %q, %d): %v", owner, instance, number, err)
	}
}

func (c *client) wantSeen(owner account.UserID, instance string, want uint64) {
	c.Helper()
	got, err := c.store().Seen(c.Context(), c.app, owner, instance)
	if err != nil || got != want {
		c.Errorf("Seen(%q, %q) is %d, %v; want %d", owner, instance, got, err, want)
	}
}

func (c *client) sweep(now int64, limit int) int {
	c.Helper()
	n, err := c.store().SweepMessages(c.Context(), now, limit)
	if err != nil {
		c.Fatalf("SweepMessages(%d, %d): %v", now, limit, err)
	}
	return n
}

// messageOperations are all the calls of message.Store.
func (c *client) messageOperations(id account.UserID) []operation {
	st, app := c.store(), c.app
	return []operation{
		{"AppendMessages", func(ctx context.Context) error {
			_, err := st.AppendMessages(ctx, app, []message.Append{note(id, "new", 1, 50)})
			return err
		}},
		{"ReadBox", func(ctx context.Context) error { _, _, err := st.ReadBox(ctx, app, id, 0, 1, 60); return err }},
		{"ReadConversation", func(ctx context.Context) error {
			_, err := st.ReadConversation(ctx, app, id, "new", allMessages, 0, never, 1, 60)
			return err
		}},
		{"Recall", func(ctx context.Context) error { _, _, err := st.Recall(ctx, app, id, "new", allMessages); return err }},
		{"SetRead", func(ctx context.Context) error { _, err := st.SetRead(ctx, app, id, "new", 50); return err }},
		{"ReadUpTo", func(ctx context.Context) error {
			_, err := st.ReadUpTo(ctx, app, []message.Pair{{Reader: id, Peer: "new"}})
			return err
		}},
		{"SetSeen", func(ctx context.Context) error { return st.SetSeen(ctx, app, id, "i", 1) }},
		{"Seen", func(ctx context.Context) error { _, err := st.Seen(ctx, app, id, "i"); return err }},
		{"SweepMessages", func(ctx context.Context) error { _, err := st.SweepMessages(ctx, 1, 1); return err }},
	}
}

// longID is a UserID of all the bytes that it may have.
func longID(b string) account.UserID { return account.UserID(strings.Repeat(b, account.MaxUserID)) }
