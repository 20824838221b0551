package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// restoredIDs is a filter of the TinyIDs that accounts were restored with: it answers
// "certainly not" from memory, and Pebble is asked only for the rest. To ask for each took
// three quarters of the time of a restore, and more the more layers L0 has.
//
// It is empty until the first restore of a process, which reads all there are.
type restoredIDs struct {
	mu     sync.Mutex // of loading
	filter *bloom.BloomFilter
}

// The filter has 20 MB. With more TinyIDs than these it errs more often, and Pebble is asked
// more often.
const (
	restoredRoom  = 1 << 24
	restoredError = 0.01
)

// load makes the filter ready. Every restore calls it before the committer gets to see it, so
// that nothing is restored while the filter is filled, and the committer needs no lock.
func (r *restoredIDs) load(ctx context.Context, db pebble.Reader) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.filter != nil {
		return nil
	}
	it, err := db.NewIter(prefixBounds(prefixRestored))
	if err != nil {
		return fmt.Errorf("read the restored TinyIDs: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	filter := bloom.NewWithEstimates(restoredRoom, restoredError)
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		filter.Add(it.Key()[1:])
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read the restored TinyIDs: %w", err)
	}
	r.filter = filter
	return nil
}

// mayHave reports whether an account may have been restored with id.
func (r *restoredIDs) mayHave(id account.TinyID) bool {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return r.filter.Test(b[:])
}

// add notes that an account was restored with id.
func (r *restoredIDs) add(id account.TinyID) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	r.filter.Add(b[:])
}
