package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/store"
)

// Size is a number of bytes. It is written as a whole number, alone or with a unit of
// 1024 bytes or its square: 4096, 4KiB, 1MiB.
type Size int64

// units from the largest to the smallest.
var units = [...]struct {
	suffix string
	bytes  Size
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String returns the size in the largest unit that divides it.
func (z Size) String() string {
	for _, u := range units {
		if z != 0 && z%u.bytes == 0 {
			return strconv.FormatInt(int64(z/u.bytes), 10) + u.suffix
		}
	}
	return "0"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (z *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/int64(u.bytes) {
			break
		}
		*z = Size(n) * u.bytes
		return nil
	}
	return errors.New("is not a size such as 65536, 64KiB or 1MiB")
}

// parse sets the field that p points to from text. Its error says what is wrong without
// repeating the text; the field then stays as it was.
func parse(p any, text string) error {
	switch p := p.(type) {
	case *string:
		*p = text
		return nil
	case *bool:
		return set(p, strconv.ParseBool, text, "must be true or false")
	case *int:
		return set(p, strconv.Atoi, text, "must be a whole number")
	case *time.Duration:
		return set(p, time.ParseDuration, text, "must be a time such as 500ms, 30s or 2m")
	case *slog.Level:
		return set(p, parseLevel, text, "must be debug, info, warn or error")
	case *Size:
		return p.UnmarshalText([]byte(text))
	case *store.DSN:
		return p.UnmarshalText([]byte(text))
	default:
		return fmt.Errorf("has the type %T, which cannot be parsed", p)
	}
}

func set[T any](p *T, parse func(string) (T, error), text, problem string) error {
	v, err := parse(text)
	if err != nil {
		return errors.New(problem)
	}
	*p = v
	return nil
}

func parseLevel(text string) (level slog.Level, err error) {
	err = level.UnmarshalText([]byte(text))
	return level, err
}

// format returns the text of the field that p points to, as parse takes it.
func format(p any) string {
	switch p := p.(type) {
	case *string:
		return *p
	case *time.Duration:
		return shortDuration(*p)
	case *slog.Level:
		return strings.ToLower(p.String())
	case *store.DSN:
		return p.String()
	case *Size:
		return p.String()
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	default:
		return fmt.Sprint(p)
	}
}

// shortDuration returns 2m where Duration.String says 2m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// inRange says what is wrong if the field that p points to is below or above the texts
// least and most; "" for no bound.
func inRange(p any, least, most string) error {
	switch p := p.(type) {
	case *int:
		return bounded(*p, least, most)
	case *Size:
		return bounded(*p, least, most)
	case *time.Duration:
		return bounded(*p, least, most)
	default:
		return nil
	}
}

func bounded[T cmp.Ordered](v T, least, most string) error {
	var lo, hi T
	if err := errors.Join(parse(&lo, least), parse(&hi, most)); err != nil {
		return fmt.Errorf("has unusable bounds: %w", err)
	}
	if v < lo || v > hi {
		return fmt.Errorf("must be from %s to %s", least, most)
	}
	return nil
}
