package limit_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-im/muster/internal/limit"
)

func TestGate(t *testing.T) {
	g := limit.NewGate(2)
	for range 2 {
		if !g.Enter() {
			t.Fatal("refused below the limit")
		}
	}
	if g.Enter() {
		t.Fatal("let in over the limit")
	}
	if got := g.InFlight(); got != 2 {
		t.Errorf("InFlight = %d, want 2: a refused request counts", got)
	}
	g.Leave()
	if got := g.InFlight(); got != 1 {
		t.Errorf("InFlight after one has left = %d, want 1", got)
	}
	if !g.Enter() {
		t.Error("refused although one has left")
	}
}

func TestGateWithoutLimit(t *testing.T) {
	g := limit.NewGate(0)
	for range 1000 {
		if !g.Enter() {
			t.Fatal("refused without a limit")
		}
	}
	if got := g.InFlight(); got != 1000 {
		t.Errorf("InFlight = %d, want 1000", got)
	}
}

// TestGateConcurrently lets several race for one place, which exactly one must get.
func TestGateConcurrently(t *testing.T) {
	const racers, rounds = 4, 20000
	g := limit.NewGate(1)
	var entered [rounds]atomic.Int32
	var round atomic.Int32
	var wg sync.WaitGroup
	race := func() {
		for r := range int32(rounds) {
			for round.Load() < r { // all start a round within a few instructions
				runtime.Gosched()
			}
			if g.Enter() {
				entered[r].Add(1)
			}
			wg.Done()
		}
	}
	wg.Add(racers)
	for range racers {
		go race()
	}
	for r := range int32(rounds) {
		wg.Wait()
		n := entered[r].Load()
		if n != 1 {
			t.Errorf("round %d: %d entered, want 1", r, n)
		}
		for range n {
			g.Leave()
		}
		if r+1 < rounds {
			wg.Add(racers)
			round.Store(r + 1)
		}
	}
	if n := g.InFlight(); n != 0 {
		t.Errorf("InFlight = %d at the end", n)
	}
}
