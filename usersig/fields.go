package usersig

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Field is one member of the JSON object in a UserSig, as it was written.
type Field struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// maxFields is how many fields a UserSig may have. Version 2.0 knows seven; the cap
// keeps the search for repeated names cheap.
const maxFields = 32

// splitObject returns the members of the one JSON object that is all of data, as pieces
// of data.
//
// It finds them itself, once encoding/json has found the object valid: decoding into a
// map would let the last of two equal names win, and decoding into a struct would also
// fold the case of names.
func splitObject(data []byte) ([]Field, *Error) {
	const notObject = "the content of the UserSig is not one JSON object"
	// The JSON decoder would quietly put U+FFFD in the place of bytes that are not UTF-8.
	if !utf8.Valid(data) {
		return nil, refuse(StageJSON, "the JSON of the UserSig is not UTF-8")
	}
	var object json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, &Error{StageJSON, notObject, err}
	}
	if object[0] != '{' {
		return nil, refuse(StageJSON, notObject)
	}
	fields := make([]Field, 0, 8)
	for rest, more := object[1:], true; more; {
		var f Field
		var name json.RawMessage
		name, rest, _ = cutPiece(rest)
		if len(name) == 0 { // {}
			break
		}
		f.Name = unquote(name)
		f.Value, rest, more = cutPiece(rest)
		if _, twice := find(fields, f.Name); twice {
			return nil, refuse(StageJSON, "the field %s stands twice in the UserSig", quote(f.Name))
		}
		if len(fields) == maxFields {
			return nil, refuse(StageJSON, "the UserSig has more than %d fields", maxFields)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// cutPiece cuts a name or a value off the front of s, the rest of a valid JSON object,
// and drops the colon, comma or brace behind it; more is false for the object's own brace.
func cutPiece(s json.RawMessage) (piece, rest json.RawMessage, more bool) {
	depth, inString := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++ // whatever is escaped does not end the string
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ':' || c == ',' || c == '}'):
			return bytes.TrimSpace(s[:i]), s[i+1:], c != '}'
		}
	}
	return nil, nil, false
}

// unquote returns the text of a valid JSON string.
func unquote(raw json.RawMessage) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // valid, so it cannot fail
	return s
}

func find(fields []Field, name string) (json.RawMessage, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return nil, false
}

// readFields returns the Sig that the fields describe.
func readFields(fields []Field) (Sig, *Error) {
	r := fieldReader{fields: fields}
	r.version()
	s := Sig{
		Claims: Claims{
			Identifier: r.text(fieldIdentifier),
			SDKAppID:   r.number(fieldSDKAppID, 64),
			Time:       int64(r.number(fieldTime, 63)),   // #nosec G115 -- 63 bits fit
			Expire:     int64(r.number(fieldExpire, 63)), // #nosec G115 -- 63 bits fit
		},
		MAC: r.bytes(fieldMAC),
	}
	if _, ok := find(fields, fieldUserBuf); ok {
		s.UserBuf = r.bytes(fieldUserBuf)
	}
	if len(s.MAC) != sha256.Size {
		r.fail("%s has %d bytes, an HMAC-SHA256 has %d", fieldMAC, len(s.MAC), sha256.Size)
	}
	if err := s.validate(); err != nil {
		r.fail("%v", err)
	}
	if r.err != nil {
		return Sig{}, r.err
	}
	return s, nil
}

// fieldReader reads fields until one fails; what it reads after that means nothing.
type fieldReader struct {
	fields []Field
	err    *Error // the first failure
}

func (r *fieldReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = refuse(StageFields, format, args...)
	}
}

// version accepts 2.0 alone. Version 1.0 has no TLS.ver.
func (r *fieldReader) version() {
	if _, ok := find(r.fields, fieldVersion); !ok {
		r.fail("there is no %s: the UserSig is of version 1.0 (ECDSA), only %s (HMAC-SHA256) is accepted", fieldVersion, version)
		return
	}
	if v := r.text(fieldVersion); v != version {
		r.fail("the UserSig is of version %s, only %s is accepted", quote(v), version)
	}
}

// text returns the value of a JSON string.
func (r *fieldReader) text(name string) string {
	raw, ok := find(r.fields, name)
	if !ok {
		r.fail("the field %s is missing", name)
		return ""
	}
	if raw[0] != '"' {
		r.fail("the field %s is not a string", name)
		return ""
	}
	return unquote(raw)
}

// number returns the value of a whole, non-negative number of so many bits, written as a
// JSON number or as a decimal string.
func (r *fieldReader) number(name string, bits int) uint64 {
	raw, _ := find(r.fields, name)
	digits := string(raw)
	if len(raw) == 0 || raw[0] == '"' {
		digits = r.text(name)
	}
	n, err := strconv.ParseUint(digits, 10, bits)
	if err != nil {
		r.fail("the field %s is not a whole number in range", name)
	}
	return n
}

// bytes returns what a string of standard base64 stands for, never nil. It is strict,
// because the signed text has the spelling that the encoder gives.
func (r *fieldReader) bytes(name string) []byte {
	s := r.text(name)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which the decoder skips
		r.fail("the field %s is not standard base64", name)
	}
	return b
}
