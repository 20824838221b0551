package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// longSize is how many entries a long batch has. A backend that treats long sorted batches in
// a way of its own should be told, for the suite, to do so from LongBatch entries on: batches
// of tens of thousands would test nothing else and take minutes.
const (
	LongBatch = 1_000
	longSize  = 2 * LongBatch
)

// longNames returns n names in ascending order. Those from any two ranges of numbers that
// do not overlap are different, and sorted as their numbers are.
func longNames(from, n int) []account.UserID {
	out := make([]account.UserID, n)
	for i := range out {
		out[i] = account.UserID(fmt.Sprintf("n%06d", from+i))
	}
	return out
}

func byName(x, y account.Entry) int { return cmp.Compare(x.UserID, y.UserID) }

// freshTinyIDs returns n numbers to restore accounts with that are far from each other and
// from what a sequence gives, in no order.
func freshTinyIDs(rng *rand.Rand, n int) []account.TinyID {
	out := make([]account.TinyID, n)
	for i := range out {
		out[i] = account.FirstTinyID + account.TinyID(rng.Uint64N(uint64(account.MaxTinyID-account.FirstTinyID)))
	}
	return out
}

// pair is a store and the naive model, which are given the same calls and must agree.
type pair struct {
	*client
	naive *naive
	twins twins
}

func newPair(c *client) *pair { return &pair{c, newNaive(), newTwins()} }

func (p *pair) importBoth(b account.Batch) {
	p.Helper()
	got := p.importBatch(b)
	own := b
	own.Restore = p.twins.resolve(b.Restore)
	want, fits := p.naive.importBatch(p.app, own, p.twins.doubts(b, got))
	if !fits {
		p.Fatalf("Import of %s passed the quota", brief(b))
	}
	sameEach(p.TB, "import", got, p.twins.imported(want, got, b.TinyIDs))
}

func (p *pair) delBoth(at int64, ids ...account.UserID) {
	p.Helper()
	sameEach(p.TB, "delete", p.del(at, ids...), p.naive.del(p.app, ids, at))
}

func (p *pair) kickBoth(validFrom int64, ids ...account.UserID) {
	p.Helper()
	sameEach(p.TB, "kick", p.kickAll(validFrom, ids...), p.naive.kick(p.app, ids, validFrom))
}

func (p *pair) setProfileBoth(id account.UserID, change account.ProfileChange) {
	p.Helper()
	same(p.TB, "set profile", p.setProfile(id, change), p.naive.setProfile(p.app, id, change))
}

// compare compares all accounts, and what is left of those that were deleted.
func (p *pair) compare() {
	p.Helper()
	n := int(p.naive.count(p.app))
	got := p.listAll(n + 1)
	want := p.naive.list(p.app, "", n)
	if len(got) != n {
		p.Fatalf("List gives %d accounts, want %d", len(got), n)
	}
	sameEach(p.TB, "accounts", got, p.twins.accounts(want, got))
	var deleted []account.UserID
	for at := range p.naive.dead {
		deleted = append(deleted, at.id)
	}
	sameEach(p.TB, "deleted accounts", p.get(deleted...), p.naive.get(p.app, deleted))
	sameEach(p.TB, "accounts as Get gives them", withoutAttrs(p.get(sample(userIDs(got))...)), sample(got))
	same(p.TB, "count", p.count(), int64(n))
}

// userIDs returns the names of accounts.
func userIDs(accounts []account.Account) []account.UserID {
	out := make([]account.UserID, len(accounts))
	for i, a := range accounts {
		out[i] = a.UserID
	}
	return out
}

// sample returns the first, the last and some others of all; or all if there are not many.
// To read every account of a long batch one by one is dear for some backends.
func sample[T any](all []T) []T {
	const most = 200
	if len(all) <= most {
		return all
	}
	out := make([]T, most)
	for i := range out {
		out[i] = all[i*(len(all)-1)/(most-1)]
	}
	return out
}

// pick returns n of ids in no order.
func pick(rng *rand.Rand, ids []account.UserID, n int) []account.UserID {
	out := slices.Clone(ids)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:n]
}
