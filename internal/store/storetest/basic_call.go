package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// callCases show what holds for every call: nothing to do, an ended context, a closed
// store, and slices that belong to the caller.
func callCases() []testCase {
	cases := []testCase{
		{"Call/nothing to do", nothingToDo},
		{"Call/the caller's slices stay the caller's", ownSlices},
		{"Call/results belong to the caller", ownResults},
		{"Call/close twice", func(c *client) {
			for range 2 {
				if err := c.store().Close(); err != nil {
					c.Fatalf("Close: %v", err)
				}
			}
		}},
		{"Call/after close", func(c *client) {
			c.importIDs(50, "ann")
			if err := c.store().Close(); err != nil {
				c.Fatalf("Close: %v", err)
			}
			for _, op := range c.operations("ann") {
				if err := op.call(c.Context()); !errors.Is(err, account.ErrClosed) {
					c.Errorf("%s after Close gave %v; want ErrClosed", op.name, err)
				}
			}
		}},
	}
	return append(cases,
		testCase{"Call/context canceled before", func(c *client) {
			ctx, cancel := context.WithCancel(c.Context())
			cancel()
			endedBefore(ctx, c, context.Canceled)
		}},
		testCase{"Call/deadline passed before", func(c *client) {
			ctx, cancel := context.WithDeadline(c.Context(), time.Unix(1, 0))
			defer cancel()
			endedBefore(ctx, c, context.DeadlineExceeded)
		}},
	)
}

// endedBefore checks that calls with a context that has ended do nothing.
func endedBefore(ctx context.Context, c *client, want error) {
	c.Helper()
	c.importIDs(50, "ann")
	before := c.get("ann", "new")
	for _, op := range c.operations("ann") {
		if err := op.call(ctx); !errors.Is(err, want) {
			c.Errorf("%s with an ended context gave %v; want %v", op.name, err, want)
		}
		same(c.TB, "accounts after "+op.name, c.get("ann", "new"), before)
		c.wantPush("devices after " + op.name)
		c.wantBox("box after "+op.name, "new", 0)
		c.wantSeen("ann", "i", 0)
		same(c.TB, "read after "+op.name, c.readUpTo(message.Pair{Reader: "ann", Peer: "new"}), []int64{0})
	}
	c.wantExactCount(1)
}

func nothingToDo(c *client) {
	for _, ids := range [][]account.UserID{nil, {}} {
		same(c.TB, "import", c.importBatch(account.Batch{Entries: entries(ids...), At: 50, Quota: 1, HeldSince: 1, TinyIDs: true}), nil)
		same(c.TB, "check", c.check(ids...), nil)
		same(c.TB, "get", c.get(ids...), nil)
		same(c.TB, "delete", c.del(50, ids...), nil)
		same(c.TB, "kick", c.kickAll(50, ids...), nil)
	}
	c.importBatch(account.Batch{})
	c.wantExactCount(0)
}

// ownSlices overwrites the slices of every call as soon as it has returned.
func ownSlices(c *client) {
	b := account.Batch{Entries: []account.Entry{{UserID: "a", Nick: "na"}, {UserID: "b", Nick: "nb"}}, At: 50, TinyIDs: true}
	tiny := c.importBatch(b)
	clear(b.Entries)
	attrs := []account.Attr{{Tag: "u", Value: "2"}, {Tag: "t", Value: "1"}}
	nick := "set"
	c.setProfile("b", account.ProfileChange{Nick: &nick, Attrs: attrs})
	nick = "overwritten"
	clear(attrs)
	ids := []account.UserID{"x", "y"}
	c.importIDs(50, "x", "y")
	c.check(ids...)
	c.get(ids...)
	c.kickAll(55, ids...)
	clear(ids)
	ids = []account.UserID{"x", "y"}
	c.del(60, ids...)
	clear(ids)
	same(c.TB, "accounts", c.get("a", "b", "x", "y"), []account.Account{
		{UserID: "a", TinyID: tiny[0].TinyID, Created: 50, Profile: account.Profile{Nick: "na"}},
		{UserID: "b", TinyID: tiny[1].TinyID, Created: 50, Profile: account.Profile{
			Nick: "set", Attrs: []account.Attr{{Tag: "t", Value: "1"}, {Tag: "u", Value: "2"}},
		}},
		{UserID: "x", ValidFrom: 60},
		{UserID: "y", ValidFrom: 60},
	})
}

// ownResults overwrites what reads return.
func ownResults(c *client) {
	tiny := c.importIDs(50, "a", "b")
	c.setProfile("a", account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
	want := []account.Account{
		{UserID: "a", TinyID: tiny[0], Created: 50, Profile: account.Profile{Attrs: []account.Attr{{Tag: "t", Value: "1"}}}},
		{UserID: "b", TinyID: tiny[1], Created: 50},
	}
	for _, accounts := range [][]account.Account{c.get("a", "b"), c.list("", 10)} {
		for i := range accounts[0].Profile.Attrs {
			accounts[0].Profile.Attrs[i].Value = "overwritten"
		}
		clear(accounts)
		same(c.TB, "accounts", c.get("a", "b"), want)
		same(c.TB, "list", c.list("", 10), withoutAttrs(want))
	}
	found := c.check("a", "b")
	clear(found)
	same(c.TB, "check", c.check("a", "b"), []bool{true, true})
}
