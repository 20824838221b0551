package message

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/errcode"
)

// CheckBody checks that a MsgBody is an array of at least one element, each of a type that is
// documented (im-rest-api.md, section 6.1) and with the fields that its type needs, and at most
// one of them TIMCustomElem. It returns it without white space; bytes that are no UTF-8 become
// U+FFFD. raw may be what is returned, and is not changed. Fields beyond those documented
// stay as they are.
//
// Errors: 90002 it is missing, empty or no JSON, 90007 it is no array, 90010 an element has the
// wrong shape.
func CheckBody(raw []byte) (compact []byte, err error) {
	if len(raw) == 0 {
		return nil, detailed(errcode.OpenIMBadBody, "it is missing")
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\ufffd"))
	}
	c := open(raw)
	defer c.release()
	if err := c.body(); err != nil {
		return nil, err
	}
	return compacted(raw), nil
}

func detailed(code errcode.Code, what string) *errcode.Error {
	return errcode.Newf(code, "%s: %s", code.Info(), what)
}

// checker walks one MsgBody. It has the decoder's state, so as not to allocate it for every
// message.
type checker struct {
	buf bytes.Buffer
	dec jsontext.Decoder
}

var checkers = sync.Pool{New: func() any { return new(checker) }}

// open returns a checker of text, which it does not change. Surrogates that stand alone, in
// what somebody has cut off, are let through; a field that stands twice is not.
func open(text []byte) *checker {
	c := checkers.Get().(*checker)
	c.buf = *bytes.NewBuffer(text)
	c.dec.Reset(&c.buf, jsontext.AllowInvalidUTF8(true))
	return c
}

func (c *checker) release() {
	c.buf = bytes.Buffer{}
	checkers.Put(c)
}

func (c *checker) body() error {
	if c.dec.PeekKind() != '[' {
		if c.dec.SkipValue() != nil {
			return detailed(errcode.OpenIMBadBody, "it is not JSON")
		}
		return errcode.New(errcode.OpenIMBodyNotArray)
	}
	_, _ = c.dec.ReadToken() // the bracket that was seen
	n, customs := 0, 0
	for ; c.dec.PeekKind() != ']'; n++ {
		kind, what := c.element()
		if what != "" {
			return detailed(errcode.OpenIMBadElement, "MsgBody["+strconv.Itoa(n)+"]"+what)
		}
		if kind == customElem {
			customs++
		}
		if customs > 1 {
			return detailed(errcode.OpenIMBadElement, "a message may have one "+customElem)
		}
	}
	if _, err := c.dec.ReadToken(); err != nil {
		return detailed(errcode.OpenIMBadBody, "it is not JSON")
	}
	if _, err := c.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return detailed(errcode.OpenIMBadBody, "more follows after the array")
	}
	if n == 0 {
		return detailed(errcode.OpenIMBadBody, "it is empty")
	}
	return nil
}

// notJSON says that the text is broken, or has a field twice, which readers would not agree on.
const notJSON = " is not JSON, or has a field twice"

// element checks the next element. It returns its type, and what is wrong with it.
func (c *checker) element() (kind, what string) {
	if c.dec.PeekKind() != '{' {
		if c.dec.SkipValue() != nil {
			return "", notJSON
		}
		return "", " must be an object"
	}
	_, _ = c.dec.ReadToken()
	var content jsontext.Value
	for c.dec.PeekKind() == '"' {
		name, err := c.dec.ReadToken()
		if err != nil {
			return "", notJSON
		}
		switch field := name.String(); field {
		case "MsgType":
			token, err := c.dec.ReadToken()
			if err != nil || token.Kind() != '"' {
				return "", ".MsgType must be a string"
			}
			kind = token.String()
		case "MsgContent":
			v, err := c.dec.ReadValue()
			if err != nil {
				return "", notJSON
			}
			content = append(content, v...) // the next read may overwrite v
		default:
			if c.dec.SkipValue() != nil {
				return "", notJSON
			}
		}
	}
	if _, err := c.dec.ReadToken(); err != nil {
		return "", notJSON
	}
	return kind, checkContent(kind, content)
}

// checkContent returns what is wrong with the MsgContent of an element.
func checkContent(kind string, content jsontext.Value) string {
	shape, known := shapes[kind]
	switch {
	case kind == "":
		return ".MsgType is missing"
	case !known:
		return ".MsgType is " + strconv.QuoteToASCII(kind[:min(len(kind), 40)]) + ", which is no type of a message"
	case content == nil:
		return ".MsgContent is missing"
	case content.Kind() != '{':
		return ".MsgContent must be an object"
	}
	if what := shape.check(content); what != "" {
		return ".MsgContent" + what
	}
	return ""
}

// compacted returns JSON that is known to be such, without white space.
func compacted(raw []byte) []byte {
	var out []byte
	copied, inString := 0, false // raw up to copied is in out
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			out = append(out, raw[copied:i]...)
			copied = i + 1
		}
	}
	if copied == 0 {
		return raw
	}
	return append(out, raw[copied:]...)
}
