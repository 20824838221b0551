package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// maxSecretFile bounds a file with a Key.
const maxSecretFile = 4 << 10

// secret is a Key on the command line or in the environment: the text itself, or @ and
// the name of a file that has it in its one line.
type secret string

// reveal returns the Key.
func (s secret) reveal() (string, error) {
	if s == "" {
		return "", &usage{errors.New("a Key is missing"), "give it with --key, as text or as @FILE, or in MUSTER_KEY"}
	}
	path, isFile := strings.CutPrefix(string(s), "@")
	if !isFile {
		return string(s), nil
	}
	f, err := os.Open(path) // #nosec G304 -- the caller names the file
	if err != nil {
		return "", &usage{fmt.Errorf("read the Key: %w", err), ""}
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("read the Key: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 || len(text) > maxSecretFile || bytes.ContainsAny(text, "\r\n") {
		return "", &usage{fmt.Errorf("read the Key: %s must have one line of up to %d bytes", path, maxSecretFile), ""}
	}
	return string(text), nil
}

// reveal returns several Keys as package usersig takes them.
func reveal(secrets []secret) ([][]byte, error) {
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		key, err := s.reveal()
		if err != nil {
			return nil, err
		}
		keys[i] = []byte(key)
	}
	return keys, nil
}

// lifetime is a whole number of seconds, written as such or with a unit: 86400, 24h, 180d.
type lifetime int64

// Decode implements kong.MapperValue.
func (l *lifetime) Decode(c *kong.DecodeContext) error {
	var text string
	if err := c.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	seconds, ok := parseLifetime(text)
	if !ok {
		return errors.New("must be a time such as 180d, 24h or 3600 (seconds)")
	}
	*l = lifetime(seconds)
	return nil
}

func parseLifetime(text string) (seconds int64, ok bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, n >= 0
	}
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		const day = int64(24 * time.Hour / time.Second)
		n, err := strconv.ParseInt(days, 10, 64)
		return n * day, err == nil && n >= 0 && n <= math.MaxInt64/day
	}
	d, err := time.ParseDuration(text)
	return int64(d / time.Second), err == nil && d >= 0 && d%time.Second == 0
}

// instant is a time in Unix seconds; what is not given is now.
type instant struct{ given *int64 }

// orZero returns the seconds that were given, 0 if none were.
func (i *instant) orZero() int64 {
	if i.given == nil {
		return 0
	}
	return *i.given
}

// Decode implements kong.MapperValue.
func (i *instant) Decode(c *kong.DecodeContext) error {
	var text string
	if err := c.Scan.PopValueInto("seconds", &text); err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return errors.New("must be a time in Unix seconds")
	}
	i.given = &n
	return nil
}

func (i *instant) unix() int64 {
	if i.given != nil {
		return *i.given
	}
	return time.Now().Unix()
}

// readArgument returns what was given as an argument, or else the first line of the input.
func readArgument(in io.Reader, given string, limit int64) (string, error) {
	if given != "" && given != "-" {
		return given, nil
	}
	text, err := io.ReadAll(io.LimitReader(in, limit))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
