package storetest

import (
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
