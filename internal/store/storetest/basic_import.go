package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

// basicCases hold every sentence of the contract against a store, one call at a time.
func basicCases() []testCase {
	return slices.Concat(importCases(), updateCases(), quotaCases(), fillCases(), restoreCases(), deleteCases(), holdCases(),
		signedCases(), kickCases(), profileCases(), readCases(), listCases(), appCases(), callCases())
}

func importCases() []testCase {
	return []testCase{
		{"Import/new accounts", func(c *client) {
			ids := c.importIDs(50, "ann", "bob")
			same(c.TB, "accounts", c.get("ann", "bob"), []account.Account{
				{UserID: "ann", TinyID: ids[0], Created: 50},
				{UserID: "bob", TinyID: ids[1], Created: 50},
			})
			c.wantExactCount(2)
		}},
		{"Import/new accounts with a profile", func(c *client) {
			im := c.importOne(50, account.Entry{UserID: "ann", Nick: "Ann ✓", FaceURL: "https://x/?a=1&b=2"})
			same(c.TB, "outcome", im, account.Imported{Status: account.Created, TinyID: im.TinyID})
			same(c.TB, "account", c.getOne("ann"), account.Account{
				UserID: "ann", TinyID: im.TinyID, Created: 50,
				Profile: account.Profile{Nick: "Ann ✓", FaceURL: "https://x/?a=1&b=2"},
			})
		}},
		{"Import/re-import keeps the TinyID and Created", func(c *client) {
			first := c.importIDs(50, "ann")[0]
			im := c.importOne(60, account.Entry{UserID: "ann"})
			same(c.TB, "outcome", im, account.Imported{Status: account.Existed, TinyID: first})
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", TinyID: first, Created: 50})
			c.wantExactCount(1)
		}},
		{"Import/TinyIDs not asked for", func(c *client) {
			first := c.importIDs(50, "ann")[0]
			got := c.importBatch(account.Batch{Entries: entries("new", "ann"), At: 60})
			if got[0].TinyID == 0 {
				c.Errorf("the created account got no TinyID")
			}
			if id := got[1].TinyID; id != 0 && id != first {
				c.Errorf("the existing account got the TinyID %d; want 0 or %d", id, first)
			}
			same(c.TB, "TinyID of new", c.getOne("new").TinyID, got[0].TinyID)
		}},
		{"Import/results stand in the order of the entries", func(c *client) {
			c.importIDs(50, "m", "z", "a")
			got := c.statuses(account.Batch{Entries: entries("y", "z", "b", "a", "m", "A"), At: 60})
			same(c.TB, "statuses", got, []account.Status{
				account.Created, account.Existed, account.Created, account.Existed, account.Existed, account.Created,
			})
			c.wantExactCount(6)
		}},
		{"Import/a full batch of the longest names and profiles", func(c *client) {
			b := account.Batch{At: 1 << 40, TinyIDs: true}
			for i := range account.MaxBatch {
				b.Entries = append(b.Entries, account.Entry{
					UserID:  account.UserID(fmt.Sprintf("%0*d", account.MaxUserID, account.MaxBatch-i)),
					Nick:    strings.Repeat("n", account.MaxProfileValue),
					FaceURL: strings.Repeat("f", account.MaxProfileValue-3) + fmt.Sprintf("%03d", i),
				})
			}
			got := c.importBatch(b)
			for i, e := range b.Entries {
				same(c.TB, "account", c.getOne(e.UserID), account.Account{
					UserID: e.UserID, TinyID: got[i].TinyID, Created: 1 << 40,
					Profile: account.Profile{Nick: e.Nick, FaceURL: e.FaceURL},
				})
			}
			c.wantExactCount(account.MaxBatch)
		}},
	}
}

// updateCases show what a re-import does to a stored profile.
func updateCases() []testCase {
	rows := []struct {
		name, nick, faceURL string
		want                account.Status
		wantProfile         account.Profile
	}{
		{"nothing given", "", "", account.Existed, account.Profile{Nick: "old", FaceURL: "url"}},
		{"the same given", "old", "url", account.Existed, account.Profile{Nick: "old", FaceURL: "url"}},
		{"another Nick", "new", "", account.Updated, account.Profile{Nick: "new", FaceURL: "url"}},
		{"another FaceURL", "", "new", account.Updated, account.Profile{Nick: "old", FaceURL: "new"}},
		{"one same, one other", "old", "new", account.Updated, account.Profile{Nick: "old", FaceURL: "new"}},
		{"both other", "new", "new", account.Updated, account.Profile{Nick: "new", FaceURL: "new"}},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{"Update/" + row.name, func(c *client) {
			attrs := []account.Attr{{Tag: "t", Value: "1"}}
			id := c.importOne(50, account.Entry{UserID: "ann", Nick: "old", FaceURL: "url"}).TinyID
			c.setProfile("ann", account.ProfileChange{Attrs: attrs})
			c.kick("ann", 55)

			im := c.importOne(60, account.Entry{UserID: "ann", Nick: row.nick, FaceURL: row.faceURL})
			same(c.TB, "outcome", im, account.Imported{Status: row.want, TinyID: id})
			row.wantProfile.Attrs = attrs
			same(c.TB, "account", c.getOne("ann"), account.Account{
				UserID: "ann", TinyID: id, Created: 50, ValidFrom: 55, Profile: row.wantProfile,
			})
		}})
	}
	return cases
}
