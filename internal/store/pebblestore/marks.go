package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// SetRead implements message.Store.
func (s *Store) SetRead(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (int64, error) {
	op := &markOp{owner: boxID{app, reader}, key: readKey(app, reader, peer), mark: uint64(max(upTo, 0))}
	if err := s.submit(ctx, op); err != nil {
		return 0, fmt.Errorf("pebblestore: set read: %w", err)
	}
	return int64(op.mark), nil
}

// SetSeen implements message.Store.
func (s *Store) SetSeen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, number uint64) error {
	op := &markOp{owner: boxID{app, owner}, key: seenKey(app, owner, instance), mark: number}
	if err := s.submit(ctx, op); err != nil {
		return fmt.Errorf("pebblestore: set seen: %w", err)
	}
	return nil
}

// markOp raises a mark; afterwards it is what holds.
type markOp struct {
	owner boxID
	key   []byte
	mark  uint64
}

func (op *markOp) stage(c *committer) error {
	now, err := c.mark(op.key)
	if err != nil {
		return err
	}
	if op.mark <= now {
		op.mark = now
		return nil
	}
	if err := c.boxes.load(op.owner); err != nil {
		return err
	}
	c.boxes.found(op.owner)
	c.boxes.marks[string(op.key)] = op.mark
	c.edits = append(c.edits, edit{key: op.key, value: binary.BigEndian.AppendUint64(nil, op.mark)})
	return nil
}

// mark returns a mark, 0 if there is none, with what is staged.
func (c *committer) mark(key []byte) (uint64, error) {
	if c.boxes.forgot {
		if err := c.apply(); err != nil {
			return 0, err
		}
	}
	if n, ok := c.boxes.marks[string(key)]; ok {
		return n, nil
	}
	n, _, err := findUint64(c.db, key)
	if err != nil {
		return 0, fmt.Errorf("read mark: %w", err)
	}
	return n, nil
}

// ReadUpTo implements message.Store.
func (s *Store) ReadUpTo(ctx context.Context, app account.SDKAppID, pairs []message.Pair) ([]int64, error) {
	out, err := s.readUpTo(ctx, app, pairs)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: read up to: %w", err)
	}
	return out, nil
}

func (s *Store) readUpTo(ctx context.Context, app account.SDKAppID, pairs []message.Pair) ([]int64, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closing.RUnlock()
	out := make([]int64, len(pairs))
	known := make(map[message.Pair]int64, 2) // a page of history asks the same again and again
	for i, p := range pairs {
		at, ok := known[p]
		if !ok {
			n, _, err := findUint64(s.db, readKey(app, p.Reader, p.Peer))
			if err != nil {
				return nil, fmt.Errorf("read mark: %w", err)
			}
			at = int64(n)
			known[p] = at
		}
		out[i] = at
	}
	return out, s.barrier.wait(ctx)
}

// Seen implements message.Store.
func (s *Store) Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error) {
	if err := s.enter(ctx); err != nil {
		return 0, fmt.Errorf("pebblestore: seen: %w", err)
	}
	defer s.closing.RUnlock()
	n, _, err := findUint64(s.db, seenKey(app, owner, instance))
	if err = errors.Join(err, s.barrier.wait(ctx)); err != nil {
		return 0, fmt.Errorf("pebblestore: seen: %w", err)
	}
	return n, nil
}
