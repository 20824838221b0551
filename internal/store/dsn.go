package store

import (
	"errors"
	"fmt"
	"strings"
)

// The backends that a DSN can name.
const (
	Memory = "mem"    // package memstore
	Pebble = "pebble" // package pebblestore
)

// DSN says which backend holds the accounts and where: "mem:" or "pebble:DIR".
type DSN struct {
	Backend string // Memory or Pebble
	Dir     string // of Pebble; else empty
}

var errDSN = errors.New("must be mem: or pebble:DIR")

// ParseDSN returns the DSN that text spells.
func ParseDSN(text string) (DSN, error) {
	backend, rest, found := strings.Cut(text, ":")
	switch {
	case !found:
		return DSN{}, errDSN
	case backend == Memory && rest == "":
		return DSN{Backend: Memory}, nil
	case backend == Pebble && rest == "":
		return DSN{}, fmt.Errorf("names no directory: %w", errDSN)
	case backend == Pebble:
		return DSN{Backend: Pebble, Dir: rest}, nil
	default:
		return DSN{}, errDSN
	}
}

// String returns the text that ParseDSN takes.
func (d DSN) String() string { return d.Backend + ":" + d.Dir }

// UnmarshalText implements encoding.TextUnmarshaler as ParseDSN does.
func (d *DSN) UnmarshalText(text []byte) error {
	parsed, err := ParseDSN(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// MarshalText implements encoding.TextMarshaler as String does.
func (d DSN) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
