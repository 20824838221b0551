// Package usersig signs, parses, verifies and explains UserSigs, the credential with
// which an account (or an App's backend, as an Admin) proves who it is to a server
// that speaks Tencent Cloud IM's REST API. It implements version 2.0, which is signed
// with HMAC-SHA256; version 1.0 (ECDSA) is recognized and refused.
//
// A UserSig is, from the inside out:
//
//   - claims: who (identifier), in which App (sdkappid), made when (time) and for how
//     long (expire), with an optional opaque buffer (userbuf);
//   - a MAC over the claims, with the App's Key as its key;
//   - both in one JSON object, packed as one zlib stream;
//   - base64 in an alphabet of its own: '*' for '+', '-' for '/' and '_' for the padding.
//     This is not the URL alphabet of RFC 4648.
//
// Whoever serves requests calls [Verify], or [Parse] and then [Sig.Check]; whoever
// makes them calls [Sign]; a person who wonders why a UserSig is refused reads [Explain].
//
// The package is pure: it reads no clock and does no I/O, so times are passed in. All
// times are Unix seconds. Everything here is safe for concurrent use, keeps none of
// the slices it is given, and answers any input, however hostile, with an error rather
// than a panic and within bounded memory.
package usersig

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/adler32"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Limits that hold for Parse as well as for Sign.
const (
	MaxLen  = 4 << 10  // bytes of a UserSig
	MaxJSON = 16 << 10 // bytes of the JSON text inside
)

// version is the only value of TLS.ver that this package signs and accepts.
const version = "2.0"

// The names of the fields in the JSON and, the last two apart, in the signed text.
const (
	fieldIdentifier = "TLS.identifier"
	fieldSDKAppID   = "TLS.sdkappid"
	fieldTime       = "TLS.time"
	fieldExpire     = "TLS.expire"
	fieldUserBuf    = "TLS.userbuf"
	fieldVersion    = "TLS.ver"
	fieldMAC        = "TLS.sig"
)

// alphabet is the base64 variant of UserSigs. Strict, so that a UserSig has one spelling.
var alphabet = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-").
	WithPadding('_').Strict()

// Claims is what a UserSig says and its MAC protects.
type Claims struct {
	Identifier string `json:"identifier"`        // the account's name: not empty, UTF-8, no control characters
	SDKAppID   uint64 `json:"sdkappid"`          // the App's number
	Time       int64  `json:"time"`              // when it was signed, Unix seconds, not negative
	Expire     int64  `json:"expire"`            // how long it is valid, seconds, not negative
	UserBuf    []byte `json:"userbuf,omitempty"` // opaque, see the type UserBuf; nil for none (empty is not none)
}

// ExpiresAt returns the last second at which the UserSig is valid, Time + Expire. A sum
// that does not fit becomes the greatest int64.
func (c Claims) ExpiresAt() int64 {
	if c.Time > 0 && c.Expire > math.MaxInt64-c.Time {
		return math.MaxInt64
	}
	return c.Time + c.Expire
}

// validate returns nil if c may stand in a UserSig, else a sentence that says why not.
func (c Claims) validate() error {
	switch {
	case c.Identifier == "":
		return errors.New("the identifier is empty")
	case !utf8.ValidString(c.Identifier):
		return errors.New("the identifier is not UTF-8")
	case c.Time < 0:
		return errors.New("the time is negative")
	case c.Expire < 0:
		return errors.New("the validity is negative")
	case c.Expire > math.MaxInt64-c.Time:
		return errors.New("time plus validity is out of range")
	}
	// The signed text has one claim on each line: a newline in the identifier could
	// pass for another claim.
	for _, r := range c.Identifier {
		if unicode.IsControl(r) {
			return fmt.Errorf("the identifier has the control character %U", r)
		}
	}
	return nil
}

// Sign returns the UserSig of c under key, which is used as text, as it is: the usual
// 64 hexadecimal digits are not decoded. Equal claims and key give an equal UserSig.
//
// It refuses an empty key, an SDKAppID of 0, claims that Parse would refuse (see
// [Claims]), and a UserBuf so long that the result would exceed MaxLen.
func Sign(key []byte, c Claims) (string, error) {
	if len(key) == 0 {
		return "", errors.New("usersig: sign: the key is empty")
	}
	if c.SDKAppID == 0 {
		return "", errors.New("usersig: sign: the SDKAppID is 0")
	}
	if err := c.validate(); err != nil {
		return "", fmt.Errorf("usersig: sign: %w", err)
	}
	text, err := marshal(c, c.mac(key))
	if err != nil {
		return "", fmt.Errorf("usersig: sign: %w", err)
	}
	if n := alphabet.EncodedLen(storedOverhead + len(text)); n > MaxLen {
		return "", fmt.Errorf("usersig: sign: the UserSig would have %d bytes, the limit is %d", n, MaxLen)
	}
	return alphabet.EncodeToString(store(text)), nil
}

// mac returns the MAC of c under key. The text it covers (spec: im-rest-api.md,
// section 3.1) is built from the values, because generators spell the JSON differently.
func (c Claims) mac(key []byte) []byte {
	text := make([]byte, 0, 128+len(c.Identifier)+base64.StdEncoding.EncodedLen(len(c.UserBuf)))
	text = append(text, fieldIdentifier+":"...)
	text = append(text, c.Identifier...)
	text = append(text, "\n"+fieldSDKAppID+":"...)
	text = strconv.AppendUint(text, c.SDKAppID, 10)
	text = append(text, "\n"+fieldTime+":"...)
	text = strconv.AppendInt(text, c.Time, 10)
	text = append(text, "\n"+fieldExpire+":"...)
	text = strconv.AppendInt(text, c.Expire, 10)
	text = append(text, '\n')
	if c.UserBuf != nil {
		text = append(text, fieldUserBuf+":"...)
		text = base64.StdEncoding.AppendEncode(text, c.UserBuf)
		text = append(text, '\n')
	}
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// marshal returns the JSON object of a UserSig, its fields in the order in which most
// public generators write them.
func marshal(c Claims, mac []byte) ([]byte, error) {
	var userBuf *[]byte // a pointer, so that an empty buffer is written and none is not
	if c.UserBuf != nil {
		userBuf = &c.UserBuf
	}
	return json.Marshal(struct {
		Version    string  `json:"TLS.ver"`
		Identifier string  `json:"TLS.identifier"`
		SDKAppID   uint64  `json:"TLS.sdkappid"`
		Expire     int64   `json:"TLS.expire"`
		Time       int64   `json:"TLS.time"`
		UserBuf    *[]byte `json:"TLS.userbuf,omitempty"`
		MAC        []byte  `json:"TLS.sig"`
	}{version, c.Identifier, c.SDKAppID, c.Expire, c.Time, userBuf, mac})
}

// storedOverhead is how many bytes store adds: zlib header, block header, checksum.
const storedOverhead = 2 + 5 + 4

// store wraps data, of at most 64 KiB, in a zlib stream of one stored block (RFC 1950
// and 1951). The official Go generator does not compress either. A compressor would save
// a fifth of the length, but cost over half a megabyte of memory for each UserSig, and its
// output may change with the Go release.
func store(data []byte) []byte {
	out := bytes.NewBuffer(make([]byte, 0, storedOverhead+len(data)))
	n := uint16(len(data)) // #nosec G115 -- Sign has checked the length against MaxLen
	out.Write([]byte{0x78, 0x01})
	out.Write([]byte{0x01, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)})
	out.Write(data)
	sum := adler32.Checksum(data)
	out.Write([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return out.Bytes()
}
