// Package wire is the shape of the REST API on the wire: it cuts a request out of its
// query and its JSON body, and writes a reply in the exact field order that clients
// were seen to expect. It knows field names, JSON types and counts, and nothing else;
// what a request means is decided in packages account and profile.
//
// Decoding. A body is one JSON object with nothing but white space after it. Field
// names are case-sensitive, unknown fields are ignored, of a repeated field the last one
// counts (but each must have the right shape), and null counts as absent. A body that is
// not JSON yields a *SyntaxError, whatever else is wrong with it; one of the wrong shape
// yields an *errcode.Error that names the field and the type it should have. An integer
// may be written as any JSON number without a fraction (1, 1.0, 1e0), never as a string.
//
// Decoded strings are substrings of one copy of the body, so a call costs a few
// allocations however many accounts it names. They are immutable and outlive the body,
// but each of them keeps that whole copy alive: who stores one for longer than the call
// clones it. Bytes that are not UTF-8, and lone surrogates, become U+FFFD.
//
// Encoding. Replies are appended to a buffer that the caller owns. Strings keep their
// spelling: only what JSON requires is escaped (", \ and control characters), so <, >
// and & stay as they are. A list is never null.
package wire

import (
	"fmt"

	"github.com/muster-im/muster/internal/errcode"
)

// SyntaxError says that a body is not one JSON object. Which public code that is
// depends on the service that was called.
type SyntaxError struct {
	Offset int64  // of the byte where reading stopped
	Reason string // what is wrong there
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("wire: decode: byte %d: %s", e.Offset, e.Reason)
}

// detailed returns an error that starts with the code's own sentence, for codes whose
// sentence is documented: clients were seen to look for it.
func detailed(code errcode.Code, format string, args ...any) *errcode.Error {
	return errcode.Newf(code, "%s: %s", code.Info(), fmt.Sprintf(format, args...))
}
