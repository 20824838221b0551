package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
)

// MinKey is the fewest bytes of a Key. Hosted Keys are 64 hex digits; the bound only
// stops values that cannot have been meant. A UserSig is given to clients, and whoever
// has one can try Keys offline, so that a real deployment wants 32 random bytes or more.
const MinKey = 8

// Key is an App's secret, used as text to sign and verify UserSigs. It redacts itself
// wherever it is printed, logged or marshalled; Reveal is the only way to the text.
//
// Package fmt cannot ask an unexported struct field to redact itself, nor package json the
// key of a map: a struct or map that may be printed must not keep a Key there.
type Key string

const redacted = "[redacted]"

// Reveal returns the secret text.
func (k Key) Reveal() string { return string(k) }

// String implements fmt.Stringer; it never shows the secret.
func (k Key) String() string { return redacted }

// GoString implements fmt.GoStringer; it never shows the secret.
func (k Key) GoString() string { return redacted }

// Format implements fmt.Formatter, so that a verb which does not ask for a string, such
// as %d, does not show the secret either.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer; it never shows the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML honour; it never
// shows the secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Validate returns nil if k may sign UserSigs, else what is wrong, without a byte of k.
func (k Key) Validate() error {
	switch {
	case k == "":
		return errors.New("is empty")
	case k == redacted:
		return errors.New("is the placeholder that printing a Key leaves, not a Key")
	case len(k) < MinKey:
		return fmt.Errorf("is too short: %d bytes, at least %d are needed", len(k), MinKey)
	case strings.TrimFunc(string(k), unicode.IsSpace) != string(k):
		return errors.New("starts or ends with white space")
	default:
		return nil
	}
}
