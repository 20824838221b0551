package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// tinyIDs is the committer's knowledge of which TinyIDs were ever given.
//
// New accounts get theirs from a sequence. Its next number is written in the batch of the
// accounts that use it, so what was never acknowledged is all that a crash can have given
// again. Restored accounts bring theirs along; each of those is kept as a key of its own,
// for ever. One at or above the sequence's next makes the sequence jump over it, and jumpAhead
// further, so that accounts which are new meanwhile do not take the TinyIDs of those that are
// restored next: what it jumps over is free to be restored. The spans between jumps in which the sequence has
// given something are remembered, maxSpans of them.
type tinyIDs struct {
	next  account.TinyID // the sequence's
	start account.TinyID // where the sequence began after its last jump
	spans []idSpan       // what it passed before that, ascending
	dirty bool           // next has to be written
	moved bool           // start and spans too

	staged   map[account.TinyID]struct{} // restored, not applied yet
	restored *restoredIDs
}

// idSpan holds the TinyIDs from first up to, not including, end.
type idSpan struct{ first, end account.TinyID }

const (
	spanSize  = 8 + 8
	jumpAhead = 1 << 36
	// maxSpans bounds what is remembered: with more, the two that are next to each other are
	// taken for one, and what lies between them cannot be restored any more.
	maxSpans = 1 << 10
)

// loadIDs reads what Open needs to go on giving TinyIDs.
func loadIDs(db pebble.Reader) (tinyIDs, error) {
	next, err := getUint64(db, metaNext())
	if err != nil {
		return tinyIDs{}, fmt.Errorf("read the next TinyID: %w", err)
	}
	ids := tinyIDs{
		next: max(account.FirstTinyID, account.TinyID(next)), start: account.FirstTinyID,
		staged: make(map[account.TinyID]struct{}),
	}
	value, closer, err := db.Get(metaSpans())
	if errors.Is(err, pebble.ErrNotFound) {
		return ids, nil
	}
	if err != nil {
		return tinyIDs{}, fmt.Errorf("read the spans of TinyIDs: %w", err)
	}
	ids.start, ids.spans, err = decodeSpans(value)
	return ids, errors.Join(err, closer.Close())
}

// decodeSpans reads the value of metaSpans: start, then each span's first and end, all of
// them 8 bytes big-endian.
func decodeSpans(value []byte) (start account.TinyID, spans []idSpan, err error) {
	if len(value) < 8 || (len(value)-8)%spanSize != 0 {
		return 0, nil, fmt.Errorf("%w: spans of TinyIDs of %d bytes", errRecord, len(value))
	}
	at := func(i int) account.TinyID { return account.TinyID(binary.BigEndian.Uint64(value[i:])) }
	for i := 8; i < len(value); i += spanSize {
		spans = append(spans, idSpan{at(i), at(i + 8)})
	}
	return at(0), spans, nil
}

func (t *tinyIDs) encodeSpans() []byte {
	value := binary.BigEndian.AppendUint64(nil, uint64(t.start))
	for _, s := range t.spans {
		value = binary.BigEndian.AppendUint64(value, uint64(s.first))
		value = binary.BigEndian.AppendUint64(value, uint64(s.end))
	}
	return value
}

// take returns the first of n consecutive TinyIDs that were never given.
func (t *tinyIDs) take(n int) account.TinyID {
	first := t.next
	if n > 0 {
		t.next += account.TinyID(n)
		t.dirty = true
	}
	return first
}

// given reports whether id was given before, or may have been.
func (t *tinyIDs) given(db pebble.Reader, id account.TinyID) (bool, error) {
	if _, ok := t.staged[id]; ok || id >= t.start && id < t.next {
		return true, nil
	}
	for _, s := range t.spans {
		if id >= s.first && id < s.end {
			return true, nil
		}
	}
	if !t.restored.mayHave(id) {
		return false, nil
	}
	_, closer, err := db.Get(restoredKey(id))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up TinyID %d: %w", id, err)
	default:
		return true, closer.Close()
	}
}

// restore notes that id, which was not given before, is an account's now. It is at most
// account.MaxTinyID.
func (t *tinyIDs) restore(id account.TinyID) {
	t.staged[id] = struct{}{}
	t.restored.add(id)
	if id < t.next {
		return
	}
	if t.next > t.start {
		t.spans = append(t.spans, idSpan{t.start, t.next})
	}
	if len(t.spans) > maxSpans {
		t.mergeSpans()
	}
	t.start = id + 1 + jumpAhead
	t.next = t.start
	t.dirty, t.moved = true, true
}

// mergeSpans makes one of the two spans that have the least between them.
func (t *tinyIDs) mergeSpans() {
	gap := func(i int) account.TinyID { return t.spans[i+1].first - t.spans[i].end }
	least := 0
	for i := range len(t.spans) - 1 {
		if gap(i) < gap(least) {
			least = i
		}
	}
	t.spans[least].end = t.spans[least+1].end
	t.spans = slices.Delete(t.spans, least+1, least+2)
}

// writeTo adds what has changed to the batch that changes it.
func (t *tinyIDs) writeTo(b *pebble.Batch) error {
	if t.dirty {
		if err := b.Set(metaNext(), binary.BigEndian.AppendUint64(nil, uint64(t.next)), nil); err != nil {
			return fmt.Errorf("write the next TinyID: %w", err)
		}
	}
	if t.moved {
		if err := b.Set(metaSpans(), t.encodeSpans(), nil); err != nil {
			return fmt.Errorf("write the spans of TinyIDs: %w", err)
		}
	}
	for id := range t.staged {
		if err := b.Set(restoredKey(id), nil, nil); err != nil {
			return fmt.Errorf("write TinyID %d: %w", id, err)
		}
	}
	t.dirty, t.moved = false, false
	clear(t.staged)
	return nil
}
