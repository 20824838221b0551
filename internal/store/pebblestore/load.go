package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

const (
	loadChunk  = 256     // names that the loader adds to the index at a time
	maxReserve = 1 << 26 // names that it makes room for at once, whatever the counts say
)

// load fills the name index from the database and then declares it complete. Meanwhile
// the store serves, asking Pebble for names that are not in the index yet; the committer
// notes what it writes, which is newer than what the loader finds.
func (s *Store) load(ctx context.Context) {
	defer close(s.loaded)
	begin := time.Now()
	n, err := s.loadIndex(ctx)
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		s.failure.set(err) // a table cannot be read: better to stop than to serve around a hole
	default:
		s.complete.Store(true)
		s.log.InfoContext(ctx, "name index complete", "names", n, "dur", time.Since(begin))
	}
}

// loadIndex reads every account and tombstone that was there when it started.
func (s *Store) loadIndex(ctx context.Context) (n int, err error) {
	expect, err := s.sumCounts()
	if err != nil {
		return 0, fmt.Errorf("pebblestore: load index: %w", err)
	}
	s.index.reserve(min(expect, maxReserve))
	it, err := s.db.NewIter(prefixBounds(prefixAccount))
	if err != nil {
		return 0, fmt.Errorf("pebblestore: load index: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	live, dead := make([]fingerprint, 0, loadChunk), make([]fingerprint, 0, loadChunk)
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%loadChunk == 0 {
			s.index.putIfAbsent(alive, live...)
			s.index.putIfAbsent(deleted, dead...)
			live, dead = live[:0], dead[:0]
			if ctx.Err() != nil {
				return n, ctx.Err()
			}
		}
		app, id, ok := splitAccountKey(it.Key())
		value := it.Value()
		if !ok || len(value) < 2 {
			return n, fmt.Errorf("pebblestore: load index: %w at key %q", errRecord, it.Key())
		}
		f := s.index.fingerprint(app, account.UserID(id))
		if value[1]&flagDead != 0 {
			dead = append(dead, f)
		} else {
			live = append(live, f)
		}
	}
	s.index.putIfAbsent(alive, live...)
	s.index.putIfAbsent(deleted, dead...)
	if err := it.Error(); err != nil {
		return n, fmt.Errorf("pebblestore: load index: %w", err)
	}
	return n, nil
}

// sumCounts returns how many accounts all Apps have together.
func (s *Store) sumCounts() (sum int64, err error) {
	it, err := s.db.NewIter(prefixBounds(prefixCount))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if key, value := it.Key(), it.Value(); len(key) == 1+4 && len(value) == 8 {
			_, n := decodeCount(key, value)
			sum += n
		}
	}
	return sum, it.Error()
}

func prefixBounds(prefix byte) *pebble.IterOptions {
	return &pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}}
}
