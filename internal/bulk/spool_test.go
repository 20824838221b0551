package bulk_test

import (
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/bulk"
)

// TestSpoolAgainstMap adds names, many of them several times, and counts them in a map too.
func TestSpoolAgainstMap(t *testing.T) {
	t.Parallel() // it waits for the disk
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s, err := bulk.NewSpool(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		seen := make(map[string]bool)
		added := rapid.SliceOf(rapid.IntRange(0, 300)).Draw(t, "names")
		for i, n := range added {
			name, existing := fmt.Sprint("user_", n), i%3 == 0
			if err := s.Add(name, existing); err != nil {
				t.Fatal(err)
			}
			seen[name] = seen[name] || existing
		}
		var want [3]int64 // new, existing, repeated
		for _, existing := range seen {
			if existing {
				want[1]++
			} else {
				want[0]++
			}
		}
		want[2] = int64(len(added) - len(seen))
		checkSpool(t, s, want)
	})
	checkEmpty(t, dir)
}

func TestSpoolMany(t *testing.T) {
	dir := t.TempDir()
	s, err := bulk.NewSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	const n = 300_000
	for i := range n {
		if err := s.Add(fmt.Sprint("user_", i/2*2), i%6 < 2); err != nil {
			t.Fatal(err)
		}
	}
	checkSpool(t, s, [3]int64{n / 3, n / 6, n / 2})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	checkEmpty(t, dir)
}

func TestSpoolNeedsDirectory(t *testing.T) {
	if s, err := bulk.NewSpool(t.TempDir() + "/none"); err == nil {
		s.Close()
		t.Error("no error")
	}
}

func checkSpool(tb failer, s *bulk.Spool, want [3]int64) {
	tb.Helper()
	var got [3]int64
	var err error
	if got[0], got[1], got[2], err = s.Finish(); err != nil || got != want {
		tb.Fatalf("new, existing, repeated are %v, want %v; error %v", got, want, err)
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, error %v", left, err)
	}
}

func BenchmarkSpool(b *testing.B) {
	const n = 1_000_000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user_%016x", uint64(i)*0x9e3779b97f4a7c15)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := bulk.NewSpool(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range names {
			if err := s.Add(name, false); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, _, err := s.Finish(); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/name")
}
