package pebblestore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// staging collects the records of a group before they go into a batch in key order:
// inserting sorted keys into the memtable costs a fifth less than inserting them as they
// come (performance.md). No key is staged twice between two resets.
type staging struct {
	buf    []byte // keys and values, back to back
	items  []staged
	shared int // length of the prefix that all keys share
}

type staged struct {
	order   uint64 // 8 bytes of the key behind the shared prefix
	key     int    // offset of the key in buf
	val     int    // offset of the value, the key's end
	valSize int
}

func (s *staging) empty() bool { return len(s.items) == 0 }
func (s *staging) size() int   { return len(s.buf) + 8*len(s.items) }

// add stages a record.
func (s *staging) add(app account.SDKAppID, id account.UserID, r *record) {
	key := len(s.buf)
	s.buf = appendAccountKey(s.buf, app, id)
	val := len(s.buf)
	s.buf = appendRecord(s.buf, r)
	s.items = append(s.items, staged{key: key, val: val, valSize: len(s.buf) - val})
	first := s.items[0]
	if len(s.items) == 1 {
		s.shared = val - key
		return
	}
	s.shared = commonPrefix(s.buf[first.key:first.key+s.shared], s.buf[key:val])
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// writeTo fills a batch with everything staged, in key order.
func (s *staging) writeTo(b *pebble.Batch) error {
	s.sort()
	for _, it := range s.items {
		d := b.SetDeferred(it.val-it.key, it.valSize)
		copy(d.Key, s.buf[it.key:it.val])
		copy(d.Value, s.buf[it.val:it.val+it.valSize])
		if err := d.Finish(); err != nil {
			return fmt.Errorf("set: %w", err)
		}
	}
	return nil
}

// sort orders the items by key. Most pairs differ within 8 bytes behind the shared
// prefix, so one integer comparison decides; names have no NUL bytes, so a key that ends
// there sorts first, as it must.
func (s *staging) sort() {
	for i := range s.items {
		it := &s.items[i]
		var tail [8]byte
		copy(tail[:], s.buf[it.key+s.shared:it.val])
		it.order = binary.BigEndian.Uint64(tail[:])
	}
	slices.SortFunc(s.items, func(a, b staged) int {
		if c := cmp.Compare(a.order, b.order); c != 0 {
			return c
		}
		return bytes.Compare(s.buf[a.key:a.val], s.buf[b.key:b.val])
	})
}

// reset forgets everything, and gives memory back after an unusually large group.
func (s *staging) reset() {
	const keep = 4 << 20
	if cap(s.buf) > keep {
		s.buf = nil
	}
	s.buf, s.items = s.buf[:0], s.items[:0]
}
