package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
)

// adversarial draws names that are hard to tell apart: long common beginnings, one the
// beginning of the other, equal ones, differences at the very first and the last byte, and
// with some luck enough of them with the same eight bytes to be sorted once more.
func adversarial(t *rapid.T) []account.Entry {
	n := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(250, 262), rapid.IntRange(257, 1500)).Draw(t, "n")
	stems := rapid.SliceOfN(rapid.StringMatching(`[!a~]{0,9}|a{0,31}|aaaaaaaa[ab]{0,23}|[!-~]{1,31}`), 1, 4).Draw(t, "stems")
	tail := rapid.OneOf(rapid.Just("a"), rapid.Just("~"), rapid.StringMatching(`[ab]{1,2}`), rapid.StringMatching(`[ab]{7,9}`), rapid.StringMatching(`[!-~]{1,32}`), rapid.StringMatching(`[0-9]{3}`))
	tails := rapid.SliceOfN(tail, 1, 40).Draw(t, "tails")
	seed := rapid.Uint64().Draw(t, "seed")
	names := make([]string, n)
	for i := range names {
		// A generator of its own: to draw every name would make a long list slow to shrink.
		seed = seed*6364136223846793005 + 1442695040888963407
		r := seed >> 33
		name := stems[r%uint64(len(stems))] + tails[r/7%uint64(len(tails))]
		if r%3 == 0 {
			name += tails[r/11%uint64(len(tails))]
		}
		names[i] = name[:min(len(name), account.MaxUserID)]
	}
	return plain(names...)
}

// TestSortByName holds against a stable sort of the names.
func TestSortByName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := adversarial(t)
		checkSort(t, entries)
	})
}

func checkSort(tb rapid.TB, entries []account.Entry) {
	tb.Helper()
	want := make([]int, len(entries))
	for i := range want {
		want[i] = i
	}
	slices.SortStableFunc(want, func(x, y int) int {
		return strings.Compare(string(entries[x].UserID), string(entries[y].UserID))
	})
	got := account.SortByName(entries)
	for i := range want {
		if got[i] != want[i] {
			tb.Fatalf("at %d of %d stands entry %d, %q, want %d, %q", i, len(want), got[i], entries[got[i]].UserID, want[i], entries[want[i]].UserID)
		}
	}
	seen := map[account.UserID]bool{}
	for _, e := range entries {
		if e.UserID.Validate() != nil {
			return // a reserved prefix; ImportRun does not look at its group
		}
		seen[e.UserID] = true
	}
	if n := account.CountNames(entries); n != len(seen) {
		tb.Fatalf("%d different names were found, there are %d", n, len(seen))
	}
}

// TestSortByNameEdges has the cases that chance finds seldom.
func TestSortByNameEdges(t *testing.T) {
	const many = 700 // more than are compared one with another, at every depth
	deep := func(format string) (names []string) {
		for i := range many {
			names = append(names, fmt.Sprintf(format, i*7919%many))
		}
		return names
	}
	full := strings.Repeat("x", account.MaxUserID)
	for name, names := range map[string][]string{
		"nothing":                            nil,
		"one":                                {"a"},
		"all equal":                          slices.Repeat([]string{"same"}, many),
		"all equal, of 8 bytes":              slices.Repeat([]string{"12345678"}, many),
		"all equal, of 32 bytes":             slices.Repeat([]string{full}, many),
		"the last of 32 bytes":               slices.Repeat([]string{full[1:] + "b", full[1:] + "a"}, many),
		"all beginnings of one":              prefixes(full, many),
		"all beginnings of one, few":         prefixes(full, 40),
		"differ behind 24 bytes":             deep(full[:24] + "%08d"),
		"differ behind 29 bytes":             deep(full[:29] + "%03d"),
		"two groups, each once more":         append(deep("aaaaaaaa%03d"), deep("bbbbbbbb%03d")...),
		"a group inside a group":             append(append(deep("aaaaaaaabbbbbbbb%03d"), deep("aaaaaaaab%03d")...), deep("a%03d")...),
		"the end beside more, at the eighth": append(slices.Repeat([]string{"12345678"}, many), deep("12345678%d")...),
		"the end beside more, at the ninth":  append(slices.Repeat([]string{"123456789"}, many), deep("123456789%d")...),
		"first and last bytes":               slices.Repeat([]string{"~", "!", "~~", "!!", "~!", "!~", "~~~~~~~~", "!!!!!!!!"}, many/4),
	} {
		t.Run(name, func(t *testing.T) {
			checkSort(t, plain(names...))
			slices.Reverse(names)
			checkSort(t, plain(names...))
		})
	}
	for _, n := range []int{255, 256, 257} { // at the length where the way of sorting changes
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			names := deep("n%d")[:n]
			checkSort(t, plain(names...))
			checkSort(t, plain(append(names, names...)...))
		})
	}
}

func prefixes(s string, n int) (out []string) {
	for i := range n {
		out = append(out, s[:1+i*13%len(s)])
	}
	return out
}
