package usersig

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// UserBuf is the buffer that TRTC puts into a UserSig to admit its holder to one room
// (there called PrivateMapKey). This package signs and shows it; it gives no rights here.
type UserBuf struct {
	Account     string `json:"account"`        // the identifier again, at most 65535 bytes
	SDKAppID    uint32 `json:"sdkappid"`       // the App again
	RoomID      uint32 `json:"room_id"`        // the room, if it has a number
	Room        string `json:"room,omitempty"` // the room, if it has a name; RoomID is 0 then. At most 65535 bytes
	Expires     uint32 `json:"expires"`        // last second of the rights, Unix seconds (not a duration)
	Privileges  uint32 `json:"privileges"`     // bits of what the holder may do; 255 for everything
	AccountType uint32 `json:"account_type"`   // 0
}

// The layout (spec: im-rest-api.md, section 3.2), all numbers big-endian:
//
//	1  kind: userBufNumber or userBufName
//	2  length of the account, then the account
//	4  sdkappid   4  room ID, 0 for userBufName   4  expires   4  privileges   4  account type
//	2  length of the room's name, then the name; only for userBufName
const (
	userBufNumber = 0
	userBufName   = 1
)

// Encode returns the bytes for [Claims].UserBuf. It refuses names over their limits and a
// room that has a number as well as a name.
func (u UserBuf) Encode() ([]byte, error) {
	switch {
	case len(u.Account) > math.MaxUint16:
		return nil, fmt.Errorf("usersig: encode userbuf: the account has %d bytes, the limit is %d", len(u.Account), math.MaxUint16)
	case len(u.Room) > math.MaxUint16:
		return nil, fmt.Errorf("usersig: encode userbuf: the room's name has %d bytes, the limit is %d", len(u.Room), math.MaxUint16)
	case u.Room != "" && u.RoomID != 0:
		return nil, errors.New("usersig: encode userbuf: the room has both a number and a name")
	}
	kind := byte(userBufNumber)
	if u.Room != "" {
		kind = userBufName
	}
	b := appendText([]byte{kind}, u.Account)
	for _, n := range [...]uint32{u.SDKAppID, u.RoomID, u.Expires, u.Privileges, u.AccountType} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	if kind == userBufName {
		b = appendText(b, u.Room)
	}
	return b, nil
}

// appendText appends a text of at most 65535 bytes after its length.
func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s))) // #nosec G115 -- Encode has checked it
	return append(b, s...)
}

// ParseUserBuf decodes what Encode returns, and nothing else.
func ParseUserBuf(b []byte) (UserBuf, error) {
	r := bufReader{rest: b}
	kind := r.take(1)[0]
	u := UserBuf{
		Account:     r.text(),
		SDKAppID:    r.uint32(),
		RoomID:      r.uint32(),
		Expires:     r.uint32(),
		Privileges:  r.uint32(),
		AccountType: r.uint32(),
	}
	if kind == userBufName {
		u.Room = r.text()
	}
	switch {
	case r.short:
		return UserBuf{}, errors.New("usersig: parse userbuf: it is cut off")
	case kind != userBufNumber && kind != userBufName:
		return UserBuf{}, fmt.Errorf("usersig: parse userbuf: it is of the unknown kind %d", kind)
	case kind == userBufName && (u.Room == "" || u.RoomID != 0):
		return UserBuf{}, errors.New("usersig: parse userbuf: its room should have a name and no number")
	case len(r.rest) > 0:
		return UserBuf{}, fmt.Errorf("usersig: parse userbuf: %d bytes follow its end", len(r.rest))
	}
	return u, nil
}

// bufReader reads from the front of rest; once that is too short it yields zeros.
type bufReader struct {
	rest  []byte
	short bool
}

// take returns the next n bytes.
func (r *bufReader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *bufReader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }

func (r *bufReader) text() string {
	return string(r.take(int(binary.BigEndian.Uint16(r.take(2)))))
}
