package faulttest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

const app account.SDKAppID = 1400000001

// TestFaultSweep makes the i-th operation of the file system fail, for one i after the
// other until none is left to fail. Whatever happens, opening the store again on what was
// synced must show every acknowledged account with its first TinyID, every batch whole
// or not at all, and retries must do the rest.
func TestFaultSweep(t *testing.T) { sweep(t, pebblestore.Options{}, 1) }

// TestFaultSweepByRuns does so for imports that become tables of their own. They have a
// thousand operations, of which each time others are made to fail.
func TestFaultSweepByRuns(t *testing.T) { sweep(t, pebblestore.Options{RunLength: 1}, 5) }

func sweep(t *testing.T, o pebblestore.Options, step int32) {
	t.Helper()
	if testing.Short() {
		step = max(step, 7)
	}
	runs, surfaced := 0, 0
	first := rand.Int32N(step)
	t.Logf("every %d. operation from %d on", step, first)
	for i := first; ; i += step {
		mem := vfs.NewCrashableMem()
		var ops atomic.Int32
		inject := errorfs.InjectorFunc(func(errorfs.Op) error {
			if ops.Add(1) == i+1 {
				return errorfs.ErrInjected
			}
			return nil
		})
		o.FS = errorfs.Wrap(mem, inject)
		acked, failed := importUntilFault(t, o)
		if runs++; failed {
			surfaced++
		}
		verify(t, fmt.Sprintf("fault at %d", i), mem.CrashClone(vfs.CrashCloneCfg{}), acked)
		if t.Failed() {
			return
		}
		if ops.Load() <= i { // the run had fewer operations
			break
		}
	}
	t.Logf("%d runs, in %d of them the fault surfaced", runs, surfaced)
	if surfaced == 0 {
		t.Error("no fault ever surfaced: the sweep tests nothing")
	}
}

const batches, batchSize = 20, 10

func batch(i int) account.Batch {
	b := account.Batch{At: int64(i + 1)}
	for j := range batchSize {
		b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("user-%d-%d", i, j))})
	}
	return b
}

// importUntilFault imports the batches and returns what was acknowledged, and whether
// the store ever returned an error.
func importUntilFault(t *testing.T, o pebblestore.Options) (acked map[account.UserID]account.TinyID, failed bool) {
	t.Helper()
	acked = map[account.UserID]account.TinyID{}
	s, err := pebblestore.Open("store", o)
	if err != nil {
		return acked, true
	}
	for i := range batches {
		if i == batches/2 { // a reopening turns the log into a table
			if err := s.Close(); err != nil {
				return acked, true
			}
			if s, err = pebblestore.Open("store", o); err != nil {
				return acked, true
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		out, err := s.Import(ctx, app, batch(i))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("a call hung although the store had failed")
		}
		if err != nil {
			failed = true
			continue
		}
		for j, o := range out {
			acked[batch(i).Entries[j].UserID] = o.TinyID
		}
	}
	if err := s.Close(); err != nil {
		failed = true
	}
	return acked, failed
}

func verify(t *testing.T, when string, fsys vfs.FS, acked map[account.UserID]account.TinyID) {
	t.Helper()
	s, err := pebblestore.Open("store", pebblestore.Options{FS: fsys})
	if err != nil {
		t.Fatalf("%s: open again: %v", when, err)
	}
	defer s.Close()
	seen := map[account.TinyID]account.UserID{}
	for i := range batches {
		b := batch(i)
		ids := make([]account.UserID, len(b.Entries))
		for j, e := range b.Entries {
			ids[j] = e.UserID
		}
		found, err := s.Get(t.Context(), app, ids)
		if err != nil {
			t.Fatalf("%s: get: %v", when, err)
		}
		there := 0
		for _, a := range found {
			if a.Exists() {
				there++
			}
			if want := acked[a.UserID]; want != 0 && a.TinyID != want {
				t.Errorf("%s: %s was acknowledged with TinyID %d and has %d", when, a.UserID, want, a.TinyID)
			}
		}
		if there != 0 && there != batchSize {
			t.Errorf("%s: %d of %d accounts of batch %d are there", when, there, batchSize, i)
		}
		b.TinyIDs = true
		out, err := s.Import(t.Context(), app, b)
		if err != nil {
			t.Fatalf("%s: retry: %v", when, err)
		}
		for j, o := range out {
			if other, twice := seen[o.TinyID]; twice {
				t.Errorf("%s: %s and %s have the same TinyID", when, other, ids[j])
			}
			seen[o.TinyID] = ids[j]
		}
	}
	if n, err := s.Count(t.Context(), app); err != nil || n != batches*batchSize {
		t.Errorf("%s: count %d (%v), want %d", when, n, err, batches*batchSize)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: close: %v", when, err)
	}
}

// TestDiskFull lets every write fail with ENOSPC from some moment on: the calls fail with
// ErrFailed, the owner is told once why, and what was acknowledged is there afterwards.
func TestDiskFull(t *testing.T) {
	mem := vfs.NewCrashableMem()
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	toggle := &errorfs.Toggle{Injector: full}
	told := make(chan error, 2)
	s, err := pebblestore.Open("store", pebblestore.Options{
		FS: errorfs.Wrap(mem, toggle), OnFailure: func(err error) { told <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Import(t.Context(), app, batch(0))
	if err != nil {
		t.Fatal(err)
	}
	acked := map[account.UserID]account.TinyID{}
	for j, o := range out {
		acked[batch(0).Entries[j].UserID] = o.TinyID
	}

	toggle.On()
	if _, err := s.Import(t.Context(), app, batch(1)); !errors.Is(err, account.ErrFailed) {
		t.Errorf("import on a full disk: %v, want ErrFailed", err)
	}
	if err := <-told; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("OnFailure was told %v, want ENOSPC", err)
	}
	if _, err := s.Check(t.Context(), app, []account.UserID{"a"}); !errors.Is(err, account.ErrFailed) {
		t.Errorf("check after the failure: %v, want ErrFailed", err)
	}
	if err := s.Close(); !errors.Is(err, account.ErrFailed) {
		t.Errorf("close after the failure: %v, want ErrFailed", err)
	}
	verify(t, "full disk", mem.CrashClone(vfs.CrashCloneCfg{}), acked)
	if len(told) != 0 {
		t.Errorf("OnFailure was told again: %v", <-told)
	}
}

// TestDamagedTable flips one byte in a table: the store must say so and stop, not serve
// around the hole.
func TestDamagedTable(t *testing.T) {
	// Not t.TempDir: the store that fails is abandoned and may still make files meanwhile.
	root, err := os.MkdirTemp("", "muster-damaged") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	dir := filepath.Join(root, "store")
	makeTable(t, dir)
	paths, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("tables %q (%v), want one", paths, err)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	b[200] ^= 0x40 // in the first of several blocks
	if err := os.WriteFile(paths[0], b, 0o600); err != nil {
		t.Fatal(err)
	}

	failed := make(chan error, 1)
	s, err := pebblestore.Open(dir, pebblestore.Options{OnFailure: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := <-failed; !pebble.IsCorruptionError(err) {
		t.Errorf("OnFailure got %v, want a corruption error", err)
	}
	if _, err := s.Check(t.Context(), app, []account.UserID{"user-00001"}); !errors.Is(err, account.ErrFailed) {
		t.Errorf("Check: %v, want ErrFailed", err)
	}
}

// makeTable makes a store in dir whose accounts are in one table.
func makeTable(t *testing.T, dir string) {
	t.Helper()
	s, err := pebblestore.Open(dir, pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		b := account.Batch{At: 1}
		for j := range 100 {
			b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("user-%05d", i*100+j))})
		}
		if _, err := s.Import(t.Context(), app, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(), pebblestore.Compact(t.Context(), dir)); err != nil {
		t.Fatal(err)
	}
}
