package limit_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/limit"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestAllowCountsDown(t *testing.T) {
	r := limit.NewRates(start)
	steps := []struct {
		name  string
		after time.Duration // since start
		want  limit.Decision
	}{
		{"full", 0, limit.Decision{Allowed: true, Limit: 2, Remaining: 1, Reset: 500 * time.Millisecond}},
		{"the last one", 0, limit.Decision{Allowed: true, Limit: 2, Remaining: 0, Reset: time.Second}},
		{"empty", 0, limit.Decision{Limit: 2, Reset: time.Second, RetryAfter: 500 * time.Millisecond}},
		{"still empty", 499 * time.Millisecond, limit.Decision{Limit: 2, Reset: 501 * time.Millisecond, RetryAfter: time.Millisecond}},
		{"one is back", 500 * time.Millisecond, limit.Decision{Allowed: true, Limit: 2, Remaining: 0, Reset: time.Second}},
		{"full again, not more", time.Hour, limit.Decision{Allowed: true, Limit: 2, Remaining: 1, Reset: 500 * time.Millisecond}},
	}
	for _, s := range steps {
		if diff := cmp.Diff(s.want, r.Allow(1, "kick", 2, start.Add(s.after))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
	}
}

func TestAllowKeepsAppsAndCommandsApart(t *testing.T) {
	r := limit.NewRates(start)
	if !r.Allow(1, "kick", 1, start).Allowed || r.Allow(1, "kick", 1, start).Allowed {
		t.Fatal("a rate of 1 does not allow exactly one call")
	}
	if !r.Allow(2, "kick", 1, start).Allowed {
		t.Error("App 1 has used up App 2's calls")
	}
	if !r.Allow(1, "account_check", 1, start).Allowed {
		t.Error("kick has used up account_check's calls")
	}
}

func TestAllowWithoutLimit(t *testing.T) {
	r := limit.NewRates(start)
	for _, rate := range []int{0, -1} {
		for range 1000 {
			if diff := cmp.Diff(limit.Decision{Allowed: true}, r.Allow(1, "kick", rate, start)); diff != "" {
				t.Fatalf("rate %d (-want +got):\n%s", rate, diff)
			}
		}
	}
}

func TestChangedRateTakesEffectAtOnce(t *testing.T) {
	allowed := func(r *limit.Rates, rate int, now time.Time) (n int) {
		for r.Allow(1, "kick", rate, now).Allowed {
			n++
		}
		return n
	}
	tests := []struct {
		name          string
		before, after int
		now           time.Time // the instant of the change; the bucket was emptied at start
		want          int
	}{
		{"raised, empty", 10, 1000, start, 0},
		{"raised, half full", 10, 1000, start.Add(500 * time.Millisecond), 500},
		{"lowered, half full", 1000, 10, start.Add(500 * time.Millisecond), 5},
		{"lowered, full", 1000, 10, start.Add(time.Second), 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := limit.NewRates(start)
			if got := allowed(r, tt.before, start); got != tt.before {
				t.Fatalf("%d calls at once before the change, want %d", got, tt.before)
			}
			if got := allowed(r, tt.after, tt.now); got != tt.want {
				t.Errorf("%d calls after the change, want %d", got, tt.want)
			}
		})
	}
}

// TestNeverOverBurstPlusRate holds the limiter's promise over every stretch of time, and
// what it says of itself: RetryAfter and Remaining are exact.
func TestNeverOverBurstPlusRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 1_000_000)).Draw(t, "rate")
		r := limit.NewRates(start)
		now := start
		var admitted []time.Time
		gaps := rapid.SliceOfN(rapid.Int64Range(0, 3*int64(time.Second)/int64(rate)), 1, 200).Draw(t, "gaps")
		for _, gap := range gaps {
			now = now.Add(time.Duration(gap))
			d := r.Allow(1, "kick", rate, now)
			if !d.Allowed {
				if d.RetryAfter <= 0 || d.RetryAfter > d.Reset {
					t.Fatalf("refused, but %+v", d)
				}
				if early := r.Allow(1, "kick", rate, now.Add(d.RetryAfter-1)); early.Allowed {
					t.Fatalf("allowed before RetryAfter was over: %+v", d)
				}
				now = now.Add(d.RetryAfter)
				if d = r.Allow(1, "kick", rate, now); !d.Allowed {
					t.Fatalf("refused after RetryAfter: %+v", d)
				}
			}
			admitted = append(admitted, now)
		}
		for i := range admitted {
			for j := i; j < len(admitted); j++ {
				// calls <= burst + rate·t, in whole numbers
				calls, took := int64(j-i+1), admitted[j].Sub(admitted[i])
				if (calls-int64(rate))*int64(time.Second) > int64(rate)*int64(took) {
					t.Fatalf("%d calls in %v at a rate of %d", calls, took, rate)
				}
			}
		}
	})
}

func TestRemainingIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 3000).Draw(t, "rate")
		used := rapid.IntRange(1, rate).Draw(t, "used")
		gap := rapid.Int64Range(0, 2*int64(time.Second)).Draw(t, "gap")
		r := limit.NewRates(start)
		for range used {
			if !r.Allow(1, "kick", rate, start).Allowed {
				t.Fatalf("refused within the burst of %d", rate)
			}
		}
		now := start.Add(time.Duration(gap))
		d := r.Allow(1, "kick", rate, now)
		for range d.Remaining {
			if !r.Allow(1, "kick", rate, now).Allowed {
				t.Fatalf("fewer calls left than %+v said", d)
			}
		}
		if r.Allow(1, "kick", rate, now).Allowed {
			t.Fatalf("more calls left than %+v said", d)
		}
	})
}

func TestAllowConcurrently(t *testing.T) {
	const rate = 300
	r := limit.NewRates(start)
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range rate {
				if r.Allow(1, "kick", rate, start).Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := admitted.Load(); got != rate {
		t.Errorf("%d calls at once, want %d", got, rate)
	}
}

func TestHugeRate(t *testing.T) {
	r := limit.NewRates(start)
	d := r.Allow(1, "kick", math.MaxInt32, start)
	if !d.Allowed || d.Limit != math.MaxInt32 || d.Remaining != math.MaxInt32-1 {
		t.Errorf("Allow = %+v", d)
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	r := limit.NewRates(start)
	if n := testing.AllocsPerRun(100, func() { r.Allow(1, "kick", 200, start) }); n != 0 {
		t.Errorf("%v allocations for a call", n)
	}
}

func BenchmarkAllow(b *testing.B) {
	r := limit.NewRates(start)
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		r.Allow(1, "multiaccount_import", 200, now)
	}
}
