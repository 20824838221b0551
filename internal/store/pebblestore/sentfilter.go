package pebblestore

import (
	"fmt"
	"math"
	"slices"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/cockroachdb/pebble/v2"
)

// Each part of a sentFilter has room for sentRoom messages in 1.2 MB.
const (
	sentRoom  = 1 << 20
	sentParts = 8
	sentError = 0.01
)

// sentFilter says of almost every message that the same was not stored before, without asking
// Pebble. It holds the latest messages; of earlier ones it only knows up to which time they
// were. Only the committer uses it.
type sentFilter struct {
	db     pebble.Reader
	room   uint
	parts  []sentPart // the newest last
	loaded bool
	before int64 // all messages that are not in parts are of this time or earlier
	latest int64 // the latest time of a message
	dirty  bool  // latest is higher than the stored one
}

type sentPart struct {
	filter *bloom.BloomFilter
	n      uint
	latest int64
}

// load reads what is known of messages that earlier processes stored.
func (f *sentFilter) load() error {
	if f.loaded {
		return nil
	}
	n, ok, err := findUint64(f.db, metaSent())
	if err != nil {
		return fmt.Errorf("read time of the latest message: %w", err)
	}
	f.before = math.MinInt64
	if ok {
		f.before = int64(n ^ 1<<63)
	}
	f.loaded, f.latest = true, f.before
	return nil
}

// mayHave reports whether a message with a key may have been stored that is of time since or
// later.
func (f *sentFilter) mayHave(key []byte, since int64) bool {
	if since <= f.before {
		return true
	}
	for _, p := range slices.Backward(f.parts) {
		if p.latest >= since && p.filter.Test(key) {
			return true
		}
	}
	return false
}

// add notes a message that is stored.
func (f *sentFilter) add(key []byte, at int64) {
	if n := len(f.parts); n == 0 || f.parts[n-1].n >= f.room {
		if n == sentParts {
			f.before = max(f.before, f.parts[0].latest)
			f.parts = append(f.parts[:0], f.parts[1:]...)
		}
		f.parts = append(f.parts, sentPart{filter: bloom.NewWithEstimates(f.room, sentError), latest: at})
	}
	p := &f.parts[len(f.parts)-1]
	p.filter.Add(key)
	p.n++
	p.latest = max(p.latest, at)
	if at > f.latest {
		f.latest, f.dirty = at, true
	}
}

func (f *sentFilter) writeTo(batch *pebble.Batch) error {
	if !f.dirty {
		return nil
	}
	f.dirty = false
	if err := batch.Set(metaSent(), appendSeconds(nil, f.latest), nil); err != nil {
		return fmt.Errorf("write time of the latest message: %w", err)
	}
	return nil
}
