package faulttest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

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
	acked := acknowledged{ids: map[account.UserID]account.TinyID{}}
	if err := savePush(t.Context(), s, 1, &acked); err != nil {
		t.Fatal(err)
	}
	for j, o := range out {
		acked.ids[batch(0).Entries[j].UserID] = o.TinyID
	}

	toggle.On()
	if _, err := s.Import(t.Context(), app, batch(1)); !errors.Is(err, account.ErrFailed) {
		t.Errorf("import on a full disk: %v, want ErrFailed", err)
	}
	if err := savePush(t.Context(), s, 2, &acked); !errors.Is(err, account.ErrFailed) {
		t.Errorf("save of devices after the failure: %v, want ErrFailed", err)
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
