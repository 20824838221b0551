package limit_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/limit"
)

func fail(l *limit.Lockout, times int, app account.SDKAppID, source string, now time.Time) {
	for range times {
		l.Fail(app, source, now)
	}
}

func TestLockoutLocksForAMinute(t *testing.T) {
	l := limit.NewLockout(3, start)
	fail(l, 2, 1, "192.0.2.1", start)
	if l.Locked(1, "192.0.2.1", start) {
		t.Error("locked below the limit")
	}
	third := start.Add(59 * time.Second)
	l.Fail(1, "192.0.2.1", third)
	for _, tt := range []struct {
		name   string
		app    account.SDKAppID
		source string
		now    time.Time
		want   bool
	}{
		{"at once", 1, "192.0.2.1", third, true},
		{"to the end of the minute", 1, "192.0.2.1", third.Add(time.Minute - 1), true},
		{"no longer", 1, "192.0.2.1", third.Add(time.Minute), false},
		{"another App", 2, "192.0.2.1", third, false},
		{"another source", 1, "192.0.2.2", third, false},
		{"no source", 1, "", third, false},
	} {
		if got := l.Locked(tt.app, tt.source, tt.now); got != tt.want {
			t.Errorf("%s: Locked = %v, want %v", tt.name, got, tt.want)
		}
	}

	// A new count begins after the lock.
	after := third.Add(time.Minute)
	fail(l, 2, 1, "192.0.2.1", after)
	if l.Locked(1, "192.0.2.1", after) {
		t.Error("failures from before the lock count again")
	}
}

func TestLockoutForgetsFailuresAfterAMinute(t *testing.T) {
	l := limit.NewLockout(3, start)
	fail(l, 2, 1, "192.0.2.1", start)
	fail(l, 2, 1, "192.0.2.1", start.Add(time.Minute))
	if l.Locked(1, "192.0.2.1", start.Add(time.Minute)) {
		t.Error("failures more than a minute apart add up")
	}
}

func TestLockoutIsNotProlonged(t *testing.T) {
	l := limit.NewLockout(1, start)
	l.Fail(1, "192.0.2.1", start)
	fail(l, 5, 1, "192.0.2.1", start.Add(59*time.Second))
	if l.Locked(1, "192.0.2.1", start.Add(time.Minute)) {
		t.Error("a call that was under way when the lock began prolongs it")
	}
}

func TestLockoutOff(t *testing.T) {
	for _, failures := range []int{0, -1} {
		l := limit.NewLockout(failures, start)
		fail(l, 1000, 1, "192.0.2.1", start)
		if l.Locked(1, "192.0.2.1", start) {
			t.Errorf("NewLockout(%d) locks", failures)
		}
	}
}

func TestLockoutSources(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name string
		a, b string
		same bool
	}{
		{"an IPv6 network", "2001:db8::1", "2001:db8::ffff:2", true},
		{"two IPv6 networks", "2001:db8::1", "2001:db8:0:1::1", false},
		{"IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", true},
		{"two IPv4 addresses in IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"zones", "fe80::1%eth0", "fe80::1%eth1", true},
		{"names", "@", "unix", false},
		{"nothing and a name", "", "unix", false},
		{"an absurd name", long, long + "y", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.NewLockout(1, start)
			l.Fail(1, tt.a, start)
			if !l.Locked(1, tt.a, start) {
				t.Error("the source itself is not locked")
			}
			if got := l.Locked(1, tt.b, start); got != tt.same {
				t.Errorf("the other source: Locked = %v, want %v", got, tt.same)
			}
		})
	}
}

func address(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }

// TestFloodUnlocksNobody fails from far more sources than a Lockout follows.
func TestFloodUnlocksNobody(t *testing.T) {
	l := limit.NewLockout(2, start)
	fail(l, 2, 1, "192.0.2.1", start)
	fail(l, 1, 1, "192.0.2.2", start)
	for i := range limit.MaxSources + 10 {
		l.Fail(1, address(i), start)
	}
	if !l.Locked(1, "192.0.2.1", start) {
		t.Error("a flood of single failures unlocks a source")
	}
	// The oldest count below the limit made room.
	l.Fail(1, "192.0.2.2", start)
	if l.Locked(1, "192.0.2.2", start) {
		t.Error("more than MaxSources are followed")
	}
	// The newest are still counted.
	l.Fail(1, address(limit.MaxSources+9), start)
	if !l.Locked(1, address(limit.MaxSources+9), start) {
		t.Error("the newest source was forgotten")
	}
}

func TestFloodOfLocksStaysBounded(t *testing.T) {
	l := limit.NewLockout(1, start)
	for i := range limit.MaxSources {
		l.Fail(1, address(i), start)
	}
	l.Fail(1, "192.0.2.1", start)
	if l.Locked(1, "192.0.2.1", start) {
		t.Error("a source is locked although there was no room for it")
	}
	for _, i := range []int{0, limit.MaxSources / 2, limit.MaxSources - 1} {
		if !l.Locked(1, address(i), start) {
			t.Errorf("source %d was unlocked to make room", i)
		}
	}
	later := start.Add(time.Minute)
	l.Fail(1, "192.0.2.1", later)
	if !l.Locked(1, "192.0.2.1", later) {
		t.Error("there is no room after all locks are over")
	}
}

// TestLockoutModel compares a Lockout with the rule written down plainly.
func TestLockoutModel(t *testing.T) {
	type state struct {
		failures    int
		windowEnds  time.Time
		lockedUntil time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		failures := rapid.IntRange(1, 4).Draw(t, "failures")
		l := limit.NewLockout(failures, start)
		now := start
		model := make(map[string]*state)
		sources := []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{1, time.Second, 20 * time.Second, time.Minute - 1, time.Minute}).Draw(t, "for"))
			},
			"fail": func(t *rapid.T) {
				source := rapid.SampledFrom(sources).Draw(t, "source")
				l.Fail(1, source, now)
				s := model[source]
				if s == nil {
					s = new(state)
					model[source] = s
				}
				if now.Before(s.lockedUntil) {
					return
				}
				if !now.Before(s.windowEnds) {
					s.failures, s.windowEnds = 0, now.Add(time.Minute)
				}
				if s.failures++; s.failures >= failures {
					*s = state{lockedUntil: now.Add(time.Minute)}
				}
			},
			"": func(t *rapid.T) {
				for _, source := range sources {
					want := model[source] != nil && now.Before(model[source].lockedUntil)
					if got := l.Locked(1, source, now); got != want {
						t.Fatalf("Locked(%s) = %v, want %v", source, got, want)
					}
				}
			},
		})
	})
}

// TestLockoutConcurrently is for the race detector.
func TestLockoutConcurrently(t *testing.T) {
	l := limit.NewLockout(20, start)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				now := start.Add(time.Duration(i) * time.Millisecond)
				l.Fail(account.SDKAppID(w%2), address(i%7), now)
				l.Locked(account.SDKAppID(w%2), address(i%7), now)
			}
		})
	}
	wg.Wait()
	if !l.Locked(1, address(1), start.Add(time.Second)) {
		t.Error("100 failures do not lock")
	}
}

func TestLockedDoesNotAllocate(t *testing.T) {
	l := limit.NewLockout(1, start)
	l.Fail(1, "192.0.2.1", start)
	if n := testing.AllocsPerRun(100, func() { l.Locked(1, "192.0.2.2", start) }); n != 0 {
		t.Errorf("%v allocations for a source that is not locked while another is", n)
	}
}

func BenchmarkLocked(b *testing.B) {
	for _, anyLocked := range []bool{false, true} {
		b.Run(fmt.Sprintf("locks=%v", anyLocked), func(b *testing.B) {
			l := limit.NewLockout(1, start)
			if anyLocked {
				l.Fail(1, "192.0.2.1", start)
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Locked(1, "192.0.2.2", start)
			}
		})
	}
}
