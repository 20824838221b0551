package bench_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/bench"
)

// TestNamesStay holds that a later release finds the accounts which an earlier one
// imported.
func TestNamesStay(t *testing.T) {
	got := append(bench.Names(bench.DefaultPrefix, 0, 0, 2), bench.Names("x", 7, 1<<40, 1)...)
	want := []string{"user_9070af073fff1332", "user_416c98137a96a403", "x28efdab3c20cad5e"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		first := rapid.Uint64Range(0, 1<<62).Draw(t, "first")
		n := rapid.IntRange(1, 300).Draw(t, "n")
		ids := bench.Names(bench.DefaultPrefix, seed, first, n)
		k := rapid.IntRange(0, n-1).Draw(t, "k")
		if diff := cmp.Diff(ids[k:], bench.Names(bench.DefaultPrefix, seed, first+uint64(k), n-k)); diff != "" {
			t.Errorf("the names depend on where they begin (-whole +part):\n%s", diff)
		}
		for _, id := range ids {
			if err := account.UserID(id).Validate(); err != nil || len(id) != 21 {
				t.Errorf("%q: %d bytes, %v", id, len(id), err)
			}
		}
		ids = append(ids, bench.Names(bench.DefaultPrefix, seed+1, first, n)...)
		slices.Sort(ids)
		if u := len(slices.Compact(ids)); u != 2*n {
			t.Errorf("%d of %d names are unique", u, 2*n)
		}
	})
}

// TestNamesAreInRandomOrder compares neighbours: of random ones half are ascending.
func TestNamesAreInRandomOrder(t *testing.T) {
	ids := bench.Names(bench.DefaultPrefix, 0, 0, 10_000)
	ascending := 0
	for i := range ids[1:] {
		if ids[i] < ids[i+1] {
			ascending++
		}
	}
	if ascending < 4_800 || ascending > 5_200 {
		t.Errorf("%d of 9999 neighbours are ascending", ascending)
	}
}
