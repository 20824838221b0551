package server

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may grow beside the live heap before it is collected.
//
// Most of the heap of a server with many accounts is the store's name index: one large
// block without pointers, which costs a collection nothing to mark but would let as many
// bytes of garbage grow beside it at the usual 100. Collecting at half of that keeps the
// memory within its budget, and is cheap because little of the heap has pointers.
const gcPercent = 50

// tuneGC sets the pace of the garbage collector, which belongs to the whole process,
// unless the operator did so by GOGC or GOMEMLIMIT.
func tuneGC() {
	_, percent := os.LookupEnv("GOGC")
	_, limit := os.LookupEnv("GOMEMLIMIT")
	if !percent && !limit {
		debug.SetGCPercent(gcPercent)
	}
}
