// Package storetest is the one suite that every store.Store must pass. It holds each
// sentence of the contract (account.Store, presence.Store, message.Store, store.Store) against a backend, first call
// by call, then under concurrency, against a model, and across restarts and crashes.
//
// A backend describes itself with a Harness and calls Run. What it cannot do it says
// in Unsupported, so that a new backend starts with everything switched on and a gap
// is always written down. Linearize, Crashes and Workload are exported on their own so
// that a soak can run more of the same, also against a server over HTTP.
package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/muster-im/muster/internal/store"
)

// Harness describes a backend to the suite.
type Harness struct {
	// Open makes an Instance that holds nothing and shares nothing with any other. What
	// it uses is released by tb.Cleanup, which must bear that the suite has closed the
	// store already. The store must take 128 calls at once without account.ErrBusy.
	Open func(tb testing.TB) Instance

	Unsupported Unsupported

	// Seed makes the random choices of a run repeatable, as far as the scheduler lets
	// it; 0 picks one. The seed in use is in the test's log.
	Seed uint64
}

// Instance is one store together with the place where its data lasts. Store is called
// from several goroutines at once, but never during Reopen or Crash.
type Instance interface {
	// Store returns the store that is open now.
	Store() store.Store

	// Reopen makes sure that the store is closed, which the suite may have done
	// already, and opens the same data again.
	Reopen(tb testing.TB)

	// Crash takes the data as a power cut would leave them at this instant: what is
	// durable is there, the rest may be there or not, in part too. It opens that as the
	// new store. Calls are under way on the old one meanwhile; they may end in any way
	// but must end, and whatever they do after Crash was called must not reach the data
	// of the new store.
	Crash(tb testing.TB)
}

// Unsupported says what a backend cannot do, each as the reason why not; empty means
// that it can. The tests in question are skipped with that reason, and the methods of
// Instance that they need are never called.
type Unsupported struct {
	Reopen string // data do not outlive the store
	Crash  string // a crash cannot be simulated
}

// Run runs the whole suite, each tier as a subtest.
func Run(t *testing.T, h Harness) {
	runStanding(t, h)
	runLasting(t, h)
}

// runStanding runs the tiers in which a store stays open.
func runStanding(t *testing.T, h Harness) {
	t.Run("Basic", func(t *testing.T) { runCases(t, h, slices.Concat(basicCases(), longCases(h.seed(t)))) })
	t.Run("Concurrent", func(t *testing.T) { runCases(t, h, concurrentCases(h.seed(t))) })
	t.Run("Linearizable", func(t *testing.T) {
		w := DefaultWorkload(h.seed(t))
		t.Run("AllAnswered", func(t *testing.T) { Linearize(t, h, 8, w) })
		w.Abandon = 10
		t.Run("SomeAbandoned", func(t *testing.T) { Linearize(t, h, 8, w) })
		t.Run("LongBatches", func(t *testing.T) { linearizeLong(t, h, w) })
	})
	t.Run("Push", func(t *testing.T) { runCases(t, h, slices.Concat(pushCases(), pushConcurrentCases(h.seed(t)))) })
	t.Run("Messages", func(t *testing.T) {
		runCases(t, h, slices.Concat(messageCases(), messageConcurrentCases(h.seed(t))))
	})
}

// runLasting runs those in which it is opened again, if it can be.
func runLasting(t *testing.T, h Harness) {
	t.Run("Model", func(t *testing.T) { Model(t, h) })
	t.Run("MessageModel", func(t *testing.T) { MessageModel(t, h) })
	t.Run("Reopen", func(t *testing.T) {
		skipIf(t, h.Unsupported.Reopen)
		seed := h.seed(t)
		runCases(t, h, slices.Concat(reopenCases(seed), pushReopenCases(seed), messageReopenCases(seed)))
	})
	t.Run("Crash", func(t *testing.T) {
		skipIf(t, h.Unsupported.Crash)
		seed := h.seed(t)
		t.Run("Acknowledged", func(t *testing.T) { Crashes(t, h, 6, seed) })
		t.Run("Linearizable", func(t *testing.T) { linearizeCrashes(t, h, 4, 3, DefaultWorkload(seed)) })
		t.Run("LongBatches", func(t *testing.T) { crashLong(t, h, 4, seed) })
		t.Run("Push", func(t *testing.T) { crashPush(t, h, 6, seed) })
		t.Run("Messages", func(t *testing.T) { crashMessages(t, h, 6, seed) })
		t.Run("LinearizableLongBatches", func(t *testing.T) { linearizeCrashes(t, h, 1, 3, longWorkload(seed)) })
	})
}

// testCase is one test of the suite on a fresh Instance. It takes a testing.TB by way of
// the client, so that the suite's own tests can watch it fail.
type testCase struct {
	name string
	run  func(c *client)
}

func runCases(t *testing.T, h Harness, cases []testCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { tc.run(newClient(t, h)) })
	}
}

// seed returns the seed of this run and logs it.
func (h Harness) seed(tb testing.TB) uint64 {
	tb.Helper()
	seed := h.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	tb.Logf("seed %d", seed)
	return seed
}

func skipIf(t *testing.T, reason string) {
	t.Helper()
	if reason != "" {
		t.Skipf("unsupported: %s", reason)
	}
}
