package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// sweepChunk is how many copies are removed in one go, while other calls wait.
const sweepChunk = 512

// SweepMessages implements message.Store. It counts copies that went with their account.
func (s *Store) SweepMessages(ctx context.Context, now int64, limit int) (int, error) {
	total := 0
	for total < limit {
		op := &sweepOp{now: now, limit: min(sweepChunk, limit-total)}
		if err := s.submit(ctx, op); err != nil {
			return total, fmt.Errorf("pebblestore: sweep messages: %w", err)
		}
		if total += op.n; op.n < op.limit {
			break
		}
	}
	return total, nil
}

// sweepOp removes up to limit copies that have expired.
type sweepOp struct {
	now   int64
	limit int
	n     int // copies that it removed

	edits []edit
}

func (op *sweepOp) stage(c *committer) (err error) {
	if err := c.apply(); err != nil {
		return err
	}
	upper := expiryBound(op.now)
	if bytes.Compare(c.boxes.swept, upper) >= 0 {
		return nil
	}
	it, err := c.db.NewIter(&pebble.IterOptions{LowerBound: c.boxes.swept, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	swept := upper
	for ok := it.First(); ok; ok = it.Next() {
		if op.n >= op.limit {
			swept = bytes.Clone(it.Key())
			break
		}
		if err := op.remove(c, it.Key()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	c.edits = append(c.edits, op.edits...)
	if c.boxes.swept = swept; len(op.edits) > 0 && op.edits[len(op.edits)-1].value != nil {
		c.boxes.swept = op.edits[len(op.edits)-1].key // what is left of a message
	}
	return nil
}

// remove adds the edits that remove the copies of a message, or as many as there is room for.
func (op *sweepOp) remove(c *committer, key []byte) error {
	e, ok := splitExpiryKey(key)
	if !ok {
		return fmt.Errorf("%w: malformed key %q", errCopy, key)
	}
	op.edits = append(op.edits, edit{key: bytes.Clone(key)})
	if err := op.removeSent(c, &e); err != nil {
		return err
	}
	if e.toBox != 0 {
		op.removeCopy(&e, e.to, e.from, e.toBox)
	}
	switch {
	case e.fromBox == 0 || e.from == e.to && e.fromBox == e.toBox:
	case op.n < op.limit:
		op.removeCopy(&e, e.from, e.to, e.fromBox)
	default:
		e.toBox = 0
		op.edits = append(op.edits, edit{key: appendExpiryKey(nil, &e), value: []byte{}})
	}
	return nil
}

func (op *sweepOp) removeCopy(e *expiry, owner, peer account.UserID, number uint64) {
	op.n++
	op.edits = append(
		op.edits,
		edit{key: appendCopyKey(nil, e.app, owner, number)},
		edit{key: appendConversationKey(nil, e.app, owner, peer, e.key, number)},
	)
}

// removeSent removes the record of the message, unless it is of a later one.
func (op *sweepOp) removeSent(c *committer, e *expiry) error {
	m := message.Message{Key: e.key, To: e.to, From: e.from}
	key := appendSentKey(nil, e.app, &m, e.sum)
	r, ok, err := getSent(c.db, key)
	if err != nil {
		return err
	}
	if ok && r == (sent{e.key.Time, e.toBox, e.fromBox}) {
		op.edits = append(op.edits, edit{key: key})
	}
	return nil
}

// expire stages a key under prefixExpiry.
func (c *committer) expire(key []byte) {
	c.edits = append(c.edits, edit{key: key, value: []byte{}})
	if bytes.Compare(key, c.boxes.swept) < 0 {
		c.boxes.swept = key
	}
}
