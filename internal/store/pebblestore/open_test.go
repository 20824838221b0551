package pebblestore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

const app account.SDKAppID = 1400000001

func mustOpen(tb testing.TB, dir string) *pebblestore.Store {
	tb.Helper()
	s, err := pebblestore.Open(dir, pebblestore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func mustImport(tb testing.TB, s *pebblestore.Store, names ...string) {
	tb.Helper()
	b := account.Batch{At: 1}
	for _, n := range names {
		b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(n)})
	}
	if _, err := s.Import(context.Background(), app, b); err != nil {
		tb.Fatal(err)
	}
}

// fill makes a store in a new directory that holds n accounts in tables on disk.
func fill(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s := mustOpen(t, dir)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user-%05d", i)
	}
	mustImport(t, s, names...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pebblestore.Compact(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T) string
		want    error
	}{
		{"a directory in use", func(t *testing.T) string {
			dir := t.TempDir()
			mustOpen(t, dir)
			return dir
		}, pebblestore.ErrInUse},
		{"a directory of a newer format", func(t *testing.T) string {
			dir := fill(t, 1)
			overwrite(t, filepath.Join(dir, "MUSTER-FORMAT"), "99\n")
			return dir
		}, pebblestore.ErrNewerFormat},
		{"a directory with an unreadable format", func(t *testing.T) string {
			dir := fill(t, 1)
			overwrite(t, filepath.Join(dir, "MUSTER-FORMAT"), "\x00\x01")
			return dir
		}, pebblestore.ErrCorrupted},
		{"a directory of somebody else's files", func(t *testing.T) string {
			dir := t.TempDir()
			overwrite(t, filepath.Join(dir, "thesis.tex"), "x")
			return dir
		}, pebblestore.ErrNotAStore},
		{"a store that lost a table", func(t *testing.T) string {
			dir := fill(t, 10)
			if err := os.Remove(only(t, dir, "*.sst")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, pebblestore.ErrCorrupted},
		{"a store that lost its manifest", func(t *testing.T) string {
			dir := fill(t, 10)
			for _, m := range glob(t, dir, "MANIFEST-*") {
				overwrite(t, m, "not a manifest")
			}
			return dir
		}, pebblestore.ErrCorrupted},
		{"a path that is a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			overwrite(t, path, "x")
			return path
		}, syscall.ENOTDIR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.prepare(t)
			before := listing(t, dir)
			s, err := pebblestore.Open(dir, pebblestore.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("the store opened")
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("the error is %q, want one that wraps %q", err, tt.want)
			}
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("the error %q does not name the directory", err)
			}
			if errors.Is(tt.want, pebblestore.ErrNotAStore) && listing(t, dir) != before {
				t.Errorf("the directory changed from %s to %s", before, listing(t, dir))
			}
		})
	}
}

// TestOpenReadOnlyDirectory injects what a read-only file system answers: tests may run
// as root, whom a directory's mode does not stop.
func TestOpenReadOnlyDirectory(t *testing.T) {
	readOnly := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.EROFS
		}
		return nil
	})
	mem := vfs.NewMem()
	if err := mem.MkdirAll("store", 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := pebblestore.Open("store", pebblestore.Options{FS: errorfs.Wrap(mem, readOnly)})
	if !errors.Is(err, syscall.EROFS) {
		t.Fatalf("the error is %v, want one that wraps %v", err, syscall.EROFS)
	}
}

func TestFsck(t *testing.T) {
	plain := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			s := mustOpen(t, dir)
			mustImport(t, s, names...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(key, value []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			plain("a", "b", "c")(t, dir)
			err := pebblestore.Damage(dir, pebblestore.Options{}, func(b *pebble.Batch) error { return b.Set(key, value, nil) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	pushKey := func(change func(*presence.PushKey)) []byte {
		k := presence.PushKey{SDKAppID: app, UserID: "a", Platform: presence.IPhone, InstanceID: "i"}
		change(&k)
		return pebblestore.PushKey(k)
	}
	soundPush := pushKey(func(*presence.PushKey) {})
	tests := []struct {
		name    string
		prepare func(*testing.T, string)
		faults  []string // what each fault must mention
	}{
		{"a sound store", plain("a", "b", "c"), nil},
		{"an empty store", plain(), nil},
		{"a wrong count", set(pebblestore.CountKey(app), binary.BigEndian.AppendUint64(nil, 7)), []string{"count is 7, there are 3"}},
		{"a doubled TinyID", set(pebblestore.AccountKey(app, "d"), pebblestore.LiveRecord(account.FirstTinyID)), []string{"belongs to another account too", "count is 3, there are 4"}},
		{"a TinyID that was not given", set(pebblestore.AccountKey(app, "a"), pebblestore.LiveRecord(1<<60)), []string{"was not given"}},
		{"a broken record", set(pebblestore.AccountKey(app, "a"), []byte{1}), []string{"corrupted account record", "count is 3, there are 2"}},
		{"an impossible name", set(pebblestore.AccountKey(app, "a b"), pebblestore.LiveRecord(account.FirstTinyID+9)), []string{"printable ASCII", "was not given", "count is 3"}},
		{"a device", set(soundPush, pebblestore.PushRecord()), nil},
		{"a device of nobody", set(pushKey(func(k *presence.PushKey) { k.UserID = "" }), pebblestore.PushRecord()), []string{"the UserID is empty"}},
		{"a device of no Platform", set(pushKey(func(k *presence.PushKey) { k.Platform = "Fridge" }), pebblestore.PushRecord()), []string{`the Platform is "Fridge"`}},
		{"a device without a name", set(pushKey(func(k *presence.PushKey) { k.InstanceID = "" }), pebblestore.PushRecord()), []string{"has 0 bytes"}},
		{"a device whose name is long", set(pushKey(func(k *presence.PushKey) { k.InstanceID = strings.Repeat("i", 65) }), pebblestore.PushRecord()), []string{"has 65 bytes"}},
		{"a device whose key ends early", set(soundPush[:8], pebblestore.PushRecord()), []string{"malformed key"}},
		{"a device's key in another form", set(longForm(soundPush), pebblestore.PushRecord()), []string{"another form"}},
		{"a broken push record", set(soundPush, []byte{9, 0}), []string{"corrupted push record"}},
		{"a foreign key", set([]byte("zebra"), nil), []string{"unknown key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			tt.prepare(t, dir)
			r, err := pebblestore.Fsck(t.Context(), dir, pebblestore.Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if int(r.NumFaults) != len(tt.faults) {
				t.Fatalf("%d faults %q, want %d", r.NumFaults, r.Faults, len(tt.faults))
			}
			for _, want := range tt.faults {
				if !slices.ContainsFunc(r.Faults, func(f string) bool { return strings.Contains(f, want) }) {
					t.Errorf("no fault mentions %q: %q", want, r.Faults)
				}
			}
		})
	}
}

// longForm writes the length of the UserID in a device's key with a byte more than it needs.
func longForm(key []byte) []byte {
	return slices.Concat(key[:5], []byte{key[5] | 0x80, 0}, key[6:])
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s (%v)", pattern, dir, err)
	}
	return names
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	names := glob(t, dir, pattern)
	if len(names) != 1 {
		t.Fatalf("%d files %s, want one", len(names), pattern)
	}
	return names[0]
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "LOCK" {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}
