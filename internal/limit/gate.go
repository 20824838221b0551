package limit

import "sync/atomic"

// Gate bounds how many requests are in flight.
type Gate struct {
	limit    int64
	inFlight atomic.Int64
}

// NewGate returns a Gate for limit requests at a time; 0 or less means no limit.
func NewGate(limit int) *Gate { return &Gate{limit: int64(limit)} }

// Enter lets one request in and returns true, or returns false at once if the limit is
// reached. After true the caller owes one Leave.
func (g *Gate) Enter() bool {
	for {
		n := g.inFlight.Load()
		if g.limit > 0 && n >= g.limit {
			return false
		}
		if g.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Leave gives back what one Enter took.
func (g *Gate) Leave() { g.inFlight.Add(-1) }

// InFlight returns how many requests are in flight.
func (g *Gate) InFlight() int { return int(g.inFlight.Load()) }
