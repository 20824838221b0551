package storetest

import (
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// fillCases show how an import with Batch.Fill uses up a quota, and how one with
// Batch.Restore does.
func fillCases() []testCase {
	const created, existed, updated, over = account.Created, account.Existed, account.Updated, account.OverQuota
	nick := func(id account.UserID) account.Entry { return account.Entry{UserID: id, Nick: "x"} }
	rows := []struct {
		name    string
		quota   int64
		entries []account.Entry
		want    []account.Status
	}{
		// Two accounts, a and b, are there.
		{"no limit", 0, entries("c", "d", "e"), []account.Status{created, created, created}},
		{"room to spare", 9, entries("c", "d"), []account.Status{created, created}},
		{"exactly full", 4, entries("d", "c"), []account.Status{created, created}},
		{"one too many", 4, entries("e", "d", "c"), []account.Status{created, created, over}},
		{"full from the start", 2, entries("c", "d"), []account.Status{over, over}},
		{"over from the start", 1, entries("c", "d"), []account.Status{over, over}},
		{"existing ones need no room", 3, entries("a", "c", "b", "d"), []account.Status{existed, created, existed, over}},
		{"existing ones when it is full", 3, entries("d", "c", "b", "e", "a"), []account.Status{created, over, existed, over, existed}},
		{
			"updates when it is full", 2,
			[]account.Entry{nick("c"), nick("b"), nick("d"), nick("a")},
			[]account.Status{over, updated, over, updated},
		},
		{"updates when it is over", 1, []account.Entry{nick("b"), nick("c")}, []account.Status{updated, over}},
		{"nothing to do when it is over", 1, nil, nil},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{"Fill/" + row.name, func(c *client) {
			c.importIDs(50, "a", "b")
			same(c.TB, "statuses", c.statuses(account.Batch{Entries: row.entries, At: 60, Quota: row.quota, Fill: true}), row.want)
			n := 2
			for i, e := range row.entries {
				same(c.TB, "imported", c.getOne(e.UserID).Exists(), row.want[i] != over)
				if row.want[i] == created {
					n++
				}
				if row.want[i] == over {
					same(c.TB, "account", c.getOne(e.UserID), account.Account{UserID: e.UserID})
				}
			}
			c.wantExactCount(n)
		}})
	}
	return slices.Concat(cases, fillLifeCases(), restoreQuotaCases())
}

func fillLifeCases() []testCase {
	return []testCase{
		{"Fill/again after the quota was full", func(c *client) {
			b := account.Batch{Entries: entries("a", "b", "c", "d"), At: 60, Quota: 2, Fill: true}
			same(c.TB, "statuses", c.statuses(b), []account.Status{account.Created, account.Created, account.OverQuota, account.OverQuota})
			same(c.TB, "the same again", c.statuses(b), []account.Status{account.Existed, account.Existed, account.OverQuota, account.OverQuota})
			c.del(61, "a")
			same(c.TB, "once there is room", c.statuses(b), []account.Status{account.Created, account.Existed, account.OverQuota, account.OverQuota})
			b.Quota = 3
			same(c.TB, "with a larger quota", c.statuses(b), []account.Status{account.Existed, account.Existed, account.Created, account.OverQuota})
			b.Fill = false
			c.wantQuota(b)
		}},
		{"Fill/held entries need no room", func(c *client) {
			c.importIDs(50, "a", "b", "c")
			c.del(60, "a", "b")
			b := account.Batch{Entries: entries("a", "d", "b", "e"), At: 61, Quota: 2, HeldSince: 60, Fill: true}
			same(c.TB, "statuses", c.statuses(b), []account.Status{account.Held, account.Created, account.Held, account.OverQuota})
			b.HeldSince = 61
			same(c.TB, "statuses without the hold", c.statuses(b),
				[]account.Status{account.OverQuota, account.Existed, account.OverQuota, account.OverQuota})
			same(c.TB, "ValidFrom of what did not fit", c.getOne("a").ValidFrom, int64(60))
		}},
		{"Fill/each App has its own", func(c *client) {
			c.of(7).importIDs(50, "a", "b", "c")
			got := c.statuses(account.Batch{Entries: entries("a", "b", "c"), At: 50, Quota: 2, Fill: true})
			same(c.TB, "statuses", got, []account.Status{account.Created, account.Created, account.OverQuota})
		}},
	}
}

// restoreQuotaCases show that a Taken entry needs no room, and what is first if there is none.
func restoreQuotaCases() []testCase {
	const created, taken, over = account.Created, account.Taken, account.OverQuota
	// The first is given; the others are not.
	given, free, other := account.Restore{TinyID: far(0)}, account.Restore{TinyID: far(1)}, account.Restore{TinyID: far(2)}
	rows := []struct {
		name    string
		room    int64
		fill    bool
		restore []account.Restore // of new names
		want    []account.Status  // nil: ErrQuota
	}{
		{"taken ones do not count", 1, false, []account.Restore{given, free, given}, []account.Status{taken, created, taken}},
		{"taken ones alone, full", 0, false, []account.Restore{given, given}, []account.Status{taken, taken}},
		{"taken ones alone, over", -1, false, []account.Restore{given, given}, []account.Status{taken, taken}},
		{"taken in the batch", 1, false, []account.Restore{free, free, given}, []account.Status{created, taken, taken}},
		{"too many beside taken ones", 1, false, []account.Restore{given, free, other}, nil},
		{"fill, taken ones do not count", 1, true, []account.Restore{given, free, other}, []account.Status{taken, created, over}},
		{"fill, taken in the batch", 2, true, []account.Restore{free, free, other}, []account.Status{created, taken, created}},
		{"fill, taken and full", 1, true, []account.Restore{free, given, free, {}}, []account.Status{created, over, over, over}},
		{"fill, taken and full from the start", 0, true, []account.Restore{given, free}, []account.Status{over, over}},
		{"fill, taken and over from the start", -1, true, []account.Restore{given, free}, []account.Status{over, over}},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{"Quota/restore, " + row.name, func(c *client) {
			c.restoreOne("a", given)
			c.importIDs(50, "b")
			b := restoreBatch([]account.UserID{"n0", "n1", "n2", "n3"}[:len(row.restore)], row.restore...)
			b.Quota, b.Fill = 2+row.room, row.fill
			if row.want == nil {
				c.wantQuota(b)
			} else {
				same(c.TB, "statuses", c.statuses(b), row.want)
			}
			// Whoever did not become an account has used up no TinyID.
			for i, r := range row.restore {
				if r == other && (row.want == nil || row.want[i] != created) {
					same(c.TB, "status of what is free", c.restoreOne("late", r), created)
				}
			}
		}})
	}
	return cases
}
