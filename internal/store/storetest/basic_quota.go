package storetest

import (
	"errors"
	"fmt"

	"github.com/muster-im/muster/internal/account"
)

// wantQuota imports b and checks that it is refused and has changed nothing.
func (c *client) wantQuota(b account.Batch) {
	c.Helper()
	var ids []account.UserID
	for _, e := range b.Entries {
		ids = append(ids, e.UserID)
	}
	before := c.get(ids...)
	n := c.count()
	got, err := c.store().Import(c.Context(), c.app, b)
	if !errors.Is(err, account.ErrQuota) {
		c.Errorf("Import of %s gave %.1000v, %v; want ErrQuota", brief(b), got, err)
	}
	sameEach(c.TB, "accounts after a refused import", c.get(ids...), before)
	c.wantExactCount(int(n))
}

func quotaCases() []testCase {
	const created, existed, updated = account.Created, account.Existed, account.Updated
	rows := []struct {
		name    string
		quota   int64
		entries []account.Entry
		want    []account.Status // nil: ErrQuota
	}{
		// Two accounts, a and b, are there.
		{"no limit", 0, entries("c", "d", "e"), []account.Status{created, created, created}},
		{"exactly full", 4, entries("c", "d"), []account.Status{created, created}},
		{"one too many", 4, entries("c", "d", "e"), nil},
		{"existing ones count once", 3, entries("a", "c", "b"), []account.Status{existed, created, existed}},
		{"hit in the middle of a batch", 3, []account.Entry{{UserID: "c"}, {UserID: "a", Nick: "x"}, {UserID: "d"}}, nil},
		{"hit after an update", 2, []account.Entry{{UserID: "a", Nick: "x"}, {UserID: "c"}}, nil},
		{"full, nothing new", 2, entries("b", "a"), []account.Status{existed, existed}},
		{"over, nothing new", 1, []account.Entry{{UserID: "a", Nick: "x"}, {UserID: "b"}}, []account.Status{updated, existed}},
		{"over, one new", 1, entries("c"), nil},
		{"over, no entries", 1, nil, nil},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{"Quota/" + row.name, func(c *client) {
			c.importIDs(50, "a", "b")
			b := account.Batch{Entries: row.entries, At: 60, Quota: row.quota}
			if row.want == nil && len(row.entries) > 0 {
				c.wantQuota(b)
				return
			}
			same(c.TB, "statuses", c.statuses(b), row.want)
		}})
	}
	return append(cases, quotaLifeCases()...)
}

func quotaLifeCases() []testCase {
	return []testCase{
		{"Quota/an account deleted makes room", func(c *client) {
			c.importIDs(50, "a", "b")
			c.wantQuota(account.Batch{Entries: entries("c"), At: 60, Quota: 2})
			c.del(60, "a")
			c.wantQuota(account.Batch{Entries: entries("a", "c"), At: 61, Quota: 2})
			same(c.TB, "statuses", c.statuses(account.Batch{Entries: entries("c"), At: 61, Quota: 2}), []account.Status{account.Created})
			c.wantQuota(account.Batch{Entries: entries("a"), At: 62, Quota: 2})
		}},
		{"Quota/held entries need no room", func(c *client) {
			c.importIDs(50, "a", "b", "c")
			c.del(60, "a", "b")
			got := c.statuses(account.Batch{Entries: entries("a", "d", "b"), At: 61, Quota: 2, HeldSince: 60})
			same(c.TB, "statuses", got, []account.Status{account.Held, account.Created, account.Held})
			got = c.statuses(account.Batch{Entries: entries("a", "b"), At: 61, Quota: 1, HeldSince: 60})
			same(c.TB, "statuses when over", got, []account.Status{account.Held, account.Held})
		}},
		{"Quota/each App has its own", func(c *client) {
			c.of(7).importIDs(50, "a", "b", "c")
			same(c.TB, "statuses", c.statuses(account.Batch{Entries: entries("a", "b"), At: 50, Quota: 2}),
				[]account.Status{account.Created, account.Created})
		}},
		{"Quota/a refused import can be repeated with success", func(c *client) {
			b := account.Batch{At: 50, Quota: 99}
			for i := range 100 {
				b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("n%02d", i))})
			}
			c.wantQuota(b)
			b.Quota = 100
			c.importBatch(b)
			c.wantExactCount(100)
		}},
	}
}
