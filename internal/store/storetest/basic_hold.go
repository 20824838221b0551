package storetest

import (
	"fmt"

	"github.com/muster-im/muster/internal/account"
)

// holdCases show which deleted names an import leaves alone.
func holdCases() []testCase {
	var cases []testCase
	for _, row := range []struct {
		heldSince int64
		want      account.Status
	}{
		{0, account.Created}, // no hold
		{1, account.Held},
		{59, account.Held},
		{60, account.Held}, // the very second
		{61, account.Created},
	} {
		cases = append(cases, testCase{fmt.Sprintf("Hold/deleted at 60, held since %d", row.heldSince), func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			b := account.Batch{Entries: []account.Entry{{UserID: "ann", Nick: "n"}}, At: 65, HeldSince: row.heldSince}
			same(c.TB, "statuses", c.statuses(b), []account.Status{row.want})
			a := c.getOne("ann")
			same(c.TB, "imported", a.Exists(), row.want == account.Created)
			same(c.TB, "ValidFrom", a.ValidFrom, int64(60))
		}})
	}
	return append(cases,
		testCase{"Hold/the rest of the batch is done", func(c *client) {
			c.importIDs(50, "held", "there")
			c.del(60, "held")
			got := c.statuses(account.Batch{At: 65, HeldSince: 60, Entries: []account.Entry{
				{UserID: "new"}, {UserID: "held"}, {UserID: "there", Nick: "n"},
			}})
			same(c.TB, "statuses", got, []account.Status{account.Created, account.Held, account.Updated})
			same(c.TB, "check", c.check("new", "held", "there"), []bool{true, false, true})
			c.wantExactCount(2)
		}},
		testCase{"Hold/the last delete counts", func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			c.importIDs(70, "ann")
			same(c.TB, "status while it is there", c.statuses(account.Batch{Entries: entries("ann"), At: 75, HeldSince: 1}),
				[]account.Status{account.Existed})
			c.del(80, "ann")
			b := account.Batch{Entries: entries("ann"), At: 90, HeldSince: 80}
			same(c.TB, "status since 80", c.statuses(b), []account.Status{account.Held})
			b.HeldSince = 81
			same(c.TB, "status since 81", c.statuses(b), []account.Status{account.Created})
		}},
		testCase{"Hold/a kick into the future does not lengthen it", func(c *client) {
			c.importIDs(50, "ann")
			c.kick("ann", 500)
			c.del(60, "ann")
			got := c.statuses(account.Batch{Entries: entries("ann"), At: 90, HeldSince: 61})
			same(c.TB, "statuses", got, []account.Status{account.Created})
		}},
	)
}

// signedCases show which deleted names an import leaves alone because of ValidFrom.
func signedCases() []testCase {
	var cases []testCase
	for _, row := range []struct {
		signed int64
		want   account.Status
	}{
		{0, account.Created}, // no UserSig
		{1, account.Held},
		{59, account.Held},
		{60, account.Held}, // the very second
		{61, account.Created},
	} {
		cases = append(cases, testCase{fmt.Sprintf("Hold/valid from 60, signed at %d", row.signed), func(c *client) {
			c.importIDs(50, "gone", "there")
			c.kick("there", 60)
			c.del(60, "gone")
			b := account.Batch{Entries: entries("gone", "new", "there"), At: 65, Signed: row.signed}
			same(c.TB, "statuses", c.statuses(b), []account.Status{row.want, account.Created, account.Existed})
			same(c.TB, "imported", c.check("gone", "new", "there"), []bool{row.want == account.Created, true, true})
		}})
	}
	return append(cases, testCase{"Hold/a kick before the delete counts for what was signed", func(c *client) {
		c.importIDs(50, "ann")
		c.kick("ann", 500)
		c.del(60, "ann")
		b := account.Batch{Entries: entries("ann"), At: 90, Signed: 500}
		same(c.TB, "statuses at 500", c.statuses(b), []account.Status{account.Held})
		b.HeldSince = 61
		same(c.TB, "statuses at 500 with a hold that is over", c.statuses(b), []account.Status{account.Held})
		b.Signed = 501
		b.HeldSince = 60
		same(c.TB, "statuses while the delete is held", c.statuses(b), []account.Status{account.Held})
		b.HeldSince = 61
		same(c.TB, "statuses at 501", c.statuses(b), []account.Status{account.Created})
	}})
}
