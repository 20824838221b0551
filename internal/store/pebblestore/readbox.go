package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// ReadBox implements message.Store.
func (s *Store) ReadBox(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
	var copies []message.Copy
	var last uint64
	err := s.snapshot(ctx, func(db pebble.Reader) (err error) {
		if last, _, err = findUint64(db, appendLastKey(nil, app, owner)); err != nil || after >= last {
			return err
		}
		o := &pebble.IterOptions{
			LowerBound: appendCopyKey(nil, app, owner, after+1),
			UpperBound: keyEnd(append(appendOwner(nil, app, owner), kindCopy)),
		}
		copies, err = readCopies(ctx, db, o, owner, limit, now)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("pebblestore: read box: %w", err)
	}
	return copies, last, nil
}

// snapshot has read look at one state of the database, and waits until that is durable.
func (s *Store) snapshot(ctx context.Context, read func(db pebble.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.closing.RUnlock()
	snap := s.db.NewSnapshot()
	if err := errors.Join(read(snap), snap.Close()); err != nil {
		return err
	}
	return s.barrier.wait(ctx)
}

// readCopies reads up to limit copies of one box.
func readCopies(ctx context.Context, db pebble.Reader, o *pebble.IterOptions, owner account.UserID, limit int, now int64) (copies []message.Copy, err error) {
	it, err := db.NewIterWithContext(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && len(copies) < limit; ok = it.Next() {
		key := it.Key()
		m, err := decodeCopy(it.Value())
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
		if m.Expires > now {
			number := binary.BigEndian.Uint64(key[len(key)-8:])
			copies = append(copies, message.Copy{Message: m, Owner: owner, Box: number})
		}
	}
	return copies, it.Error()
}

// ReadConversation implements message.Store.
func (s *Store) ReadConversation(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, before message.Key, from, to int64, limit int, now int64) ([]message.Copy, error) {
	lower := appendConversation(nil, app, owner, peer)
	end := message.Key{Time: to + 1}
	if to+1 > to && end.Compare(before) < 0 {
		before = end
	}
	o := &pebble.IterOptions{LowerBound: appendSeconds(bytes.Clone(lower), from), UpperBound: appendMessageKey(lower, before)}
	if bytes.Compare(o.LowerBound, o.UpperBound) >= 0 {
		o.UpperBound = o.LowerBound
	}
	var copies []message.Copy
	err := s.snapshot(ctx, func(db pebble.Reader) (err error) {
		copies, err = readConversation(ctx, db, o, limit, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pebblestore: read conversation: %w", err)
	}
	return copies, nil
}

// readConversation reads the newest up to limit copies of one.
func readConversation(ctx context.Context, db pebble.Reader, o *pebble.IterOptions, limit int, now int64) (copies []message.Copy, err error) {
	it, err := db.NewIterWithContext(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Last(); ok && len(copies) < limit; ok = it.Prev() {
		found, err := readCopy(db, it.Key())
		if err != nil {
			return nil, err
		}
		if found.Expires > now {
			copies = append(copies, found)
		}
	}
	return copies, it.Error()
}

// keyEnd is the smallest key behind all that begin with prefix, which has a byte below 0xff.
func keyEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	end[len(end)-1]++
	return end
}
