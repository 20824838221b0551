package pebblestore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// maxForget is how many keys of an account are deleted one by one; more go by their range,
// which takes one deletion but makes reading slower.
const maxForget = 256

// forget returns the edits that remove all that accounts keep of messages but the last
// numbers of their boxes.
func (c *committer) forget(app account.SDKAppID, ids []account.UserID) (all []edit, err error) {
	if err := c.apply(); err != nil {
		return nil, err
	}
	var it *pebble.Iterator
	defer func() {
		if it != nil {
			err = errors.Join(err, it.Close())
		}
	}()
	for _, id := range ids {
		_, stored, err := findUint64(c.db, appendLastKey(nil, app, id))
		if err != nil {
			return nil, fmt.Errorf("read last number of %q: %w", id, err)
		}
		if !stored {
			continue // it never kept anything
		}
		if it == nil {
			if it, err = c.db.NewIter(prefixBounds(prefixBox)); err != nil {
				return nil, err
			}
		}
		edits, err := forgetOne(it, app, id)
		if err != nil {
			return nil, err
		}
		all = append(all, edits...)
	}
	return all, nil
}

func forgetOne(it *pebble.Iterator, app account.SDKAppID, id account.UserID) (edits []edit, err error) {
	lower, upper := ownerBounds(app, id)
	for ok := it.SeekGE(lower); ok && bytes.Compare(it.Key(), upper) < 0; ok = it.Next() {
		if len(edits) == maxForget {
			return []edit{{key: lower, until: upper}}, nil
		}
		edits = append(edits, edit{key: bytes.Clone(it.Key())})
	}
	return edits, it.Error()
}
