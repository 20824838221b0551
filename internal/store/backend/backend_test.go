package backend_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
)

func TestOpen(t *testing.T) {
	for _, dsn := range []store.DSN{
		{Backend: store.Memory},
		{Backend: store.Pebble, Dir: filepath.Join(t.TempDir(), "new")},
	} {
		t.Run(dsn.Backend, func(t *testing.T) {
			s, err := backend.Open(dsn, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Import(t.Context(), 1, account.Batch{Entries: []account.Entry{{UserID: "a"}}, At: 1}); err != nil {
				t.Error(err)
			}
			if n, err := s.Count(t.Context(), 1); n != 1 || err != nil {
				t.Errorf("Count = %d, %v", n, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever makes a store unusable must be a *Fault, and must not be a store.
func TestFaults(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	first, err := backend.Open(store.DSN{Backend: store.Pebble, Dir: used}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })

	for _, tt := range []struct {
		name      string
		dsn       store.DSN
		notAStore bool
	}{
		{"foreign directory", store.DSN{Backend: store.Pebble, Dir: foreign}, true},
		{"in use", store.DSN{Backend: store.Pebble, Dir: used}, false},
		{"a file", store.DSN{Backend: store.Pebble, Dir: filepath.Join(foreign, "photo.jpg")}, false},
		{"unknown backend", store.DSN{Backend: "tape"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := backend.Open(tt.dsn, backend.Options{})
			if _, ok := errors.AsType[*backend.Fault](err); !ok || s != nil {
				t.Errorf("Open = %v, %v", s, err)
			}
			if got := backend.IsNotAStore(err); got != tt.notAStore {
				t.Errorf("IsNotAStore = %t for %v", got, err)
			}
		})
	}
}

func TestFsckAndCompact(t *testing.T) {
	dsn := store.DSN{Backend: store.Pebble, Dir: t.TempDir()}
	s, err := backend.Open(dsn, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), 1, account.Batch{Entries: []account.Entry{{UserID: "a"}, {UserID: "b"}}, At: 1}); err != nil {
		t.Fatal(err)
	}
	_, err = backend.Fsck(t.Context(), dsn, nil)
	if _, ok := errors.AsType[*backend.Fault](err); !ok {
		t.Errorf("Fsck of a store in use = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := backend.Compact(t.Context(), dsn); err != nil {
		t.Error(err)
	}
	report, err := backend.Fsck(t.Context(), dsn, nil)
	if err != nil || report.Accounts != 2 || report.NumFaults != 0 {
		t.Errorf("Fsck = %+v, %v", report, err)
	}
	if _, err := backend.Fsck(t.Context(), store.DSN{Backend: store.Memory}, nil); err == nil {
		t.Error("a store in memory was checked")
	}
}
