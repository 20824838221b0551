package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// A copy record is the value of a copy's key, the same for both copies of a message:
//
//	byte    version (copyVersion)
//	byte    message.Flags
//	string  From, To
//	bytes   time, seq, random as in keys
//	bytes   expires, as times in keys
//	string  Body, CloudData
//
// and nothing behind that.
const copyVersion = 1

// A sent record is the version (sentVersion), the time as in keys, and the numbers of the two
// copies, 8 bytes each, 0 without one.
const (
	sentVersion = 1
	sentSize    = 1 + 8 + 8 + 8
)

var (
	errCopy = errors.New("corrupted copy of a message")
	errSent = errors.New("corrupted record of a sent message")
	errMark = errors.New("corrupted mark of messages")
)

func copySize(m *message.Message) int {
	return 2 + 2 + len(m.From) + len(m.To) + 16 + 8 + 2*binary.MaxVarintLen32 + len(m.Body) + len(m.CloudData)
}

func appendCopy(dst []byte, m *message.Message) []byte {
	dst = append(dst, copyVersion, byte(m.Flags))
	dst = appendString(appendString(dst, string(m.From)), string(m.To))
	dst = appendMessageKey(dst, m.Key)
	dst = appendSeconds(dst, m.Expires)
	dst = append(binary.AppendUvarint(dst, uint64(len(m.Body))), m.Body...)
	return appendString(dst, m.CloudData)
}

// decodeCopy is the inverse of appendCopy. It copies what it keeps of b.
func decodeCopy(b []byte) (message.Message, error) {
	var m message.Message
	if len(b) < 2 || b[0] != copyVersion {
		return m, fmt.Errorf("%w: %d bytes without version %d", errCopy, len(b), copyVersion)
	}
	m.Flags = message.Flags(b[1])
	d := decoder{b: b[2:]}
	m.From, m.To = account.UserID(d.string()), account.UserID(d.string())
	m.Key = d.messageKey()
	m.Expires = d.fixedSeconds()
	if body := d.text(); len(body) > 0 {
		m.Body = bytes.Clone(body)
	}
	m.CloudData = d.string()
	if d.bad || len(d.b) != 0 {
		return message.Message{}, fmt.Errorf("%w: %d bytes", errCopy, len(b))
	}
	return m, nil
}

// sent is what is known of a message that was stored.
type sent struct {
	time    int64
	toBox   uint64
	fromBox uint64
}

func appendSent(dst []byte, s sent) []byte {
	dst = appendSeconds(append(dst, sentVersion), s.time)
	dst = binary.BigEndian.AppendUint64(dst, s.toBox)
	return binary.BigEndian.AppendUint64(dst, s.fromBox)
}

func decodeSent(b []byte) (sent, error) {
	if len(b) != sentSize || b[0] != sentVersion {
		return sent{}, fmt.Errorf("%w: %d bytes", errSent, len(b))
	}
	return sent{secondsOf(b[1:]), binary.BigEndian.Uint64(b[1+8:]), binary.BigEndian.Uint64(b[1+8+8:])}, nil
}

// fixed returns the next n bytes of d, zeros if they are not there.
func (d *decoder) fixed(n int) []byte {
	if len(d.b) < n {
		d.bad, d.b = true, nil
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) uint64() uint64      { return binary.BigEndian.Uint64(d.fixed(8)) }
func (d *decoder) uint32() uint32      { return binary.BigEndian.Uint32(d.fixed(4)) }
func (d *decoder) fixedSeconds() int64 { return secondsOf(d.fixed(8)) }

func (d *decoder) messageKey() message.Key {
	return message.Key{Time: d.fixedSeconds(), Seq: d.uint32(), Random: d.uint32()}
}
