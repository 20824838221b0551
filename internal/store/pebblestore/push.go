package pebblestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// SavePush implements presence.Store. It goes the way of all writes, so that it shares the
// sync of the log with them, and what became of it when the store fails or closes.
func (s *Store) SavePush(ctx context.Context, put []presence.PushDevice, remove []presence.PushKey) error {
	op := &pushOp{edits: make([]edit, 0, len(put)+len(remove))}
	for i := range put {
		op.edits = append(op.edits, edit{key: pushKey(&put[i].PushKey), value: pushRecord(&put[i])})
	}
	for i := range remove {
		op.edits = append(op.edits, edit{key: pushKey(&remove[i])})
	}
	if err := s.submit(ctx, op); err != nil {
		return fmt.Errorf("pebblestore: save push: %w", err)
	}
	return nil
}

// pushOp writes devices that can be reached by push. Its edits stand apart from the staging
// of accounts, and in the order of the calls: a key may be in several calls of a group.
type pushOp struct{ edits []edit }

func (op *pushOp) stage(c *committer) error {
	c.edits = append(c.edits, op.edits...)
	return nil
}

// LoadPush implements presence.Store. It reads one state of the database, and holds no lock
// while it calls each, which may call the store. Close ends it.
func (s *Store) LoadPush(ctx context.Context, each func(presence.PushDevice) error) error {
	var refused error
	err := s.scanPush(ctx, func(d presence.PushDevice) bool {
		refused = each(d)
		return refused == nil
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return fmt.Errorf("pebblestore: load push: %w", err)
	}
	return nil
}

// scanPush yields the devices until it is told to stop.
func (s *Store) scanPush(ctx context.Context, yield func(presence.PushDevice) bool) (err error) {
	it, err := s.beginScan(ctx)
	if err != nil {
		return err
	}
	defer s.workers.Done()
	defer func() { err = errors.Join(err, it.Close()) }()
	if err := s.barrier.wait(ctx); err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ending:
			return account.ErrClosed
		default:
		}
		d, err := decodePush(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if !yield(d) {
			return nil
		}
	}
	return it.Error()
}

// beginScan returns an iterator over the devices. Unless it fails, Close waits from now on
// until workers.Done is called.
func (s *Store) beginScan(ctx context.Context) (*pebble.Iterator, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closing.RUnlock()
	it, err := s.db.NewIterWithContext(ctx, prefixBounds(prefixPush))
	if err != nil {
		return nil, err
	}
	s.workers.Add(1)
	return it, nil
}
