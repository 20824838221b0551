package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
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
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixAccount}, UpperBound: []byte{prefixAccount + 1}})
	if err != nil {
		return 0, fmt.Errorf("pebblestore: load index: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
		app, id, ok := splitAccountKey(it.Key())
		value := it.Value()
		if !ok || len(value) < 2 {
			return n, fmt.Errorf("pebblestore: load index: %w at key %q", errRecord, it.Key())
		}
		p := alive
		if value[1]&flagDead != 0 {
			p = deleted
		}
		s.index.putIfAbsent(s.index.fingerprint(app, account.UserID(id)), p)
	}
	if err := it.Error(); err != nil {
		return n, fmt.Errorf("pebblestore: load index: %w", err)
	}
	return n, nil
}
