package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// A record is the value of an account's key:
//
//	byte     version (recordVersion)
//	byte     flags
//	uvarint  TinyID − FirstTinyID           unless flagDead
//	uvarint  created, Unix seconds          unless flagDead
//	uvarint  deleted at, Unix seconds       if flagDead
//	uvarint  valid-from, Unix seconds       if flagValidFrom
//	string   Nick, FaceURL                  if flagProfile
//	uvarint  number of attributes           if flagProfile
//	string   tag, value of each attribute
//
// where a string is its length as uvarint and its bytes. A record ends with its last
// field; bytes after it are corruption. Most accounts are 2 + 4 + 5 bytes.
const (
	recordVersion = 1

	flagDead      = 1 << 0
	flagValidFrom = 1 << 1
	flagProfile   = 1 << 2
	knownFlags    = flagDead | flagValidFrom | flagProfile
)

// record is what is stored about a name, alive or deleted.
type record struct {
	tinyID    account.TinyID // 0 if dead
	created   int64
	deletedAt int64 // only if dead
	validFrom int64
	profile   account.Profile
}

func (r *record) dead() bool { return r.tinyID == 0 }

func (r *record) existence() existence {
	if r.dead() {
		return deleted
	}
	return alive
}

func (r *record) hasProfile() bool {
	return r.profile.Nick != "" || r.profile.FaceURL != "" || len(r.profile.Attrs) > 0
}

// appendRecord appends the encoding of r.
func appendRecord(dst []byte, r *record) []byte {
	var flags byte
	if r.dead() {
		flags |= flagDead
	}
	if r.validFrom != 0 {
		flags |= flagValidFrom
	}
	if r.hasProfile() {
		flags |= flagProfile
	}
	dst = append(dst, recordVersion, flags)
	if r.dead() {
		dst = binary.AppendUvarint(dst, uint64(r.deletedAt))
	} else {
		dst = binary.AppendUvarint(dst, uint64(r.tinyID-account.FirstTinyID))
		dst = binary.AppendUvarint(dst, uint64(r.created))
	}
	if r.validFrom != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.validFrom))
	}
	if flags&flagProfile == 0 {
		return dst
	}
	dst = appendString(dst, r.profile.Nick)
	dst = appendString(dst, r.profile.FaceURL)
	dst = binary.AppendUvarint(dst, uint64(len(r.profile.Attrs)))
	for _, a := range r.profile.Attrs {
		dst = appendString(appendString(dst, a.Tag), a.Value)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var (
	errRecord = errors.New("corrupted account record")
	errPush   = errors.New("corrupted push record")
)

// decodeRecord is the inverse of appendRecord. It copies what it keeps of b.
func decodeRecord(b []byte) (record, error) { return decodeParts(b, true) }

// decodeParts is decodeRecord, with attributes or without.
func decodeParts(b []byte, attrs bool) (record, error) {
	var r record
	if len(b) < 2 {
		return r, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if b[0] != recordVersion {
		return r, fmt.Errorf("%w: version %d", errRecord, b[0])
	}
	flags := b[1]
	if flags&^knownFlags != 0 {
		return r, fmt.Errorf("%w: unknown flags %#x", errRecord, flags)
	}
	d := decoder{b: b[2:], attrs: attrs}
	if flags&flagDead != 0 {
		r.deletedAt = d.seconds()
	} else {
		r.tinyID = account.FirstTinyID + account.TinyID(d.uvarint())
		r.created = d.seconds()
	}
	if flags&flagValidFrom != 0 {
		r.validFrom = d.seconds()
	}
	if flags&flagProfile != 0 {
		r.profile = d.profile()
	}
	if !d.bad && len(d.b) != 0 {
		d.bad = true
	}
	if !d.bad && flags&flagDead == 0 && r.tinyID < account.FirstTinyID {
		d.bad = true
	}
	if d.bad {
		return record{}, fmt.Errorf("%w: %d bytes, flags %#x", errRecord, len(b), flags)
	}
	return r, nil
}

// decoder reads fields from b and remembers whether any was malformed.
type decoder struct {
	b     []byte
	bad   bool
	attrs bool // attributes are wanted
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) seconds() int64 {
	v := d.uvarint()
	if v > 1<<62 {
		d.bad = true
		return 0
	}
	return int64(v)
}

func (d *decoder) string() string { return string(d.text()) }

// text returns the bytes of a string, which are a part of d.b.
func (d *decoder) text() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

func (d *decoder) profile() account.Profile {
	p := account.Profile{Nick: d.string(), FaceURL: d.string()}
	n := d.uvarint()
	if n > uint64(len(d.b)) { // an attribute has two bytes at least
		d.bad = true
		return account.Profile{}
	}
	for range n {
		if !d.attrs {
			d.text()
			d.text()
			continue
		}
		p.Attrs = append(p.Attrs, account.Attr{Tag: d.string(), Value: d.string()})
	}
	return p
}

// A push record is the value of the key of a device that can be reached by push:
//
//	byte    version (pushVersion)
//	varint  when it was last known to be connected, Unix seconds
//
// and nothing behind that.
const pushVersion = 1

// pushRecord is the encoding of d without its key.
func pushRecord(d *presence.PushDevice) []byte {
	return binary.AppendVarint([]byte{pushVersion}, d.Seen)
}

// decodePush is the inverse of pushKey and pushRecord. It copies what it keeps.
func decodePush(key, value []byte) (presence.PushDevice, error) {
	k, ok := splitPushKey(key)
	if !ok {
		return presence.PushDevice{}, fmt.Errorf("%w: malformed key %q", errPush, key)
	}
	if len(value) == 0 || value[0] != pushVersion {
		return presence.PushDevice{}, fmt.Errorf("%w of key %q: its version is not %d", errPush, key, pushVersion)
	}
	seen, n := binary.Varint(value[1:])
	if n <= 0 || n != len(value)-1 {
		return presence.PushDevice{}, fmt.Errorf("%w of key %q: %d bytes", errPush, key, len(value))
	}
	return presence.PushDevice{PushKey: k, Seen: seen}, nil
}
