package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

// anyNames are names that no account can have but that Check and Get must bear.
var anyNames = []account.UserID{
	"", " ", "\x00", "\xff\xff", "a\x00", "日本", "@TLS#NOT_FOUND",
	account.UserID(strings.Repeat("a", account.MaxUserID+1)), account.UserID(strings.Repeat("x", 10_000)),
}

func readCases() []testCase {
	return []testCase{
		{"Read/an empty store", func(c *client) {
			same(c.TB, "check", c.check("ann"), []bool{false})
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann"})
			c.wantExactCount(0)
		}},
		{"Read/any name, in order, repeated", func(c *client) {
			tiny := c.importIDs(50, "a", account.UserID(strings.Repeat("a", account.MaxUserID)))[0]
			names := slices.Concat([]account.UserID{"a"}, anyNames, []account.UserID{"a", "b", "a"})
			var found []bool
			var accounts []account.Account
			for _, id := range names {
				a := account.Account{UserID: id}
				if id == "a" {
					a.TinyID, a.Created = tiny, 50
				}
				found, accounts = append(found, id == "a"), append(accounts, a)
			}
			same(c.TB, "check", c.check(names...), found)
			same(c.TB, "get", c.get(names...), accounts)
		}},
		{"Read/many names in one call", func(c *client) {
			var names []account.UserID
			for i := range 2000 {
				names = append(names, account.UserID(fmt.Sprintf("n%d", i)))
			}
			for batch := range slices.Chunk(names[:1000], account.MaxBatch) {
				c.importIDs(50, batch...)
			}
			slices.Reverse(names)
			for i, found := range c.check(names...) {
				if found != (i >= 1000) {
					c.Fatalf("check of %q gave %v", names[i], found)
				}
			}
			for i, a := range c.get(names...) {
				if a.Exists() != (i >= 1000) {
					c.Fatalf("get of %q gave %+v", names[i], a)
				}
			}
			c.wantExactCount(1000)
		}},
	}
}

// orderedNames are valid names in byte order that a collation or a careless key codec
// would put into another: prefixes of each other, case, punctuation, the longest.
var orderedNames = []account.UserID{
	"!", "!!", "%", "0", "1", "10", "2", "A", "AA", "Aa", "B", "Z", "[", "_", "a", "a!", "a0", "aA", "a_", "aa", "aaa",
	account.UserID(strings.Repeat("a", account.MaxUserID-1)), account.UserID(strings.Repeat("a", account.MaxUserID)),
	"aab", "ab", "a~", "b", "foo", "foo-bar", "foo|abc", "foo~", "z", "|", "~", "~~",
	account.UserID(strings.Repeat("~", account.MaxUserID)),
}

func listCases() []testCase {
	return []testCase{
		{"List/byte order, whatever the page", func(c *client) {
			shuffled := slices.Clone(orderedNames)
			slices.SortFunc(shuffled, func(a, b account.UserID) int { return len(a)*7%5 - len(b)*7%5 })
			c.importIDs(50, shuffled...)
			for _, page := range []int{1, 2, 3, len(orderedNames), 1000, math.MaxInt} {
				same(c.TB, fmt.Sprintf("pages of %d", page), userIDs(c.listAll(page)), orderedNames)
			}
		}},
		{"List/every printable byte", func(c *client) {
			var names []account.UserID
			for b := byte(0x7e); b >= 0x21; b-- {
				names = append(names, account.UserID(b))
			}
			c.importIDs(50, names...)
			slices.Reverse(names)
			same(c.TB, "list", userIDs(c.listAll(10)), names)
			c.wantExactCount(len(names))
		}},
		{"List/after a name", func(c *client) {
			c.importIDs(50, "a", "b", "bb", "c")
			for _, row := range []struct {
				after account.UserID
				want  []account.UserID
			}{
				{"", []account.UserID{"a", "b", "bb", "c"}},
				{"a", []account.UserID{"b", "bb", "c"}},
				{"a!", []account.UserID{"b", "bb", "c"}},
				{"ab", []account.UserID{"b", "bb", "c"}},
				{"b", []account.UserID{"bb", "c"}},
				{"c", nil},
				{account.UserID(strings.Repeat("b", account.MaxUserID)), []account.UserID{"c"}},
				{account.UserID(strings.Repeat("~", account.MaxUserID)), nil},
			} {
				same(c.TB, fmt.Sprintf("list after %q", row.after), userIDs(c.list(row.after, 10)), row.want)
			}
		}},
		{"List/limits", func(c *client) {
			c.importIDs(50, "a", "b", "c")
			for limit, want := range map[int]int{math.MinInt: 0, -1: 0, 0: 0, 1: 1, 2: 2, 3: 3, 4: 3} {
				if got := len(c.list("", limit)); got != want {
					c.Errorf("limit %d gave %d accounts, want %d", limit, got, want)
				}
			}
		}},
		{"List/whole accounts, without the deleted", func(c *client) {
			c.importOne(50, account.Entry{UserID: "a", Nick: "n", FaceURL: "f"})
			c.importIDs(50, "b", "c")
			c.setProfile("a", account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
			c.kick("c", 55)
			c.del(60, "b")
			same(c.TB, "list", c.list("", 2), withoutAttrs(c.get("a", "c")))
			c.del(60, "a", "c")
			same(c.TB, "list of deleted names", c.list("", 2), nil)
			c.importIDs(70, "b")
			same(c.TB, "list after a re-import", c.list("", 2), c.get("b"))
		}},
	}
}

// appCases show that Apps do not see each other, whatever their numbers' bytes.
func appCases() []testCase {
	apps := []account.SDKAppID{1, 255, 256, 257, 1 << 16, 1400000000, 1<<24 - 1, 1 << 24, math.MaxUint32 - 1, math.MaxUint32}
	return []testCase{
		{"Apps/the same names in all", func(c *client) {
			for _, app := range apps {
				c.of(app).importIDs(int64(app), "!", "ann", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
			}
			for _, app := range apps {
				c.of(app).wantExactCount(3)
				same(c.TB, "Created", c.of(app).getOne("ann").Created, int64(app))
			}
			c.of(2).wantExactCount(0)
		}},
		{"Apps/a change in one", func(c *client) {
			for _, app := range apps {
				c.of(app).importIDs(50, "ann", "bob")
			}
			for _, app := range apps {
				before := make(map[account.SDKAppID][]account.Account)
				for _, other := range apps {
					before[other] = c.of(other).get("ann", "bob")
				}
				c.of(app).kick("bob", 60)
				c.of(app).setProfile("bob", account.ProfileChange{Nick: new("n")})
				c.of(app).del(70, "ann")
				c.of(app).wantExactCount(1)
				for _, other := range apps {
					if other != app {
						same(c.TB, fmt.Sprintf("App %d after a change in %d", other, app), c.of(other).get("ann", "bob"), before[other])
					}
				}
			}
		}},
		{"Apps/a hold in one", func(c *client) {
			c.of(1).importIDs(50, "ann")
			c.of(1).del(60, "ann")
			b := account.Batch{Entries: entries("ann"), At: 70, HeldSince: 1}
			same(c.TB, "status in another App", c.of(256).statuses(b), []account.Status{account.Created})
			same(c.TB, "status in the App", c.of(1).statuses(b), []account.Status{account.Held})
		}},
	}
}
