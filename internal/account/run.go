package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/errcode"
)

// MaxRun is the most entries of one ImportRun.
const MaxRun = 1 << 18

// RunTimeout is how long an ImportRun waits for the store before it answers 70169. It is
// longer than StoreTimeout because a run that is long may wait until the store has its index.
const RunTimeout = 60 * time.Second

// Run is a part of a long import, up to MaxRun entries.
type Run struct {
	Entries []Entry
	// Restore, if not nil, is aligned with Entries.
	Restore []Restore
}

// RunResult says what became of a Run: how many of its entries have which status, among
// them Failed and Duplicate, and why the failed ones failed.
type RunResult struct {
	Count    [NumStatuses]int64
	Failures []RunFailure // in the order of the entries
}

// RunFailure is one entry that was not imported.
type RunFailure struct {
	Index int // in Run.Entries
	Err   *errcode.Error
}

// ImportRun imports a run. It follows the rules of Import, with two differences: new
// accounts that the quota has no room for fail one by one with 70398, in the order of the
// entries, and an entry may be restored with the TinyID that it had elsewhere, or fails with
// 70402 if that cannot be. Of entries with the same name the first one's Restore counts; those
// that ask for another TinyID fail, and all do if the first one's cannot be.
//
// On error the run was applied fully or not at all, and repeating it is safe. The run must
// not be changed until ImportRun returns; if it returns an error, never after that either,
// since the store may still read it.
func (s *Service) ImportRun(ctx context.Context, p *Policy, r Run) (RunResult, error) {
	if len(r.Entries) == 0 || len(r.Entries) > MaxRun {
		return RunResult{}, errcode.Newf(errcode.BadParam, "a run has 1 to %d accounts, this one has %d", MaxRun, len(r.Entries))
	}
	if r.Restore != nil && len(r.Restore) != len(r.Entries) {
		return RunResult{}, errcode.Newf(errcode.BadParam, "a run of %d accounts restores %d", len(r.Entries), len(r.Restore))
	}
	ctx, cancel := context.WithTimeout(ctx, RunTimeout)
	defer cancel()
	i := &runImport{service: s, policy: p, run: r, now: s.clock.Now()}
	if err := i.all(ctx); err != nil {
		return RunResult{}, err
	}
	return i.result, s.awaitValidity(ctx, i.now.Unix(), i.validFrom)
}

// runImport is one ImportRun.
type runImport struct {
	service *Service
	policy  *Policy
	run     Run
	now     time.Time

	result    RunResult
	validFrom int64 // the largest of the created accounts
}

// sameName are entries of one name: n of them, from at on in the sorted order.
type sameName struct{ at, n int32 }

// all imports the run as one batch in the order of names, which is what a store is fastest
// with. Where a quota decides, or who came first to a TinyID, it must be in the order of the
// entries.
func (i *runImport) all(ctx context.Context) error {
	sorted := i.valid()
	if len(sorted) == 0 {
		return nil
	}
	sortByName(sorted, i.run.Entries)
	names := i.group(sorted)
	if i.policy.Quota > 0 || i.run.Restore != nil {
		slices.SortFunc(names, func(x, y sameName) int { return int(sorted[x.at].pos - sorted[y.at].pos) })
	}
	b := i.batch(sorted, names)
	done, err := i.service.store.Import(ctx, i.policy.SDKAppID, b)
	if err != nil {
		return callError("import run", err)
	}
	for k, d := range done {
		i.note(sorted[names[k].at:][:names[k].n], d)
	}
	slices.SortFunc(i.result.Failures, func(x, y RunFailure) int { return x.Index - y.Index })
	return nil
}

// valid returns the positions of the entries that may be imported; the others have failed.
func (i *runImport) valid() []namePos {
	out := make([]namePos, 0, len(i.run.Entries))
	for k := range i.run.Entries {
		err := entryError(i.run.Entries[k])
		if err == nil && i.run.Restore != nil {
			err = i.restoreError(i.run.Restore[k])
		}
		if err != nil {
			i.fail(k, err)
			continue
		}
		out = append(out, namePos{pos: int32(k)})
	}
	return out
}

func (i *runImport) restoreError(r Restore) *errcode.Error {
	switch {
	case r.TinyID != 0 && (r.TinyID < FirstTinyID || r.TinyID > MaxTinyID):
		return errcode.Newf(errcode.BadParam, "the TinyID is %d, it must be %d to %d", r.TinyID, FirstTinyID, MaxTinyID)
	case r.Created < 0 || r.Created > i.now.Unix():
		return errcode.Newf(errcode.BadParam, "Created is %d, it must be a time in the past", r.Created)
	case r.ValidFrom < 0 || r.ValidFrom > i.now.Unix():
		return errcode.Newf(errcode.BadParam, "ValidFrom is %d, it must be a time in the past", r.ValidFrom)
	default:
		return nil
	}
}

// group finds the entries of the same name, which stand side by side.
func (i *runImport) group(sorted []namePos) []sameName {
	names := make([]sameName, 0, len(sorted))
	for k := range sorted {
		if k > 0 && sorted[k].key == sorted[k-1].key && i.entry(sorted[k]).UserID == i.entry(sorted[k-1]).UserID {
			names[len(names)-1].n++
			continue
		}
		names = append(names, sameName{int32(k), 1})
	}
	return names
}

func (i *runImport) entry(p namePos) *Entry { return &i.run.Entries[p.pos] }

// batch returns the store's batch: one entry for each name, in which the last non-empty
// Nick and FaceURL count. The names are copied side by side in their new order: the store
// goes through them several times, and each time they would miss the processor's cache.
func (i *runImport) batch(sorted []namePos, names []sameName) Batch {
	b := Batch{
		Entries: make([]Entry, len(names)), At: i.now.Unix(), Quota: i.policy.storeQuota(),
		HeldSince: i.policy.heldSince(i.now), Fill: true,
	}
	if i.run.Restore != nil {
		b.Restore = make([]Restore, len(names))
	}
	size := 0
	for k := range i.run.Entries {
		size += len(i.run.Entries[k].UserID)
	}
	var text strings.Builder
	text.Grow(size)
	for k, same := range names {
		if k%touchBlock == 0 {
			i.touch(sorted[same.at:min(int(same.at)+touchBlock, len(sorted))])
		}
		e := &b.Entries[k]
		*e = *i.entry(sorted[same.at])
		text.WriteString(string(e.UserID))
		e.UserID = UserID(text.String()[text.Len()-len(e.UserID):])
		for _, again := range sorted[same.at+1:][:same.n-1] {
			if i.disagrees(sorted[same.at], again) == nil {
				merge(e, *i.entry(again))
			}
		}
		if b.Restore != nil {
			b.Restore[k] = i.run.Restore[sorted[same.at].pos]
		}
	}
	return b
}

// touchBlock is how many names are brought into the processor's cache at a time.
const touchBlock = 128

// touch reads something of each name. The loads do not depend on each other, so that their
// cache misses overlap, which those of a loop that does more do not. It must not be inlined:
// the compiler would see that nobody wants the sum.
//
//go:noinline
func (i *runImport) touch(sorted []namePos) (sum byte) {
	for _, p := range sorted {
		sum += i.run.Entries[p.pos].UserID[0]
	}
	return sum
}

// disagrees returns why an entry cannot repeat the first one of its name.
func (i *runImport) disagrees(first, again namePos) *errcode.Error {
	if i.run.Restore == nil {
		return nil
	}
	if id := i.run.Restore[again.pos].TinyID; id != 0 && id != i.run.Restore[first.pos].TinyID {
		return takenError(id)
	}
	return nil
}

// note counts what became of the entries of one name.
func (i *runImport) note(same []namePos, d Imported) {
	i.validFrom = max(i.validFrom, d.ValidFrom)
	if d.Status == Created && d.ValidFrom > 0 && i.run.Restore != nil {
		i.service.revoker.Revoke(i.policy.SDKAppID, i.entry(same[0]).UserID, Kicked)
	}
	for k, p := range same {
		err := i.storeError(same[0], p, d.Status)
		status := d.Status
		if k > 0 {
			status = Duplicate
			if err == nil {
				err = i.disagrees(same[0], p)
			}
		}
		if err != nil {
			i.fail(int(p.pos), err)
			continue
		}
		i.result.Count[status]++
	}
}

// storeError returns why the store did nothing for an entry, nil if it did. first is the one
// of its name that the store was asked for.
func (i *runImport) storeError(first, p namePos, s Status) *errcode.Error {
	switch s {
	case Held:
		return errcode.New(errcode.DeletedRecently)
	case OverQuota:
		return errcode.New(errcode.QuotaExceeded)
	case Taken:
		return takenError(cmp.Or(i.run.Restore[p.pos].TinyID, i.run.Restore[first.pos].TinyID))
	default:
		return nil
	}
}

func takenError(id TinyID) *errcode.Error {
	return errcode.Newf(errcode.BadParam, "the TinyID %d cannot be this account's: it was given before, or the account has another", id)
}

func (i *runImport) fail(index int, err *errcode.Error) {
	i.result.Count[Failed]++
	i.result.Failures = append(i.result.Failures, RunFailure{index, err})
}
