package usersig

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"sync"
)

// Sig is a UserSig that was decoded but not verified: its claims are what somebody
// wrote, until VerifyMAC or Check says that a holder of the Key did.
type Sig struct {
	Claims
	MAC []byte // TLS.sig, 32 bytes
}

// Parse decodes a UserSig and verifies nothing. It accepts what every public generator
// emits: any JSON spelling and order, any compression level, sdkappid, time and expire
// as numbers or as decimal strings; fields it does not know are ignored. It refuses
//
//   - what is not in the UserSig alphabet (a percent-encoded '*' must be decoded before),
//   - more than MaxLen bytes, or MaxJSON bytes inflated,
//   - anything after the end of the zlib stream or of the JSON object,
//   - a field that stands twice, because generator and verifier might pick different ones,
//   - version 1.0, and claims that break the rules of [Claims].
//
// Every error is an *Error whose stage is one of decoding.
func Parse(s string) (Sig, error) {
	d, err := decode(s)
	if err != nil {
		return Sig{}, err
	}
	return d.sig, nil
}

// decoding is what decode found at each stage; what follows a failed stage is zero.
// Parse needs only the Sig, Explain all of it.
type decoding struct {
	compressed []byte
	json       []byte
	fields     []Field
	sig        Sig
}

func decode(s string) (d decoding, err *Error) {
	if d.compressed, err = decodeText(s); err != nil {
		return d, err
	}
	if d.json, err = inflate(d.compressed); err != nil {
		return d, err
	}
	if d.fields, err = splitObject(d.json); err != nil {
		return d, err
	}
	d.sig, err = readFields(d.fields)
	return d, err
}

func decodeText(s string) ([]byte, *Error) {
	switch {
	case s == "":
		return nil, refuse(StageBase64, "the UserSig is empty")
	case len(s) > MaxLen:
		return nil, refuse(StageBase64, "the UserSig has %d bytes, the limit is %d", len(s), MaxLen)
	}
	// The decoder skips line breaks, and its errors name only an offset.
	for i, r := range s {
		if outsideAlphabet(r) {
			return nil, refuse(StageBase64, "the character %q at %d does not belong in a UserSig%s", r, i, charHint(r))
		}
	}
	data, err := alphabet.DecodeString(s)
	if err != nil {
		return nil, &Error{StageBase64, "the UserSig is cut off or damaged: its base64 text is not complete", err}
	}
	return data, nil
}

func outsideAlphabet(r rune) bool {
	switch {
	case 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return false
	default:
		return r != '*' && r != '-' && r != '_'
	}
}

// charHint says how a character that does not belong is known to get in.
func charHint(r rune) string {
	switch r {
	case '+', '/', '=':
		return "; it is plain base64, where a UserSig has '*' for '+', '-' for '/' and '_' for '='"
	case '%':
		return "; it is percent-encoded once too often"
	case ' ', '\t', '\r', '\n':
		return "; remove white space and line breaks"
	default:
		return ""
	}
}

// inflater is what one inflation needs. They are pooled because the decompressor's
// window alone has 32 KiB.
type inflater struct {
	in  bytes.Reader
	zr  io.ReadCloser // nil until a first stream had a good header
	out bytes.Buffer
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate returns the content of the zlib stream that is all of data.
func inflate(data []byte) ([]byte, *Error) {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	if err := f.run(data); err != nil {
		return nil, &Error{StageZlib, zlibReason(err), err}
	}
	if f.out.Len() > MaxJSON {
		return nil, refuse(StageZlib, "the UserSig inflates to more than %d bytes", MaxJSON)
	}
	// The decompressor takes its input byte by byte, so what is left was never part of it.
	if n := f.in.Len(); n > 0 {
		return nil, refuse(StageZlib, "%d bytes follow the end of the zlib stream", n)
	}
	return bytes.Clone(f.out.Bytes()), nil
}

// run leaves at most MaxJSON+1 bytes of the stream's content in f.out.
func (f *inflater) run(data []byte) (err error) {
	f.in.Reset(data)
	f.out.Reset()
	if r, ok := f.zr.(zlib.Resetter); ok {
		err = r.Reset(&f.in, nil)
	} else {
		f.zr, err = zlib.NewReader(&f.in)
	}
	if err != nil {
		return err
	}
	// The checksum is compared when the stream's end is read, which the limit cannot
	// prevent unless the content is too long anyway.
	_, err = f.out.ReadFrom(&io.LimitedReader{R: f.zr, N: MaxJSON + 1})
	return err
}

func zlibReason(err error) string {
	switch {
	case errors.Is(err, zlib.ErrHeader):
		return "the base64 text does not hold a zlib stream"
	case errors.Is(err, zlib.ErrDictionary):
		return "the zlib stream needs a preset dictionary"
	case errors.Is(err, zlib.ErrChecksum):
		return "the UserSig is damaged: the checksum of its zlib stream is wrong"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the UserSig is cut off: its zlib stream is not complete"
	default:
		return "the UserSig is damaged: its zlib stream cannot be inflated"
	}
}
