package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// Recall implements message.Store. A notice is a copy without a key in the conversation.
func (s *Store) Recall(ctx context.Context, app account.SDKAppID, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
	op := &recallOp{app: app, from: from, to: to, key: k}
	if err := s.submit(ctx, op); err != nil {
		return nil, false, fmt.Errorf("pebblestore: recall: %w", err)
	}
	return op.notices, op.again && len(op.notices) == 0, nil
}

// recallOp takes the content of a message away.
type recallOp struct {
	app      account.SDKAppID
	from, to account.UserID
	key      message.Key

	again   bool
	notices []message.Copy // before it is staged with the numbers of the copies
}

func (op *recallOp) stage(c *committer) error {
	if err := c.apply(); err != nil {
		return err
	}
	for _, owner := range slices.Compact([]account.UserID{op.to, op.from}) {
		n := len(op.notices)
		if err := op.find(c.db, owner); err != nil {
			return err
		}
		if len(op.notices) == n {
			continue
		}
		if err := c.boxes.load(boxID{op.app, owner}); err != nil {
			return err
		}
	}
	for i := range op.notices {
		op.write(c, &op.notices[i])
	}
	return nil
}

// find adds the copies of an owner.
func (op *recallOp) find(db pebble.Reader, owner account.UserID) (err error) {
	peer := op.from
	if owner == op.from {
		peer = op.to
	}
	lower := appendMessageKey(appendConversation(nil, op.app, owner, peer), op.key)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: keyEnd(lower)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		found, err := readCopy(db, it.Key())
		switch {
		case err != nil:
			return err
		case found.From != op.from || found.To != op.to:
		case found.Flags&message.Recalled != 0:
			op.again = true
		default:
			op.notices = append(op.notices, found)
		}
	}
	return it.Error()
}

// write stages the copy without its content, and makes it the notice.
func (op *recallOp) write(c *committer, copied *message.Copy) {
	copied.Flags |= message.Recalled
	copied.Body, copied.CloudData = nil, ""
	record := appendCopy(nil, &copied.Message)
	old := copied.Box
	copied.Box = c.boxes.next(boxID{op.app, copied.Owner})
	for _, number := range [2]uint64{old, copied.Box} {
		c.edits = append(c.edits, edit{key: appendCopyKey(nil, op.app, copied.Owner, number), value: record})
	}
	e := expiry{expires: copied.Expires, app: op.app, to: op.to, from: op.from, key: op.key}
	if copied.Owner == op.to {
		e.toBox = copied.Box
	} else {
		e.fromBox = copied.Box
	}
	c.expire(appendExpiryKey(nil, &e))
}

// readCopy reads the copy that the key of a conversation is of.
func readCopy(db pebble.Reader, key []byte) (message.Copy, error) {
	k, ok := splitBoxKey(key)
	if !ok {
		return message.Copy{}, fmt.Errorf("%w: malformed key %q", errCopy, key)
	}
	value, closer, err := db.Get(appendCopyKey(nil, k.app, k.owner, k.number))
	if errors.Is(err, pebble.ErrNotFound) {
		return message.Copy{}, fmt.Errorf("%w: box of %q has no %d, its conversation has", errCopy, k.owner, k.number)
	}
	if err != nil {
		return message.Copy{}, fmt.Errorf("read copy: %w", err)
	}
	m, err := decodeCopy(value)
	return message.Copy{Message: m, Owner: k.owner, Box: k.number}, errors.Join(err, closer.Close())
}
