package pebblestore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// BenchmarkRun imports new names in sorted runs, two at a time as the bulk door does; the
// time is of one account, and does not include the making of names.
func BenchmarkRun(b *testing.B) {
	for _, length := range []int{32 << 10, 128 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("length=%d", length), func(b *testing.B) {
			s, err := pebblestore.Open(b.TempDir(), pebblestore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			runs := make([]account.Batch, (b.N+length-1)/length)
			for i := range runs {
				runs[i] = account.Batch{Entries: sortedNames(min(length, max(b.N-i*length, 1))), At: 1_700_000_000}
			}
			next := make(chan account.Batch)
			b.ReportAllocs()
			b.ResetTimer()
			var workers sync.WaitGroup
			for range 2 {
				workers.Go(func() {
					for run := range next {
						if _, err := s.Import(b.Context(), 1, run); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for _, run := range runs {
				next <- run
			}
			close(next)
			workers.Wait()
			b.StopTimer()
		})
	}
}

// sortedNames returns n entries with new random names.
func sortedNames(n int) []account.Entry {
	entries := make([]account.Entry, n)
	var text strings.Builder
	for range entries {
		fmt.Fprintf(&text, "user_%016x", rand.Uint64())
	}
	for i := range entries {
		entries[i].UserID = account.UserID(text.String()[i*21 : (i+1)*21])
	}
	slices.SortFunc(entries, func(x, y account.Entry) int { return strings.Compare(string(x.UserID), string(y.UserID)) })
	return entries
}
