package pebblestore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// boxChecker looks at the keys of boxes and messages, one after the other.
type boxChecker struct {
	db   pebble.Reader
	id   boxID // the box of the last key
	last uint64
}

var errBoxKey = errors.New("malformed key of messages")

func (f *boxChecker) check(key, value []byte) error {
	switch key[0] {
	case prefixLast:
		if len(key) <= 1+4 || len(value) != 8 {
			return fmt.Errorf("malformed last number %q: %d bytes", key, len(value))
		}
		return nil
	case prefixSent:
		if _, err := decodeSent(value); err != nil {
			return fmt.Errorf("sent message %q: %w", key, err)
		}
		return nil
	case prefixExpiry:
		e, ok := splitExpiryKey(key)
		if !ok || len(value) != 0 || !bytes.Equal(appendExpiryKey(nil, &e), key) {
			return fmt.Errorf("%w: %q", errBoxKey, key)
		}
		return nil
	default:
		return f.checkBox(key, value)
	}
}

func (f *boxChecker) checkBox(key, value []byte) error {
	k, ok := splitBoxKey(key)
	if !ok {
		return fmt.Errorf("%w: %q", errBoxKey, key)
	}
	if err := f.enter(boxID{k.app, k.owner}); err != nil {
		return err
	}
	switch k.kind {
	case kindCopy:
		m, err := decodeCopy(value)
		switch {
		case err != nil:
			return fmt.Errorf("box of %q of App %d, number %d: %w", k.owner, k.app, k.number, err)
		case k.owner != m.To && k.owner != m.From:
			return fmt.Errorf("box of %q of App %d, number %d: the message is from %q to %q", k.owner, k.app, k.number, m.From, m.To)
		}
	case kindConversation:
		found, err := readCopy(f.db, key)
		if err == nil && (found.Key != k.key || found.Peer() != k.peer) {
			err = fmt.Errorf("the copy has %s and %q", found.Key, found.Peer())
		}
		if err != nil {
			return fmt.Errorf("conversation of %q of App %d with %q, %s: %w", k.owner, k.app, k.peer, k.key, err)
		}
	default:
		if len(value) != 8 {
			return fmt.Errorf("%w: %q has %d bytes", errMark, key, len(value))
		}
	}
	if k.number > f.last {
		return fmt.Errorf("box of %q of App %d: it has %d, the last number given is %d", k.owner, k.app, k.number, f.last)
	}
	return nil
}

// enter notes whose keys come now.
func (f *boxChecker) enter(id boxID) (err error) {
	if id == f.id {
		return nil
	}
	var stored bool
	if f.last, stored, err = findUint64(f.db, appendLastKey(nil, id.app, id.owner)); err == nil && !stored {
		err = errors.New("no last number is stored")
	}
	if f.id = id; err != nil {
		return fmt.Errorf("box of %q of App %d: %w", id.owner, id.app, err)
	}
	return nil
}
