package storetest

import (
	"fmt"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

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
		{"Kick/some are there, some are not", func(c *client) {
			c.importIDs(50, "a", "b", "c", "gone")
			c.del(55, "gone")
			same(c.TB, "found", c.kickAll(60, "x", "c", "gone", "a"), []bool{false, true, false, true})
			same(c.TB, "ValidFrom", validFroms(c, "a", "b", "c", "gone", "x"), []int64{60, 0, 60, 55, 0})
			c.wantExactCount(3)
		}},
		{"Kick/none of several is there", func(c *client) {
			c.importIDs(50, "a")
			same(c.TB, "found", c.kickAll(60, "x", "y"), []bool{false, false})
			same(c.TB, "ValidFrom", validFroms(c, "a", "x", "y"), []int64{0, 0, 0})
		}},
		{"Kick/each keeps what it had", func(c *client) {
			c.importBatch(account.Batch{At: 50, Entries: []account.Entry{{UserID: "a", Nick: "na"}, {UserID: "b", FaceURL: "fb"}, {UserID: "c"}}})
			c.setProfile("c", account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
			c.kick("b", 90)
			want := c.get("a", "b", "c")
			c.kickAll(70, "c", "b", "a")
			for i, validFrom := range []int64{70, 90, 70} {
				want[i].ValidFrom = validFrom
			}
			same(c.TB, "accounts", c.get("a", "b", "c"), want)
		}},
		{"Kick/many thousand", kickMany},
	}
}

func validFroms(c *client, ids ...account.UserID) []int64 {
	c.Helper()
	out := make([]int64, 0, len(ids))
	for _, a := range c.get(ids...) {
		out = append(out, a.ValidFrom)
	}
	return out
}

// kickMany kicks more accounts at a time than any command does.
func kickMany(c *client) {
	const n = 5000
	ids := make([]account.UserID, 2*n)
	for i := range ids {
		ids[i] = account.UserID(fmt.Sprintf("n%d", i))
	}
	c.importIDs(50, ids[:n]...)
	want := slices.Repeat([]bool{true}, n)
	sameEach(c.TB, "found", c.kickAll(60, ids...), append(want, make([]bool, n)...))
	sameEach(c.TB, "ValidFrom", validFroms(c, ids...), append(slices.Repeat([]int64{60}, n), make([]int64, n)...))
	c.wantExactCount(n)
}
