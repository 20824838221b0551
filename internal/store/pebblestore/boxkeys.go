package pebblestore

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// What stands behind prefixBox, the App and the owner; see keys.go.
const (
	kindCopy         = 'c'
	kindConversation = 'd'
	kindRead         = 'r'
	kindSeen         = 's'
)

func metaSent() []byte { return []byte{prefixMeta, 's', 'e', 'n', 't'} }

// appendSeconds appends a time so that the order of bytes is that of times.
func appendSeconds(dst []byte, at int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(at)^1<<63)
}

func secondsOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

func appendMessageKey(dst []byte, k message.Key) []byte {
	dst = appendSeconds(dst, k.Time)
	dst = binary.BigEndian.AppendUint32(dst, k.Seq)
	return binary.BigEndian.AppendUint32(dst, k.Random)
}

// appendOwner appends what all keys of an account's box begin with.
func appendOwner(dst []byte, app account.SDKAppID, owner account.UserID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixBox), uint32(app))
	return appendString(dst, string(owner))
}

// ownerBounds returns the half-open range of all keys of an account's box.
func ownerBounds(app account.SDKAppID, owner account.UserID) (lower, upper []byte) {
	lower = appendOwner(nil, app, owner)
	return lower, append(bytes.Clone(lower), 0xff)
}

func appendCopyKey(dst []byte, app account.SDKAppID, owner account.UserID, number uint64) []byte {
	dst = append(appendOwner(dst, app, owner), kindCopy)
	return binary.BigEndian.AppendUint64(dst, number)
}

// appendConversation appends what all keys of a conversation begin with.
func appendConversation(dst []byte, app account.SDKAppID, owner, peer account.UserID) []byte {
	return appendString(append(appendOwner(dst, app, owner), kindConversation), string(peer))
}

func appendConversationKey(dst []byte, app account.SDKAppID, owner, peer account.UserID, k message.Key, number uint64) []byte {
	dst = appendMessageKey(appendConversation(dst, app, owner, peer), k)
	return binary.BigEndian.AppendUint64(dst, number)
}

func readKey(app account.SDKAppID, reader, peer account.UserID) []byte {
	return append(append(appendOwner(nil, app, reader), kindRead), peer...)
}

func seenKey(app account.SDKAppID, owner account.UserID, instance string) []byte {
	return append(append(appendOwner(nil, app, owner), kindSeen), instance...)
}

func appendLastKey(dst []byte, app account.SDKAppID, owner account.UserID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixLast), uint32(app))
	return append(dst, owner...)
}

// boxKey is what a key under prefixBox says.
type boxKey struct {
	app    account.SDKAppID
	owner  account.UserID
	kind   byte
	peer   account.UserID // of a conversation, or that was read
	key    message.Key    // of a conversation's
	number uint64         // of a copy and of a conversation's
	// instance is whose device has seen.
	instance string
}

// splitBoxKey is the inverse of the functions above; ok is false for any other key.
func splitBoxKey(key []byte) (k boxKey, ok bool) {
	if len(key) < 1+4 || key[0] != prefixBox {
		return k, false
	}
	k.app = account.SDKAppID(binary.BigEndian.Uint32(key[1:]))
	d := decoder{b: key[1+4:]}
	k.owner = account.UserID(d.string())
	if d.bad || len(d.b) == 0 {
		return k, false
	}
	k.kind, d.b = d.b[0], d.b[1:]
	switch k.kind {
	case kindCopy:
		k.number = d.uint64()
	case kindConversation:
		k.peer = account.UserID(d.string())
		k.key = d.messageKey()
		k.number = d.uint64()
	case kindRead:
		k.peer, d.b = account.UserID(d.b), nil
	case kindSeen:
		k.instance, d.b = string(d.b), nil
	default:
		return k, false
	}
	return k, !d.bad && len(d.b) == 0
}

// sentKey is the key of the record of a message that the same one may follow.
func appendSentKey(dst []byte, app account.SDKAppID, m *message.Message, sum uint32) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixSent), uint32(app))
	dst = appendString(appendString(dst, string(m.To)), string(m.From))
	dst = binary.BigEndian.AppendUint32(dst, m.Seq)
	dst = binary.BigEndian.AppendUint32(dst, m.Random)
	return binary.BigEndian.AppendUint32(dst, sum)
}

// expiry is what a key under prefixExpiry says: the copies of a message, or the notice of a
// recall, and when they go. Boxes are 0 without a copy.
type expiry struct {
	expires  int64
	app      account.SDKAppID
	to, from account.UserID
	key      message.Key
	sum      uint32
	toBox    uint64
	fromBox  uint64
}

func appendExpiryKey(dst []byte, e *expiry) []byte {
	dst = appendSeconds(append(dst, prefixExpiry), e.expires)
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.app))
	dst = appendString(appendString(dst, string(e.to)), string(e.from))
	dst = appendMessageKey(dst, e.key)
	dst = binary.BigEndian.AppendUint32(dst, e.sum)
	dst = binary.BigEndian.AppendUint64(dst, e.toBox)
	return binary.BigEndian.AppendUint64(dst, e.fromBox)
}

// splitExpiryKey is the inverse of appendExpiryKey; ok is false for any other key.
func splitExpiryKey(key []byte) (e expiry, ok bool) {
	if len(key) < 1+8+4 || key[0] != prefixExpiry {
		return e, false
	}
	e.expires = secondsOf(key[1:])
	e.app = account.SDKAppID(binary.BigEndian.Uint32(key[1+8:]))
	d := decoder{b: key[1+8+4:]}
	e.to, e.from = account.UserID(d.string()), account.UserID(d.string())
	e.key = d.messageKey()
	e.sum = d.uint32()
	e.toBox, e.fromBox = d.uint64(), d.uint64()
	return e, !d.bad && len(d.b) == 0
}

// expiryBound is the smallest key behind those of all that has expired at a time.
func expiryBound(now int64) []byte {
	if now == math.MaxInt64 {
		return []byte{prefixExpiry + 1}
	}
	return appendSeconds([]byte{prefixExpiry}, now+1)
}
