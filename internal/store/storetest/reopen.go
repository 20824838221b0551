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
		{"restored accounts are kept", restoredKept},
		{"restores into an empty store that was opened before", func(c *client) {
			c.reopen()
			b := restoreBatch([]account.UserID{"b", "a"}, account.Restore{TinyID: account.FirstTinyID + 1}, account.Restore{TinyID: account.FirstTinyID})
			same(c.TB, "statuses", c.statuses(b), []account.Status{account.Created, account.Created})
		}},
		{"restores and the sequence do not meet", func(c *client) { restoreAhead(c, seed) }},
		{"long batches are kept", longKept},
		{"abandoned long batches are all or nothing", func(c *client) { abandonLong(c, seed) }},
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

// restoredKept shows that what was restored is as it was, and that no TinyID is given
// again, whoever has or had it.
func restoredKept(c *client) {
	tiny := c.importIDs(50, "seq", "seq-deleted")
	c.importBatch(restoreBatch([]account.UserID{"ann", "gone", "high"},
		account.Restore{TinyID: far(0), Created: 7, ValidFrom: 9}, account.Restore{TinyID: far(1)}, account.Restore{TinyID: account.MaxTinyID}))
	c.of(7).restoreOne("ann", account.Restore{TinyID: far(2)})
	c.del(60, "seq-deleted", "gone")
	before := c.get("ann", "gone", "high", "seq")
	for round := range 3 {
		c.reopen()
		same(c.TB, "accounts", c.get("ann", "gone", "high", "seq"), before)
		for _, id := range []account.TinyID{far(0), far(1), far(2), account.MaxTinyID, tiny[0], tiny[1]} {
			for _, name := range []account.UserID{"new", "gone"} {
				same(c.TB, fmt.Sprintf("status of %q with %d", name, id), c.restoreOne(name, account.Restore{TinyID: id}), account.Taken)
			}
		}
		same(c.TB, "status with its own TinyID", c.restoreOne("ann", account.Restore{TinyID: far(0)}), account.Existed)
		id := far(10 + round)
		same(c.TB, "status with a new TinyID", c.restoreOne(account.UserID(fmt.Sprint(round)), account.Restore{TinyID: id}), account.Created)
		c.importIDs(70, account.UserID(fmt.Sprintf("late%d", round)))
		c.wantExactCount(3 + 2*(round+1))
	}
}

// restoreAhead restores accounts with numbers that the sequence would come to soon, opens
// the store again and lets the sequence go on. The client sees a TinyID that comes twice.
func restoreAhead(c *client, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	names := longNames(0, 4*longSize)
	for round := range 4 {
		tiny := c.importIDs(50, account.UserID(fmt.Sprintf("a%d", round)))[0]
		b := restoreBatch(nil)
		for i := range 200 {
			id := tiny + 1 + account.TinyID(rng.Int64N(1<<rng.IntN(18)))
			b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("r%d-%d", round, i))})
			b.Restore = append(b.Restore, account.Restore{TinyID: min(id, account.MaxTinyID)})
		}
		c.importBatch(b) // the store need not know whether they were given
		c.reopen()
		c.importIDs(60, names[round*longSize:][:longSize]...)
	}
	c.wantExactCount(int(c.count()))
}

// longKept opens the store again between long batches and single changes.
func longKept(c *client) {
	p := newPair(c)
	names := longNames(0, 2*longSize)
	for round := range 3 {
		ids := names[round*longSize/2:][:longSize]
		b := account.Batch{Entries: entries(ids...), At: 50}
		b.Entries[longSize/3].Nick = "n"
		p.importBoth(b)
		if round == 1 {
			p.reopen()
		}
		p.delBoth(60, ids[0], ids[longSize/2+round], names[longSize-5])
		p.kickBoth(int64(70+round), ids[7])
		p.reopen()
		p.compare()
	}
	p.importBoth(account.Batch{Entries: entries(names...), At: 80, HeldSince: 60})
	p.importBoth(account.Batch{Entries: entries(names...), At: 80})
	p.reopen()
	p.compare()
}

// abandoned are imports that are cancelled while they are under way.
type abandoned struct {
	workers, batches int // of each worker
	names            func(worker, batch int) []account.UserID
	cancel           func(rng *rand.Rand, cancel func()) // maybe, some time; returns at once
}

// abandonLong abandons long batches.
func abandonLong(c *client, seed uint64) {
	const workers, batches = 2, 4
	names := longNames(0, workers*batches*longSize)
	total := abandoned{
		workers, batches,
		func(w, n int) []account.UserID { return names[(w*batches+n)*longSize:][:longSize] },
		func(rng *rand.Rand, cancel func()) { go cancelAfter(rng.Int64N(1<<rng.IntN(20)), cancel) },
	}.run(c, seed)
	c.Logf("%d of %d long batches had their effect", total/longSize, workers*batches)
	same(c.TB, "count", c.count(), int64(total))
}

// abandonImports abandons short ones.
func abandonImports(c *client, seed uint64) {
	total := abandoned{
		8, 10,
		func(w, batch int) []account.UserID {
			ids := make([]account.UserID, 8)
			for i := range ids {
				ids[i] = account.UserID(fmt.Sprintf("w%d-%d-%d", w, batch, i))
			}
			return ids
		},
		func(rng *rand.Rand, cancel func()) {
			if rng.IntN(3) > 0 {
				go cancel()
			}
		},
	}.run(c, seed)
	c.wantExactCount(total)
}

// run imports and cancels. After a reopen, which waits for what is under way, each batch must
// be there as a whole or not at all. It returns how many accounts are there.
func (a abandoned) run(c *client, seed uint64) (total int) {
	acknowledged := make([]bool, a.workers*a.batches)
	c.together(a.workers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for n := range a.batches {
			ctx, cancel := context.WithCancel(c.Context())
			a.cancel(rng, cancel)
			_, err := c.store().Import(ctx, c.app, account.Batch{Entries: entries(a.names(w, n)...), At: 50})
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			acknowledged[w*a.batches+n] = err == nil
		}
		return nil
	})
	c.reopen()
	for i, acked := range acknowledged {
		w, n := i/a.batches, i%a.batches
		found := c.check(a.names(w, n)...)
		there := len(slices.DeleteFunc(slices.Clone(found), func(imported bool) bool { return !imported }))
		if there != len(found) && (there > 0 || acked) {
			c.Errorf("of batch %d of worker %d are %d accounts there, want %d (acknowledged: %v)", n, w, there, len(found), acked)
		}
		total += there
	}
	return total
}
