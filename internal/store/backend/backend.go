// Package backend opens a store by its DSN. It is the one place that knows every
// backend; packages above see a store.Store and the errors that are named here.
package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// Options are for the backends that have a use for them.
type Options struct {
	// Logger gets the store's own events; nil discards them.
	Logger *slog.Logger
	// OnFailure is called once if the store meets a fault after which it cannot promise
	// durability any more. The process should end then. May be nil.
	OnFailure func(*Fault)
	// QueueLen is how many writes may wait; 0 means the backend's default.
	QueueLen int
}

// Open opens the store that dsn names, creating it if it is not there. Its error is a
// *Fault.
func Open(dsn store.DSN, o Options) (store.Store, error) {
	switch dsn.Backend {
	case store.Memory:
		return memstore.New(), nil
	case store.Pebble:
		s, err := pebblestore.Open(dsn.Dir, o.pebble())
		if err != nil {
			return nil, &Fault{err} // not s: a nil *Store in an interface is not nil
		}
		return s, nil
	default:
		return nil, &Fault{errUnknown(dsn)}
	}
}

func (o *Options) pebble() pebblestore.Options {
	po := pebblestore.Options{Logger: o.Logger, QueueLen: o.QueueLen}
	if o.OnFailure != nil {
		po.OnFailure = func(err error) { o.OnFailure(&Fault{err}) }
	}
	return po
}

// Report is what Fsck found.
type Report = pebblestore.Report

// Fsck checks the store that dsn names, which nobody else may have open, without
// changing it. progress, which may be nil, is called now and then with the number of
// records read. The error says that the check could not be made; what it found wrong is
// in the Report. It is a *Fault unless ctx ended, or the store is one in memory, which
// has nothing to check.
func Fsck(ctx context.Context, dsn store.DSN, progress func(records int64)) (Report, error) {
	if err := onDisk(dsn); err != nil {
		return Report{}, err
	}
	report, err := pebblestore.Fsck(ctx, dsn.Dir, pebblestore.Options{}, progress)
	return report, fault(ctx, err)
}

// Compact brings the store that dsn names, which nobody else may have open, into its
// smallest form on disk.
func Compact(ctx context.Context, dsn store.DSN) error {
	if err := onDisk(dsn); err != nil {
		return err
	}
	return fault(ctx, pebblestore.Compact(ctx, dsn.Dir))
}

// Scan reads the store that dsn names, which nobody else may have open, in the fastest way
// that there is, and returns how many records of accounts it has.
func Scan(ctx context.Context, dsn store.DSN) (int64, error) {
	if err := onDisk(dsn); err != nil {
		return 0, err
	}
	n, err := pebblestore.Scan(dsn.Dir)
	return n, fault(ctx, err)
}

func onDisk(dsn store.DSN) error {
	switch dsn.Backend {
	case store.Pebble:
		return nil
	case store.Memory:
		return errors.New("backend: a store in memory is gone with its server: name a pebble:DIR")
	default:
		return errUnknown(dsn)
	}
}

func errUnknown(dsn store.DSN) error {
	return fmt.Errorf("backend: there is no backend %q", dsn.Backend)
}

// Fault is an error about the store as a whole: it cannot be opened, because another
// process has it, a newer version wrote it, it is damaged, its directory holds something
// else or may not be written; or it failed while in use.
type Fault struct{ Err error }

// Error implements error.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns what happened.
func (f *Fault) Unwrap() error { return f.Err }

// fault returns err as a Fault, unless it only says that the caller gave up.
func fault(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &Fault{err}
}

// IsNotAStore reports whether err says that the directory holds something else.
func IsNotAStore(err error) bool { return errors.Is(err, pebblestore.ErrNotAStore) }
