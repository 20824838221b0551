package storetest

import (
	"testing"
)

// Linearize records a number of histories on one store, each with accounts of its own
// and the seeds w.Seed, w.Seed+1 and so on, and fails the test if one is not
// linearizable or a call fails that was not abandoned.
func Linearize(tb testing.TB, h Harness, histories int, w Workload) {
	tb.Helper()
	target := StoreTarget(h.Open(tb).Store(), mainApp)
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
