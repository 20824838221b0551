package pebblestore

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// edit is a key to be set, or deleted if value is nil, with all behind it up to until if that
// is not nil.
type edit struct{ key, value, until []byte }

// edits are those that wait for the next batch, in the order of the calls: a key may be in
// several calls of a group. They stand apart from the staging of accounts.
type edits []edit

func (p edits) size() (n int) {
	for _, e := range p {
		n += len(e.key) + len(e.value) + 12
	}
	return n
}

func (p edits) writeTo(b *pebble.Batch) error {
	for _, e := range p {
		var err error
		switch {
		case e.until != nil:
			err = b.DeleteRange(e.key, e.until, nil)
		case e.value != nil:
			err = b.Set(e.key, e.value, nil)
		default:
			err = b.Delete(e.key, nil)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}
