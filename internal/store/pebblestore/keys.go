package pebblestore

import (
	"encoding/binary"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// The key schema. A key is one prefix byte, the SDKAppID as 4 bytes big-endian where
// there is one, and the name raw and last. UserIDs are printable ASCII, so the order
// of keys is the order of a listing. Numbers are big-endian, those of boxes 8 bytes, seq, random
// and sum 4, seconds 8 with the sign turned, so that they are in order too.
//
//	'a' SDKAppID UserID  →  record   an account, or the tombstone of a deleted one
//	'b' SDKAppID owner … →  what an account keeps of messages, owner behind its length:
//	    'c' box          →  copy record, a copy in its box
//	    'd' peer time seq random box  →  nothing; the copy is of the conversation with peer
//	    'r' peer         →  8 bytes, up to when it has read what peer sent
//	    's' InstanceID   →  8 bytes, up to which number a device has acknowledged its box
//	'c' SDKAppID         →  8 bytes big-endian, the number of accounts of the App
//	'd' SDKAppID to from seq random sum  →  sent record, a message that the same one may follow
//	'e' expires SDKAppID to from time seq random sum toBox fromBox  →  nothing; a message, or
//	                        the notice of a recall, whose copies are to be removed
//	'l' SDKAppID owner   →  8 bytes, the last number that its box gave
//	'm' "sent"           →  8 bytes, the latest time of a sent record
//	'm' "tinyid"         →  8 bytes big-endian, the next TinyID of the sequence
//	'm' "spans"          →  what the sequence passed before it jumped; see decodeSpans
//	'p' SDKAppID UserID Platform InstanceID  →  push record   a device that can be reached by
//	                        push; UserID and Platform stand behind their lengths, as uvarints
//	't' TinyID           →  nothing; an account was restored with this TinyID, 8 bytes big-endian
const (
	prefixAccount  = 'a'
	prefixBox      = 'b'
	prefixCount    = 'c'
	prefixSent     = 'd'
	prefixExpiry   = 'e'
	prefixLast     = 'l'
	prefixMeta     = 'm'
	prefixPush     = 'p'
	prefixRestored = 't'

	accountPrefixLen = 1 + 4
)

// formatVersion is the newest format that this program reads and the one it writes.
const formatVersion = 1

func metaNext() []byte { return []byte{prefixMeta, 't', 'i', 'n', 'y', 'i', 'd'} }

func metaSpans() []byte { return []byte{prefixMeta, 's', 'p', 'a', 'n', 's'} }

// restoredKey is the key that a TinyID has which an account was restored with.
func restoredKey(id account.TinyID) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixRestored}, uint64(id))
}

// appendAccountKey appends the key of an account.
func appendAccountKey(dst []byte, app account.SDKAppID, id account.UserID) []byte {
	dst = append(dst, prefixAccount)
	dst = binary.BigEndian.AppendUint32(dst, uint32(app))
	return append(dst, id...)
}

// splitAccountKey is the inverse of appendAccountKey; ok is false for any other key.
// The name is a view into key.
func splitAccountKey(key []byte) (app account.SDKAppID, id []byte, ok bool) {
	if len(key) <= accountPrefixLen || key[0] != prefixAccount {
		return 0, nil, false
	}
	return account.SDKAppID(binary.BigEndian.Uint32(key[1:])), key[accountPrefixLen:], true
}

// accountBounds returns the half-open range of keys of all accounts of an App.
func accountBounds(app account.SDKAppID) (lower, upper []byte) {
	lower = appendAccountKey(nil, app, "")
	if app == ^account.SDKAppID(0) {
		return lower, []byte{prefixAccount + 1}
	}
	return lower, appendAccountKey(nil, app+1, "")
}

func countKey(app account.SDKAppID) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixCount}, uint32(app))
}

// decodeCount reads a count's key and value, whose lengths have been checked.
func decodeCount(key, value []byte) (account.SDKAppID, int64) {
	return account.SDKAppID(binary.BigEndian.Uint32(key[1:])), int64(binary.BigEndian.Uint64(value))
}

// pushKey is the key of a device that can be reached by push.
func pushKey(k *presence.PushKey) []byte {
	key := make([]byte, 0, 1+4+1+len(k.UserID)+1+len(k.Platform)+len(k.InstanceID))
	key = binary.BigEndian.AppendUint32(append(key, prefixPush), uint32(k.SDKAppID))
	key = appendString(key, string(k.UserID))
	key = appendString(key, string(k.Platform))
	return append(key, k.InstanceID...)
}

// splitPushKey is the inverse of pushKey; ok is false for any other key.
func splitPushKey(key []byte) (k presence.PushKey, ok bool) {
	if len(key) < 1+4 || key[0] != prefixPush {
		return presence.PushKey{}, false
	}
	d := decoder{b: key[1+4:]}
	k = presence.PushKey{
		SDKAppID: account.SDKAppID(binary.BigEndian.Uint32(key[1:])),
		UserID:   account.UserID(d.string()),
		Platform: presence.Platform(d.string()),
	}
	k.InstanceID = string(d.b)
	return k, !d.bad
}
