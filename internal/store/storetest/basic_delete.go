package storetest

import (
	"fmt"

	"github.com/muster-im/muster/internal/account"
)

func deleteCases() []testCase {
	return []testCase{
		{"Delete/reports what was there", func(c *client) {
			c.importIDs(50, "a", "b", "c")
			same(c.TB, "deleted", c.del(60, "x", "c", "a"), []bool{false, true, true})
			same(c.TB, "deleted again", c.del(61, "c", "b"), []bool{false, true})
			same(c.TB, "check", c.check("a", "b", "c", "x"), []bool{false, false, false, false})
			c.wantExactCount(0)
		}},
		{"Delete/only ValidFrom is left", func(c *client) {
			c.importOne(50, account.Entry{UserID: "ann", Nick: "n", FaceURL: "f"})
			c.setProfile("ann", account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
			c.del(60, "ann")
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", ValidFrom: 60})
		}},
		{"Delete/re-import gives a new TinyID and keeps ValidFrom", func(c *client) {
			c.importOne(50, account.Entry{UserID: "ann", Nick: "n", FaceURL: "f"})
			c.setProfile("ann", account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
			c.del(60, "ann")
			im := c.importOne(70, account.Entry{UserID: "ann", FaceURL: "g"})
			same(c.TB, "outcome", im, account.Imported{Status: account.Created, TinyID: im.TinyID, ValidFrom: 60})
			same(c.TB, "account", c.getOne("ann"), account.Account{
				UserID: "ann", TinyID: im.TinyID, Created: 70, ValidFrom: 60, Profile: account.Profile{FaceURL: "g"},
			})
			c.wantExactCount(1)
		}},
		{"Delete/re-import without asking for TinyIDs", func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			im := c.importBatch(account.Batch{Entries: entries("ann"), At: 70})[0]
			same(c.TB, "outcome", im, account.Imported{Status: account.Created, TinyID: c.getOne("ann").TinyID, ValidFrom: 60})
		}},
		{"Delete/never lowers ValidFrom", func(c *client) {
			c.importIDs(50, "ann")
			c.kick("ann", 500)
			c.del(60, "ann")
			same(c.TB, "ValidFrom after the delete", c.getOne("ann").ValidFrom, int64(500))
			same(c.TB, "ValidFrom of the re-import", c.importOne(70, account.Entry{UserID: "ann"}).ValidFrom, int64(500))
		}},
		{"Delete/many times over", func(c *client) {
			for i := range int64(20) {
				im := c.importOne(10*i, account.Entry{UserID: "ann"})
				same(c.TB, "status", im.Status, account.Created)
				c.del(10*i+5, "ann")
				same(c.TB, "ValidFrom", c.getOne("ann").ValidFrom, 10*i+5)
			}
			c.wantExactCount(0)
		}},
		{"Delete/of what is not there leaves no trace", func(c *client) {
			same(c.TB, "deleted", c.del(60, "ann"), []bool{false})
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann"})
			got := c.importBatch(account.Batch{Entries: entries("ann"), At: 70, HeldSince: 1, TinyIDs: true})[0]
			same(c.TB, "outcome", got, account.Imported{Status: account.Created, TinyID: got.TinyID})
		}},
		{"Delete/of what is deleted changes nothing", func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			same(c.TB, "deleted", c.del(90, "ann"), []bool{false})
			same(c.TB, "ValidFrom", c.getOne("ann").ValidFrom, int64(60))
			got := c.statuses(account.Batch{Entries: entries("ann"), At: 100, HeldSince: 61})
			same(c.TB, "statuses", got, []account.Status{account.Created})
		}},
	}
}

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

func kickCases() []testCase {
	return []testCase{
		{"Kick/raises ValidFrom and nothing else", func(c *client) {
			id := c.importOne(50, account.Entry{UserID: "ann", Nick: "n"}).TinyID
			same(c.TB, "found", c.kick("ann", 60), true)
			same(c.TB, "account", c.getOne("ann"), account.Account{
				UserID: "ann", TinyID: id, Created: 50, ValidFrom: 60, Profile: account.Profile{Nick: "n"},
			})
		}},
		{"Kick/never lowers ValidFrom", func(c *client) {
			c.importIDs(50, "ann")
			for _, step := range []struct{ validFrom, want int64 }{{60, 60}, {59, 60}, {0, 60}, {60, 60}, {61, 61}, {1 << 40, 1 << 40}} {
				same(c.TB, "found", c.kick("ann", step.validFrom), true)
				same(c.TB, "ValidFrom", c.getOne("ann").ValidFrom, step.want)
			}
		}},
		{"Kick/a name never imported", func(c *client) {
			same(c.TB, "found", c.kick("ann", 60), false)
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann"})
			same(c.TB, "ValidFrom of the import", c.importOne(70, account.Entry{UserID: "ann"}).ValidFrom, int64(0))
		}},
		{"Kick/a deleted name", func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			same(c.TB, "found", c.kick("ann", 90), false)
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", ValidFrom: 60})
		}},
		{"Kick/outlasts a re-import", func(c *client) {
			c.importIDs(50, "ann")
			c.kick("ann", 60)
			c.importOne(70, account.Entry{UserID: "ann", Nick: "n"})
			same(c.TB, "ValidFrom", c.getOne("ann").ValidFrom, int64(60))
		}},
	}
}
