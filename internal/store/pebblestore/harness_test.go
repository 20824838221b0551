package pebblestore_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/pebblestore"
	"github.com/muster-im/muster/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, harness(pebblestore.Options{RunLength: storetest.LongBatch}))
}

// TestStoreWithoutIndex runs the suite on a store that is always as one is right after
// its start: the index of names is not complete, and Pebble is asked.
func TestStoreWithoutIndex(t *testing.T) {
	storetest.Run(t, harness(pebblestore.WithoutIndex(pebblestore.Options{RunLength: storetest.LongBatch})))
}

// TestStoreByRuns runs the suite on a store that makes a table of every import which may
// become one.
func TestStoreByRuns(t *testing.T) {
	storetest.Run(t, harness(pebblestore.Options{RunLength: 1}))
}

// TestStoreForgetful runs the suite on a store that has to read the last numbers of boxes, and
// what was sent, almost every time.
func TestStoreForgetful(t *testing.T) {
	storetest.Run(t, harness(pebblestore.Forgetful(pebblestore.Options{RunLength: storetest.LongBatch})))
}

func harness(o pebblestore.Options) storetest.Harness {
	return storetest.Harness{Open: func(tb testing.TB) storetest.Instance {
		i := &instance{fs: vfs.NewCrashableMem(), options: o}
		i.open(tb)
		return i
	}}
}

// instance is a store on a disk in memory that can lose what was not synced.
type instance struct {
	fs      *vfs.MemFS
	options pebblestore.Options
	store   *pebblestore.Store
}

func (i *instance) Store() store.Store { return i.store }

func (i *instance) Reopen(tb testing.TB) {
	tb.Helper()
	if err := i.store.Close(); err != nil {
		tb.Fatalf("close: %v", err)
	}
	i.open(tb)
}

// Crash keeps a random part of what was not synced: nothing, all, or some blocks of it.
func (i *instance) Crash(tb testing.TB) {
	tb.Helper()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	percent := []int{0, 0, 100, rng.IntN(101)}[rng.IntN(4)]
	tb.Logf("crash: seed %d, %d %% of what was not synced is kept", seed, percent)
	i.fs = i.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	i.open(tb)
}

func (i *instance) open(tb testing.TB) {
	tb.Helper()
	o := i.options
	o.FS = i.fs
	s, err := pebblestore.Open("data/store", o)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	i.store = s
	tb.Cleanup(func() { _ = s.Close() })
}
