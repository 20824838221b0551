package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/muster-im/muster/internal/account"
)

// Linearize records a number of histories on one store, each with accounts of its own
// and the seeds w.Seed, w.Seed+1 and so on, and fails the test if one is not
// linearizable or a call fails that was not abandoned.
func Linearize(tb testing.TB, h Harness, histories int, w Workload) {
	tb.Helper()
	target := w.target(h.Open(tb).Store())
	var total Counts
	for range histories {
		history := NewHistory(w)
		history.Record(tb.Context(), target)
		if err := history.Err(); err != nil {
			tb.Fatalf("seed %d: calls failed:\n%v", w.Seed, err)
		}
		if err := history.Verify(); err != nil {
			tb.Fatalf("seed %d: %v", w.Seed, err)
		}
		counts := history.Counts()
		total.Answered += counts.Answered
		total.Unknown += counts.Unknown
		w.Seed++
	}
	tb.Logf("%d histories are linearizable: %d calls answered, %d abandoned", histories, total.Answered, total.Unknown)
}

// longWorkload returns a Workload of which some imports are long batches.
func longWorkload(seed uint64) Workload {
	w := DefaultWorkload(seed)
	w.long, w.Calls = new(atomic.Int64), 15
	return w
}

func linearizeLong(tb testing.TB, h Harness, w Workload) {
	tb.Helper()
	long := longWorkload(w.Seed)
	long.Abandon = w.Abandon
	Linearize(tb, h, 1, long)
}

// target returns what w drives of a store.
func (w Workload) target(st account.Store) Target {
	if w.long == nil {
		return StoreTarget(st, mainApp)
	}
	return longTarget{storeTarget{st, mainApp}, w.long}
}

// longTarget makes one import in longEvery a long batch, in which the names of the call
// stand between many that nobody looks at.
type longTarget struct {
	storeTarget
	imports *atomic.Int64
}

const longEvery = 4

func (t longTarget) Import(ctx context.Context, ids []account.UserID, at int64, detail bool) ([]account.Imported, error) {
	n := t.imports.Add(1)
	if n%longEvery != 1 {
		return t.storeTarget.Import(ctx, ids, at, detail)
	}
	// Those that ask for TinyIDs create their many, the others find them but for the first time.
	block := 0
	if detail {
		block = int(n)
	}
	all := longNames(block*longSize, longSize)
	all = append(all, ids...)
	slices.Sort(all)
	got, err := t.Store.Import(ctx, t.app, account.Batch{Entries: entries(all...), At: at, TinyIDs: detail})
	if err != nil {
		return nil, err
	}
	if len(got) != len(all) {
		return nil, fmt.Errorf("%d results for %d entries", len(got), len(all))
	}
	out := make([]account.Imported, len(ids))
	for i, id := range ids {
		j, _ := slices.BinarySearch(all, id)
		out[i] = got[j]
	}
	return out, nil
}
