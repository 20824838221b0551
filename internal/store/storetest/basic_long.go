package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

// longCases hold the contract of Import against batches of many thousand entries, one call
// at a time.
func longCases(seed uint64) []testCase {
	cases := []testCase{
		{"Long/new names", func(c *client) { newLong(c, longNames(0, longSize)) }},
		{"Long/the longest names", func(c *client) {
			ids := longNames(0, longSize)
			for i, id := range ids {
				ids[i] = account.UserID(strings.Repeat("x", account.MaxUserID-len(id))) + id
			}
			newLong(c, ids)
		}},
		{"Long/the same batch twice", sameLongTwice},
		{"Long/one after another in every order", longNeighbours},
		{"Long/the caller's slices stay the caller's", ownLongSlices},
		{"Long/a context that has ended", func(c *client) {
			ctx, cancel := context.WithCancel(c.Context())
			cancel()
			ids := longNames(0, longSize)
			if _, err := c.store().Import(ctx, c.app, account.Batch{Entries: entries(ids...), At: 50}); !errors.Is(err, context.Canceled) {
				c.Errorf("Import with an ended context gave %v; want Canceled", err)
			}
			c.wantExactCount(0)
		}},
		{"Long/the same names and TinyIDs in two Apps", longApps},
		{"Long/the quota", longQuota},
	}
	for _, row := range longVariants() {
		cases = append(cases, testCase{"Long/mixed, " + row.name, func(c *client) { mixLong(newPair(c), seed, row) }})
	}
	return cases
}

// newLong imports names that are not there, in ascending order, and returns what it was
// answered.
func newLong(c *client, ids []account.UserID) []account.Imported {
	c.Helper()
	got := c.importBatch(account.Batch{Entries: entries(ids...), At: 50})
	want, accounts := make([]account.Imported, len(ids)), make([]account.Account, len(ids))
	for i, id := range ids {
		want[i] = account.Imported{Status: account.Created, TinyID: got[i].TinyID}
		accounts[i] = account.Account{UserID: id, TinyID: got[i].TinyID, Created: 50}
	}
	sameEach(c.TB, "outcomes", got, want)
	sameEach(c.TB, "accounts", c.get(sample(ids)...), sample(accounts))
	sameEach(c.TB, "list", c.listAll(len(ids)/3), accounts)
	same(c.TB, "count", c.count(), int64(len(ids)))
	return got
}

func sameLongTwice(c *client) {
	ids := longNames(0, longSize)
	first := newLong(c, ids)
	before := c.listAll(longSize + 1)
	got := c.importBatch(account.Batch{Entries: entries(ids...), At: 60})
	for i, im := range got {
		if im.Status != account.Existed || im.TinyID != 0 && im.TinyID != first[i].TinyID {
			c.Fatalf("%q was created with the TinyID %d and is then %+v", ids[i], first[i].TinyID, im)
		}
	}
	sameEach(c.TB, "accounts", c.listAll(longSize+1), before)
	c.wantExactCount(len(ids))
}

// longNeighbours imports long batches above, below and between each other, with single
// accounts before, after and between them, and deletes some of all.
func longNeighbours(c *client) {
	p := newPair(c)
	all := longNames(0, 3*longSize)
	var even, odd []account.UserID
	for i, id := range all[:2*longSize] {
		if i%2 == 0 {
			even = append(even, id)
		} else {
			odd = append(odd, id)
		}
	}
	few := []account.UserID{"a", all[0], all[1], all[longSize], all[2*longSize], all[len(all)-1], "z"}
	p.importBoth(account.Batch{Entries: entries(few...), At: 40})
	for i, ids := range [][]account.UserID{odd, all[2*longSize:], even} {
		p.importBoth(account.Batch{Entries: entries(ids...), At: 50, TinyIDs: i%2 == 0})
		p.delBoth(60, few[i], ids[0], ids[len(ids)/2], ids[len(ids)-1])
	}
	p.importBoth(account.Batch{Entries: entries(even...), At: 70})
	p.compare()
	for _, after := range []account.UserID{all[longSize] + "!", all[2*longSize-1]} {
		got := c.list(after, 100)
		sameEach(c.TB, fmt.Sprintf("list after %q", after), got, p.twins.accounts(p.naive.list(c.app, after, 100), got))
	}
}

func ownLongSlices(c *client) {
	ids := longNames(0, longSize)
	b := account.Batch{Entries: entries(ids...), At: 50}
	for i := range b.Entries {
		b.Entries[i].Nick = "n"
	}
	got := c.importBatch(b)
	want := make([]account.Account, len(ids))
	for i, id := range ids {
		want[i] = account.Account{UserID: id, TinyID: got[i].TinyID, Created: 50, Profile: account.Profile{Nick: "n"}}
	}
	for i := range b.Entries {
		b.Entries[i] = account.Entry{UserID: "overwritten", Nick: "o"}
	}
	clear(got)
	sameEach(c.TB, "accounts", c.listAll(longSize+1), want)
}

// longApps restores the same accounts in two Apps, the second time with all of their
// TinyIDs taken.
func longApps(c *client) {
	ids := longNames(0, longSize)
	b := restoreBatch(ids)
	for _, id := range freshTinyIDs(rand.New(rand.NewPCG(1, 0)), len(ids)) {
		b.Restore = append(b.Restore, account.Restore{TinyID: id, Created: 7})
	}
	all := func(s account.Status) []account.Status { return slices.Repeat([]account.Status{s}, len(ids)) }
	sameEach(c.TB, "statuses", c.statuses(b), all(account.Created))
	sameEach(c.TB, "statuses again", c.statuses(restoreBatch(ids[:500], b.Restore[:500]...)), all(account.Existed)[:500])
	sameEach(c.TB, "statuses in the other App", c.of(7).statuses(b), all(account.Taken))
	c.of(7).wantExactCount(0)
	b.Restore = nil
	sameEach(c.TB, "statuses in the other App without TinyIDs", c.of(7).statuses(b), all(account.Created))
	c.wantExactCount(len(ids))
	c.of(7).wantExactCount(len(ids))
}

// longQuota imports more names than there is room for.
func longQuota(c *client) {
	const room = longSize * 17 / 20
	ids := longNames(0, longSize)
	c.importIDs(40, ids[100], ids[longSize-100])
	b := account.Batch{Entries: entries(ids...), At: 50, Quota: room + 1}
	c.wantQuota(b)
	b.Fill = true
	want := slices.Repeat([]account.Status{account.Created}, room)
	want = append(want, slices.Repeat([]account.Status{account.OverQuota}, longSize-room)...)
	want[100], want[longSize-100] = account.Existed, account.Existed
	sameEach(c.TB, "statuses", c.statuses(b), want)
	c.wantExactCount(room + 1)
	b.Fill, b.Quota = false, longSize
	c.importBatch(b)
	c.wantExactCount(longSize)
}

// longVariant is one way to ask for a long batch.
type longVariant struct {
	name      string
	nicks     int // one entry in so many has a Nick; 0: none
	heldSince int64
	tinyIDs   bool
	fill      bool // up to a quota
	restore   bool
	order     func(rng *rand.Rand, es []account.Entry)
}

func longVariants() []longVariant {
	return []longVariant{
		{name: "names alone"},
		{name: "a few with a Nick", nicks: 100},
		{name: "half with a Nick, with TinyIDs, some held", nicks: 2, heldSince: 62, tinyIDs: true},
		{name: "restored", restore: true, nicks: 10, heldSince: 62},
		{name: "up to the quota", fill: true, restore: true, heldSince: 64},
		{name: "not sorted", nicks: 10, order: func(rng *rand.Rand, es []account.Entry) {
			rng.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
		}},
		{name: "sorted but for the ends", order: func(_ *rand.Rand, es []account.Entry) {
			es[0], es[len(es)-1] = es[len(es)-1], es[0]
		}},
	}
}

// mixLong imports a long batch that meets accounts that are there, kicked, with profiles,
// deleted and held. It does so twice, with changes in between, and compares everything
// with the naive model.
func mixLong(p *pair, seed uint64, v longVariant) {
	p.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	all := longNames(0, 2*longSize)
	for round := range int64(2) {
		at := 60 + 10*round
		names := all[round*longSize*2/3:][:longSize]
		prepareLong(p, rng, names, at)
		b := account.Batch{Entries: entries(names...), At: at + 5, TinyIDs: v.tinyIDs, HeldSince: v.heldSince}
		for i := range b.Entries {
			if v.nicks > 0 && rng.IntN(v.nicks) == 0 {
				b.Entries[i].Nick = []string{"x", "y"}[rng.IntN(2)]
			}
		}
		if v.order != nil {
			v.order(rng, b.Entries)
		}
		if v.restore {
			b.Restore = restoreSome(p, rng, b.Entries)
		}
		if v.fill {
			b.Fill, b.Quota = true, longSize*9/10+longSize/2*round
		}
		p.importBoth(b)
	}
	p.compare()
}

// prepareLong leaves accounts among names for a long batch to meet.
func prepareLong(p *pair, rng *rand.Rand, names []account.UserID, at int64) {
	p.Helper()
	some := pick(rng, names, 600)
	b := account.Batch{Entries: entries(some...), At: 40}
	for i := range b.Entries {
		b.Entries[i].Nick = []string{"", "x"}[i%2]
	}
	p.importBoth(b)
	for i, id := range some[:60] {
		p.kickBoth(at+int64(i%10), id)
		p.setProfileBoth(id, account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: fmt.Sprint(i)}}})
	}
	for i := range int64(5) {
		p.delBoth(at+i, some[50+20*i:][:20]...)
	}
	p.delBoth(at, names[0], names[len(names)-1])
}

// restoreSome lets half of the entries bring along something: a new TinyID, mostly, or one
// that some account has.
func restoreSome(p *pair, rng *rand.Rand, es []account.Entry) []account.Restore {
	out := make([]account.Restore, len(es))
	fresh := freshTinyIDs(rng, len(es))
	known := p.get(es[0].UserID, es[len(es)/2].UserID, es[len(es)-1].UserID)
	for i := range out {
		if i%2 == 0 {
			out[i] = account.Restore{TinyID: fresh[i], Created: int64(i % 3), ValidFrom: int64(i % 100)}
		}
		if i%50 == 0 {
			out[i].TinyID = known[rng.IntN(len(known))].TinyID
		}
	}
	return out
}
