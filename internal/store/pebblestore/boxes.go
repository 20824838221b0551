package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// lastsKept is how many boxes' last numbers are kept in memory, twice.
const lastsKept = 64 << 10

// boxes is what the committer keeps in memory of boxes and messages.
type boxes struct {
	db pebble.Reader
	// The last numbers of boxes, also of those that are staged. Those that were asked for
	// lately are in lasts; when it is full it becomes older, whose content is forgotten.
	lasts, older map[boxID]last
	keep         int
	dirty        []boxID // whose number is staged, each once; they are in lasts

	sent sentFilter
	// marks are those that are staged, by key.
	marks map[string]uint64
	// forgot says that the removal of an account's box is staged.
	forgot bool
	// swept is a key that no key under prefixExpiry is smaller than.
	swept []byte
}

type boxID struct {
	app   account.SDKAppID
	owner account.UserID
}

// last is the last number of a box.
type last struct {
	number uint64
	stored bool // its key is in the database, or staged
	dirty  bool // it is in boxes.dirty
}

func newBoxes(db pebble.Reader, forgetful bool) boxes {
	b := boxes{
		db: db, lasts: make(map[boxID]last), older: make(map[boxID]last), keep: lastsKept,
		sent: sentFilter{db: db, room: sentRoom}, marks: make(map[string]uint64), swept: []byte{prefixExpiry},
	}
	if forgetful {
		b.keep, b.sent.room = 1, 1
	}
	return b
}

// load makes sure that the last number of a box is in memory, where it stays until the next
// reset.
func (b *boxes) load(id boxID) error {
	if _, ok := b.lasts[id]; ok {
		return nil
	}
	l, ok := b.older[id]
	if !ok {
		number, stored, err := findUint64(b.db, appendLastKey(nil, id.app, id.owner))
		if err != nil {
			return fmt.Errorf("read last number of %q: %w", id.owner, err)
		}
		l = last{number: number, stored: stored}
	}
	b.lasts[id] = l
	return nil
}

// next gives the next number of a box that is loaded.
func (b *boxes) next(id boxID) uint64 {
	l := b.lasts[id]
	l.number++
	b.put(id, l)
	return l.number
}

// found makes sure that the last number of a box is stored, be it 0: what has none keeps
// nothing. It is loaded.
func (b *boxes) found(id boxID) {
	if l := b.lasts[id]; !l.stored {
		b.put(id, l)
	}
}

func (b *boxes) put(id boxID, l last) {
	if !l.dirty {
		b.dirty = append(b.dirty, id)
	}
	l.stored, l.dirty = true, true
	b.lasts[id] = l
}

func (b *boxes) size() int { return 64*len(b.dirty) + 32 }

// writeTo fills a batch with what is staged.
func (b *boxes) writeTo(batch *pebble.Batch) error {
	var key []byte
	var value [8]byte
	for _, id := range b.dirty {
		key = appendLastKey(key[:0], id.app, id.owner)
		binary.BigEndian.PutUint64(value[:], b.lasts[id].number)
		if err := batch.Set(key, value[:], nil); err != nil {
			return fmt.Errorf("write last number: %w", err)
		}
	}
	return b.sent.writeTo(batch)
}

// reset notes that all that was staged is in a batch. It is followed by the batch becoming
// visible, or by nothing.
func (b *boxes) reset() {
	for _, id := range b.dirty {
		l := b.lasts[id]
		l.dirty = false
		b.lasts[id] = l
	}
	b.dirty, b.forgot = b.dirty[:0], false
	clear(b.marks)
	if len(b.lasts) > b.keep {
		b.older, b.lasts = b.lasts, make(map[boxID]last)
	}
}

// findUint64 reads an 8-byte value; ok is false if there is none.
func findUint64(db pebble.Reader, key []byte) (n uint64, ok bool, err error) {
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if len(value) != 8 {
		return 0, false, errors.Join(fmt.Errorf("%w: %d bytes instead of 8", errMark, len(value)), closer.Close())
	}
	return binary.BigEndian.Uint64(value), true, closer.Close()
}
