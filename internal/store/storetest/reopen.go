package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// reopenCases show what outlasts a clean close.
func reopenCases(seed uint64) []testCase {
	return []testCase{
		{"an empty store", func(c *client) {
			c.reopen()
			c.wantExactCount(0)
			c.importIDs(50, "ann")
		}},
		{"everything is kept", everythingKept},
		{"holds and quotas are kept", func(c *client) {
			c.importIDs(50, "a", "b", "c")
			c.del(60, "a")
			c.reopen()
			b := account.Batch{Entries: entries("a", "b"), At: 70, Quota: 2, HeldSince: 60}
			same(c.TB, "statuses while held", c.statuses(b), []account.Status{account.Held, account.Existed})
			b.HeldSince = 61
			c.wantQuota(b)
			b.Quota = 3
			same(c.TB, "statuses", c.statuses(b), []account.Status{account.Created, account.Existed})
		}},
		{"no TinyID comes twice", func(c *client) {
			for round := range 8 {
				c.importIDs(50, account.UserID(fmt.Sprintf("keep%d", round)), "ann")
				c.of(7).importIDs(50, account.UserID(fmt.Sprintf("keep%d", round)))
				c.del(60, "ann")
				c.reopen()
			}
			c.wantExactCount(8)
		}},
		{"what was acknowledged before a close under load", func(c *client) {
			names := closeUnderLoad(c)
			c.reopen()
			if i := slices.Index(c.check(names...), false); i >= 0 {
				c.Errorf("the import of %q was acknowledged, the account is not there", names[i])
			}
			c.wantExactCount(int(c.count()))
		}},
		{"abandoned imports are all or nothing", func(c *client) { abandonImports(c, seed) }},
	}
}

func everythingKept(c *client) {
	names := []account.UserID{"ann", "bob", "cal", "dan", "never"}
	for _, app := range []account.SDKAppID{mainApp, 1, 256} {
		a := c.of(app)
		a.importOne(50, account.Entry{UserID: "ann", Nick: "n", FaceURL: "f"})
		a.importIDs(51, "bob", "cal", "dan")
		a.setProfile("ann", account.ProfileChange{Nick: new("m"), Attrs: []account.Attr{{Tag: "t", Value: "1"}}})
		a.kick("bob", 55)
		a.del(60, "cal", "dan")
		a.importIDs(70, "dan")
	}
	c.of(256).del(80, "ann")
	apps := map[account.SDKAppID]int{mainApp: 3, 1: 3, 256: 2}
	before := make(map[account.SDKAppID][]account.Account)
	for app := range apps {
		before[app] = c.of(app).get(names...)
	}
	for range 3 {
		c.reopen()
		for app, n := range apps {
			same(c.TB, fmt.Sprintf("accounts of App %d", app), c.of(app).get(names...), before[app])
			c.of(app).wantExactCount(n)
		}
	}
}

// abandonImports cancels imports while they are under way. After a reopen, which waits
// for them, each batch must be there as a whole or not at all.
func abandonImports(c *client, seed uint64) {
	const workers, batches, size = 8, 10, 8
	acknowledged := make([][batches]bool, workers)
	names := func(w, batch int) []account.UserID {
		var ids []account.UserID
		for i := range size {
			ids = append(ids, account.UserID(fmt.Sprintf("w%d-%d-%d", w, batch, i)))
		}
		return ids
	}
	c.together(workers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for n := range batches {
			ctx, cancel := context.WithCancel(c.Context())
			if rng.IntN(3) > 0 {
				go cancel()
			}
			_, err := c.store().Import(ctx, c.app, account.Batch{Entries: entries(names(w, n)...), At: 50})
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			acknowledged[w][n] = err == nil
		}
		return nil
	})
	c.reopen()
	total := 0
	for w := range workers {
		for n := range batches {
			there := 0
			for _, found := range c.check(names(w, n)...) {
				if found {
					there++
				}
			}
			if there != size && (there > 0 || acknowledged[w][n]) {
				c.Errorf("of batch %d of worker %d are %d accounts there, want %d (acknowledged: %v)", n, w, there, size, acknowledged[w][n])
			}
			total += there
		}
	}
	c.wantExactCount(total)
}
