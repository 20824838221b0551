package imclient

import (
	"fmt"
	"io"
	"log/slog"
)

// Key is an App's secret, used as text. It redacts itself wherever it is printed, logged
// or marshalled, except as an unexported field of a struct, where package fmt cannot
// ask it to.
type Key string

const redacted = "[redacted]"

// String implements fmt.Stringer; it never shows the secret.
func (k Key) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer; it never shows the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON honours; it never shows the
// secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
