package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// far returns the n-th number to restore accounts with: far from the others and from what a
// sequence gives.
func far(n int) account.TinyID {
	return freshTinyIDs(rand.New(rand.NewPCG(uint64(n), 0)), 1)[0]
}

// restoreCases show what an import with Batch.Restore makes of names that are not there.
func restoreCases() []testCase {
	return slices.Concat(restoreNewCases(), restoreTimeCases(), restoreExistingCases(), takenCases(), restoreSequenceCases())
}

func restoreNewCases() []testCase {
	return []testCase{
		{"Restore/into an empty store", func(c *client) {
			b := restoreBatch([]account.UserID{"d", "a", "c", "b"},
				account.Restore{TinyID: account.FirstTinyID + 3, Created: 7, ValidFrom: 9},
				account.Restore{TinyID: account.FirstTinyID, Created: 8},
				account.Restore{TinyID: account.MaxTinyID, ValidFrom: 10},
				account.Restore{TinyID: account.FirstTinyID + 1})
			b.Entries[1].Nick, b.Entries[1].FaceURL = "n", "f"
			same(c.TB, "import", c.importBatch(b), []account.Imported{
				{Status: account.Created, TinyID: account.FirstTinyID + 3, ValidFrom: 9},
				{Status: account.Created, TinyID: account.FirstTinyID},
				{Status: account.Created, TinyID: account.MaxTinyID, ValidFrom: 10},
				{Status: account.Created, TinyID: account.FirstTinyID + 1},
			})
			same(c.TB, "accounts", c.get("a", "b", "c", "d"), []account.Account{
				{UserID: "a", TinyID: account.FirstTinyID, Created: 8, Profile: account.Profile{Nick: "n", FaceURL: "f"}},
				{UserID: "b", TinyID: account.FirstTinyID + 1, Created: 60},
				{UserID: "c", TinyID: account.MaxTinyID, Created: 60, ValidFrom: 10},
				{UserID: "d", TinyID: account.FirstTinyID + 3, Created: 7, ValidFrom: 9},
			})
			c.wantExactCount(4)
		}},
		{"Restore/times alone", func(c *client) {
			im := c.importBatch(restoreBatch([]account.UserID{"ann"}, account.Restore{Created: 7, ValidFrom: 9}))[0]
			same(c.TB, "outcome", im, account.Imported{Status: account.Created, TinyID: im.TinyID, ValidFrom: 9})
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", TinyID: im.TinyID, Created: 7, ValidFrom: 9})
		}},
		{"Restore/nothing brought along", func(c *client) {
			got := c.importBatch(restoreBatch([]account.UserID{"ann", "bob"}, account.Restore{}, account.Restore{TinyID: far(0)}))
			same(c.TB, "outcomes", got, []account.Imported{
				{Status: account.Created, TinyID: got[0].TinyID}, {Status: account.Created, TinyID: far(0)},
			})
			same(c.TB, "Created", c.getOne("ann").Created, int64(60))
		}},
		{"Restore/the caller's slice stays the caller's", func(c *client) {
			b := restoreBatch([]account.UserID{"ann"}, account.Restore{TinyID: far(0), Created: 7, ValidFrom: 9})
			c.importBatch(b)
			b.Restore[0] = account.Restore{TinyID: far(5), Created: 70, ValidFrom: 90}
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", TinyID: far(0), Created: 7, ValidFrom: 9})
			same(c.TB, "status with the overwritten TinyID", c.restoreOne("bob", account.Restore{TinyID: far(5)}), account.Created)
		}},
		{"Restore/a restored account is like any other", func(c *client) {
			c.restoreOne("ann", account.Restore{TinyID: far(0), Created: 7, ValidFrom: 9})
			same(c.TB, "outcome", c.importOne(70, account.Entry{UserID: "ann", Nick: "n"}), account.Imported{Status: account.Updated, TinyID: far(0)})
			c.kick("ann", 80)
			c.setProfile("ann", account.ProfileChange{FaceURL: new("f")})
			want := account.Account{UserID: "ann", TinyID: far(0), Created: 7, ValidFrom: 80, Profile: account.Profile{Nick: "n", FaceURL: "f"}}
			same(c.TB, "account", c.getOne("ann"), want)
			same(c.TB, "list", c.list("", 10), []account.Account{want})
			c.del(90, "ann")
			same(c.TB, "deleted account", c.getOne("ann"), account.Account{UserID: "ann", ValidFrom: 90})
			im := c.importOne(100, account.Entry{UserID: "ann"})
			same(c.TB, "re-import", im, account.Imported{Status: account.Created, TinyID: im.TinyID, ValidFrom: 90})
		}},
	}
}

// restoreTimeCases show which times a restored account has whose name was there before.
func restoreTimeCases() []testCase {
	var cases []testCase
	for _, row := range []struct{ validFrom, want int64 }{{0, 65}, {64, 65}, {65, 65}, {66, 66}} {
		cases = append(cases, testCase{fmt.Sprintf("Restore/deleted at 65, restored with ValidFrom %d", row.validFrom), func(c *client) {
			c.importIDs(50, "ann")
			c.del(65, "ann")
			b := restoreBatch([]account.UserID{"ann"}, account.Restore{TinyID: far(0), Created: 7, ValidFrom: row.validFrom})
			same(c.TB, "outcome", c.importBatch(b)[0], account.Imported{Status: account.Created, TinyID: far(0), ValidFrom: row.want})
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", TinyID: far(0), Created: 7, ValidFrom: row.want})
		}})
	}
	return cases
}

// restoreExistingCases show that nothing of an account that is there is changed.
func restoreExistingCases() []testCase {
	was := account.Account{UserID: "ann", TinyID: far(0), Created: 7, ValidFrom: 9, Profile: account.Profile{Nick: "n"}}
	setup := func(c *client) {
		b := restoreBatch([]account.UserID{"ann"}, account.Restore{TinyID: far(0), Created: 7, ValidFrom: 9})
		b.Entries[0].Nick = "n"
		c.importBatch(b)
	}
	rows := []struct {
		name    string
		restore account.Restore
		nick    string
		want    account.Status
	}{
		{"the same TinyID", account.Restore{TinyID: far(0)}, "", account.Existed},
		{"the same TinyID and Nick", account.Restore{TinyID: far(0)}, "n", account.Existed},
		{"the same TinyID, another Nick", account.Restore{TinyID: far(0)}, "m", account.Updated},
		{"other times", account.Restore{TinyID: far(0), Created: 3, ValidFrom: 300}, "", account.Existed},
		{"other times, no TinyID", account.Restore{Created: 3, ValidFrom: 300}, "", account.Existed},
		{"other times, another Nick", account.Restore{Created: 3, ValidFrom: 300}, "m", account.Updated},
		{"another TinyID", account.Restore{TinyID: far(1)}, "", account.Taken},
		{"another TinyID, Nick and times", account.Restore{TinyID: far(1), Created: 3, ValidFrom: 300}, "m", account.Taken},
	}
	var cases []testCase
	for _, row := range rows {
		for _, asked := range []bool{false, true} {
			cases = append(cases, testCase{fmt.Sprintf("Restore/of what is there, %s, TinyIDs %v", row.name, asked), func(c *client) {
				setup(c)
				b := restoreBatch([]account.UserID{"ann"}, row.restore)
				b.Entries[0].Nick, b.TinyIDs = row.nick, asked
				same(c.TB, "statuses", c.statuses(b), []account.Status{row.want})
				want := was
				if row.want == account.Updated {
					want.Profile.Nick = row.nick
				}
				same(c.TB, "account", c.getOne("ann"), want)
				c.wantExactCount(1)
			}})
		}
	}
	return append(cases, testCase{"Restore/a TinyID that was refused is still free", func(c *client) {
		setup(c)
		same(c.TB, "status of ann", c.restoreOne("ann", account.Restore{TinyID: far(1)}), account.Taken)
		same(c.TB, "status of bob", c.restoreOne("bob", account.Restore{TinyID: far(1)}), account.Created)
	}})
}

// takenCases show that no TinyID is given twice.
func takenCases() []testCase {
	r := account.Restore{TinyID: far(0)}
	return []testCase{
		{"Taken/by an account of the sequence", func(c *client) {
			r := account.Restore{TinyID: c.importIDs(50, "ann")[0]}
			same(c.TB, "status of another name", c.restoreOne("bob", r), account.Taken)
			same(c.TB, "status of its own name", c.restoreOne("ann", r), account.Existed)
			same(c.TB, "account", c.getOne("bob"), account.Account{UserID: "bob"})
			c.wantExactCount(1)
			c.del(60, "ann")
			same(c.TB, "status once it is deleted", c.restoreOne("bob", r), account.Taken)
			same(c.TB, "status of its own name once it is deleted", c.restoreOne("ann", r), account.Taken)
			same(c.TB, "account of its own name", c.getOne("ann"), account.Account{UserID: "ann", ValidFrom: 60})
			c.wantExactCount(0)
		}},
		{"Taken/by a restored account", func(c *client) {
			c.restoreOne("ann", r)
			same(c.TB, "status of another name", c.restoreOne("bob", r), account.Taken)
			c.del(60, "ann")
			same(c.TB, "status once it is deleted", c.restoreOne("bob", r), account.Taken)
			same(c.TB, "status of its own name once it is deleted", c.restoreOne("ann", r), account.Taken)
			c.importIDs(70, "ann")
			same(c.TB, "status once its name is imported again", c.restoreOne("ann", r), account.Taken)
			c.wantExactCount(1)
		}},
		{"Taken/twice in one batch", func(c *client) {
			got := c.statuses(restoreBatch([]account.UserID{"b", "a", "c"}, r, r, r))
			same(c.TB, "statuses", got, []account.Status{account.Created, account.Taken, account.Taken})
			same(c.TB, "check", c.check("a", "b", "c"), []bool{false, true, false})
			c.wantExactCount(1)
		}},
		{"Taken/the first of one batch is refused", func(c *client) {
			c.importIDs(50, "there")
			got := c.statuses(restoreBatch([]account.UserID{"there", "a", "b"}, r, r, r))
			same(c.TB, "statuses", got, []account.Status{account.Taken, account.Created, account.Taken})
		}},
		{"Taken/in another App", func(c *client) {
			tiny := c.importIDs(50, "ann")[0]
			c.restoreOne("bob", r)
			for range 2 {
				for _, id := range []account.UserID{"ann", "bob", "cal"} {
					same(c.TB, "status", c.of(7).restoreOne(id, r), account.Taken)
					same(c.TB, "status", c.of(7).restoreOne(id, account.Restore{TinyID: tiny}), account.Taken)
				}
				c.of(7).wantExactCount(0)
				c.del(60, "ann", "bob")
			}
		}},
		{"Taken/the rest of the batch is done", func(c *client) {
			c.restoreOne("ann", r)
			b := restoreBatch([]account.UserID{"new", "no", "ann", "far"}, account.Restore{}, r, r, account.Restore{TinyID: far(1)})
			b.Entries[1].Nick, b.Entries[2].Nick = "x", "x"
			same(c.TB, "statuses", c.statuses(b), []account.Status{account.Created, account.Taken, account.Updated, account.Created})
			same(c.TB, "account", c.getOne("no"), account.Account{UserID: "no"})
			c.wantExactCount(3)
		}},
		{"Taken/a name that is held is Held", func(c *client) {
			c.restoreOne("ann", r)
			c.del(60, "ann")
			b := restoreBatch([]account.UserID{"ann"}, r)
			b.HeldSince = 60
			same(c.TB, "with what was given", c.statuses(b), []account.Status{account.Held})
			b.Restore[0].TinyID = far(1)
			same(c.TB, "with what is free", c.statuses(b), []account.Status{account.Held})
			same(c.TB, "status of another name", c.restoreOne("bob", b.Restore[0]), account.Created)
		}},
	}
}

// restoreSequenceCases mix restored TinyIDs with those that the store gives.
func restoreSequenceCases() []testCase {
	return []testCase{
		{"Restore/the sequence passes the lowest", func(c *client) {
			for i := range 20 {
				id := account.FirstTinyID + account.TinyID(3*i)
				same(c.TB, "status", c.restoreOne(account.UserID(fmt.Sprintf("r%d", i)), account.Restore{TinyID: id}), account.Created)
			}
			c.importIDs(70, longNames(0, 300)...)
			c.wantExactCount(320)
		}},
		{"Restore/the sequence bears the highest", func(c *client) {
			for i := range 5 {
				id := account.MaxTinyID - account.TinyID(i)
				same(c.TB, "status", c.restoreOne(account.UserID(fmt.Sprintf("r%d", i)), account.Restore{TinyID: id}), account.Created)
				c.importIDs(70, longNames(100*i, 100)...)
			}
			c.wantExactCount(505)
		}},
		{"Restore/what the sequence would give next", func(c *client) {
			// The store need not know of these whether they were given; only twice must not be.
			for i := range 50 {
				tiny := c.importIDs(50, account.UserID(fmt.Sprintf("a%d", i)))[0]
				ids := []account.UserID{
					account.UserID(fmt.Sprintf("b%d", i)), account.UserID(fmt.Sprintf("c%d", i)), account.UserID(fmt.Sprintf("d%d", i)),
				}
				c.importBatch(restoreBatch(ids, account.Restore{TinyID: min(tiny+1, account.MaxTinyID)}, account.Restore{}, account.Restore{TinyID: min(tiny+2, account.MaxTinyID)}))
			}
			c.wantExactCount(int(c.count()))
		}},
		{"Restore/many above and below each other", func(c *client) { restoreMany(c) }},
	}
}

// restoreMany restores accounts in no order of their TinyIDs, in two Apps, with imports and
// deletes in between.
func restoreMany(c *client) {
	const rounds, size = 12, 40
	rng := rand.New(rand.NewPCG(1, 0))
	numbers := freshTinyIDs(rng, rounds*size)
	all := longNames(0, rounds*size)
	for round := range rounds {
		app := c.of([]account.SDKAppID{mainApp, 7}[round%2])
		ids := all[round*size:][:size]
		b := restoreBatch(ids)
		for _, id := range numbers[round*size:][:size] {
			b.Restore = append(b.Restore, account.Restore{TinyID: id})
		}
		same(c.TB, "statuses", app.statuses(b), slices.Repeat([]account.Status{account.Created}, size))
		same(c.TB, "statuses of what is there", app.statuses(b), slices.Repeat([]account.Status{account.Existed}, size))
		app.importIDs(70, account.UserID(fmt.Sprintf("x%d", round)), account.UserID(fmt.Sprintf("y%d", round)))
		app.del(80, ids[rng.IntN(size)])
	}
	for i, id := range numbers {
		if got := c.restoreOne("late", account.Restore{TinyID: id}); got != account.Taken {
			c.Fatalf("%q was restored with %d, and after it \"late\" is %v", all[i], id, got)
		}
	}
	c.wantExactCount(rounds / 2 * (size + 1))
	c.of(7).wantExactCount(rounds / 2 * (size + 1))
}
