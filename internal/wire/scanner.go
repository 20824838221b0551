package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/errcode"
)

// scanner walks one body without building a tree. The first syntax error sticks: from
// then on next returns false and the other methods do nothing, so that callers need to
// look for it only once, at the end.
type scanner struct {
	buf  bytes.Buffer
	dec  jsontext.Decoder
	text string // the body; decoded strings are cut from it
	err  *SyntaxError
}

// decoderOptions: of a repeated field the last counts, and broken text is the business
// of whoever judges the value. The decoder bounds the depth of nesting on its own.
var decoderOptions = []jsontext.Options{
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
}

// scanners saves the decoder's state from being allocated for every call.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// decode calls visit for every field of the object in body that is not null. visit must
// consume the field's value. It returns a *SyntaxError, else the first fault of visit.
func decode(body []byte, visit func(s *scanner, field string) *errcode.Error) error {
	s := scanners.Get().(*scanner)
	defer s.release()
	s.buf = *bytes.NewBuffer(body)
	s.text = string(body)
	s.dec.Reset(&s.buf, decoderOptions...)
	fault := s.object(visit)
	s.end()
	if s.err != nil {
		return s.err
	}
	if fault != nil {
		return fault
	}
	return nil
}

func (s *scanner) release() {
	s.buf, s.text, s.err = bytes.Buffer{}, "", nil
	scanners.Put(s)
}

// object visits the fields of the top-level object.
func (s *scanner) object(visit func(s *scanner, field string) *errcode.Error) (fault *errcode.Error) {
	if s.kind() != '{' {
		s.failKind()
		return nil
	}
	s.token()
	for s.next() {
		name, _ := s.str()
		if s.kind() == 'n' {
			s.skip()
			continue
		}
		if err := visit(s, name); err != nil && fault == nil {
			fault = err
		}
	}
	return fault
}

// end checks that nothing but white space is left.
func (s *scanner) end() {
	if s.err != nil {
		return
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		s.err = &SyntaxError{Offset: s.dec.InputOffset(), Reason: "more follows after the object"}
	}
}

// kind returns the kind of the next value, 0 at an error.
func (s *scanner) kind() jsontext.Kind {
	if s.err != nil {
		return 0
	}
	return s.dec.PeekKind()
}

// next reports whether the array or object that is open has more. If not, it closes it.
func (s *scanner) next() bool {
	switch s.kind() {
	case '}', ']', 0:
		s.token()
		return false
	default:
		return true
	}
}

// token consumes a bracket or brace.
func (s *scanner) token() {
	if s.err != nil {
		return
	}
	if _, err := s.dec.ReadToken(); err != nil {
		s.fail(err)
	}
}

// skip consumes the next value, whatever it is.
func (s *scanner) skip() {
	if s.err != nil {
		return
	}
	if err := s.dec.SkipValue(); err != nil {
		s.fail(err)
	}
}

// raw consumes the next value and returns its JSON text, cut from the body.
func (s *scanner) raw() string {
	if s.err != nil {
		return ""
	}
	v, err := s.dec.ReadValue()
	if err != nil {
		s.fail(err)
		return ""
	}
	end := int(s.dec.InputOffset())
	return s.text[end-len(v) : end]
}

// str consumes the next value and returns its text; ok is false if it is no string.
func (s *scanner) str() (text string, ok bool) {
	if s.kind() != '"' {
		s.skip()
		return "", false
	}
	quoted := s.raw()
	if len(quoted) < 2 {
		return "", false
	}
	if text = quoted[1 : len(quoted)-1]; strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text) {
		return text, true
	}
	// The error only says that something became U+FFFD; the syntax was checked above.
	unquoted, _ := jsontext.AppendUnquote(nil, quoted)
	return string(unquoted), true
}

// flag consumes an integer field that switches something on, which any number but 0
// does; ok is false if it is no integer.
func (s *scanner) flag() (on, ok bool) {
	if s.kind() != '0' {
		s.skip()
		return false, false
	}
	v, err := strconv.ParseFloat(s.raw(), 64)
	return v != 0, err == nil && v == math.Trunc(v)
}

// list visits the elements of an array until visit finds fault or there are more than
// limit; what remains is skipped. visit must consume one element. It returns how many
// elements were seen, limit+1 at the most; ok is false if the value is no array.
func (s *scanner) list(limit int, visit func(i int) *errcode.Error) (n int, ok bool, fault *errcode.Error) {
	if s.kind() != '[' {
		s.skip()
		return 0, false, nil
	}
	s.token()
	for s.next() {
		switch {
		case n > limit || fault != nil:
			s.skip()
		case n == limit:
			s.skip()
			n++
		default:
			fault = visit(n)
			n++
		}
	}
	return n, true, fault
}

// capacity returns how many elements the body can hold at most, up to limit: each needs
// two quotes or brackets and a comma.
func (s *scanner) capacity(limit int) int { return min(limit, len(s.text)/3) }

// fail notes the first syntax error.
func (s *scanner) fail(err error) {
	s.err = &SyntaxError{Offset: s.dec.InputOffset(), Reason: "the JSON is broken"}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		s.err.Offset, err = e.ByteOffset, e.Err
	}
	switch {
	case errors.Is(err, io.EOF):
		s.err.Reason = "the body is empty, it must be a JSON object; reading stopped"
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.err.Reason = "the body ends too early"
	case err != nil:
		s.err.Reason = err.Error()
	}
}

// failKind notes that the body is no object, or why it is no JSON at all.
func (s *scanner) failKind() {
	if s.skip(); s.err == nil {
		s.err = &SyntaxError{Reason: "the body is not a JSON object"}
	}
}
