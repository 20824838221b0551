package profile

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/errcode"
)

// value is a checked value: its JSON text and, if it is a string, what the string says.
type value struct {
	json, text string
}

// parse checks the JSON text of a value against the rule.
func (r rule) parse(raw string) (value, *errcode.Error) {
	isText := strings.HasPrefix(raw, `"`)
	isNumber := raw != "" && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9')
	switch {
	case r.kind == number && isNumber:
		return r.number(raw, math.MaxUint32)
	case r.kind == custom && isNumber:
		return r.number(raw, math.MaxUint64)
	case r.kind != number && isText:
		return r.text(raw)
	default:
		return value{}, errcode.Newf(errcode.ProfileBadType, "the value of %s must be %s", r.tag, r.kind)
	}
}

// String says what a value of the kind is.
func (k kind) String() string {
	switch k {
	case number:
		return "an integer"
	case custom:
		return "a string or an integer"
	default:
		return "a string"
	}
}

func (r rule) text(raw string) (value, *errcode.Error) {
	unquoted, _ := jsontext.AppendUnquote(nil, raw) // the error only says that something became U+FFFD
	s := string(unquoted)
	if r.kind == choice {
		if !slices.Contains(r.choices, s) {
			return value{}, errcode.Newf(errcode.ProfileBadValue, "the value of %s must be one of %s", r.tag, strings.Join(r.choices, ", "))
		}
	} else if len(s) > r.limit {
		return value{}, errcode.Newf(errcode.ProfileTooLong, "the value of %s has %d bytes, the limit is %d", r.tag, len(s), r.limit)
	}
	return value{json: quote(s), text: s}, nil
}

// number accepts every way to write an unsigned integer of at most limit: 7, 7.0, 7e0.
func (r rule) number(raw string, limit uint64) (value, *errcode.Error) {
	const exact = 1 << 53 // up to here a float64 holds every integer
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(raw, 64)
		switch {
		case err == nil && f != math.Trunc(f):
			return value{}, errcode.Newf(errcode.ProfileBadType, "the value of %s must be %s", r.tag, r.kind)
		case err != nil || f < 0 || f > exact:
			return value{}, r.outOfRange(limit)
		}
		n = uint64(f)
	}
	if n > limit {
		return value{}, r.outOfRange(limit)
	}
	return value{json: strconv.FormatUint(n, 10)}, nil
}

func (r rule) outOfRange(limit uint64) *errcode.Error {
	return errcode.Newf(errcode.ProfileBadValue, "the value of %s must be between 0 and %d", r.tag, limit)
}
