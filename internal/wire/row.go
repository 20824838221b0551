package wire

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/errcode"
)

// MaxRow is how many bytes a row of a bulk import may have, without its line break.
const MaxRow = 64 << 10

// Row is one line of a bulk import, or of the answer to a bulk export. Its strings are
// parts of the line, or new ones where the line has escapes.
type Row struct {
	UserID  string
	Nick    string
	FaceURL string
	// TinyID, Created and ValidFrom (Unix seconds) are those of an account that was exported;
	// 0 if the row does not have them.
	TinyID             uint64
	Created, ValidFrom int64
}

// DecodeRow reads one line: a JSON string, which is a UserID, or an object with UserID and,
// if they are there, Nick and FaceUrl; with keep also TinyID (a decimal number, as a string or
// not), Created and ValidFrom, which otherwise are not looked at. Unknown fields are ignored,
// null counts as absent, of a repeated field the last counts.
//
// Errors are *errcode.Error: 60003 if the line is no JSON or no UTF-8; 60015 if the UserID is
// no string; 70402 if it is missing or empty, the line or a field has another type than it
// should, or a text has a NUL. The row then has what could be read of its UserID.
//
// Lines as most programs write them are matched by hand, all others are decoded; both read
// the same out of a line.
func DecodeRow(line string, keep bool, row *Row) error {
	*row = Row{}
	if !matchRow(line, keep, row) || row.UserID == "" {
		*row = Row{}
		if err := row.decode(line, keep); err != nil {
			return err
		}
	}
	return row.check()
}

// check judges what JSON allows and a row does not.
func (r *Row) check() error {
	switch {
	case r.UserID == "":
		return errcode.Newf(errcode.BadParam, "UserID is empty or missing")
	case strings.IndexByte(r.UserID, 0) >= 0, strings.IndexByte(r.Nick, 0) >= 0, strings.IndexByte(r.FaceURL, 0) >= 0:
		return errcode.Newf(errcode.BadParam, "the row has a NUL")
	default:
		return nil
	}
}

// matchRow reads a line that has no escapes and none but plain fields. Of any other it
// returns false, and what it gave row so far is to be forgotten.
func matchRow(line string, keep bool, row *Row) bool {
	const head = `{"UserID":"`
	if strings.HasPrefix(line, head) {
		rest := line[len(head):]
		end := strings.IndexByte(rest, '"')
		if end >= 0 && rest[end:] == `"}` && meansItself(rest[:end]) {
			row.UserID = rest[:end]
			return true
		}
	}
	m := rowMatcher{rest: line}
	if m.peek() == '"' {
		row.UserID = m.text()
		return m.done()
	}
	if m.take('{'); m.failed {
		return false
	}
	for {
		field := m.text()
		m.take(':')
		m.field(row, field, keep)
		if m.failed || m.peek() != ',' {
			break
		}
		m.take(',')
	}
	m.take('}')
	return m.done()
}

// meansItself reports whether the text between two quotes stands for itself.
func meansItself(s string) bool {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s)
}

// rowMatcher consumes a line from its front. The first thing it does not know sticks.
type rowMatcher struct {
	rest   string
	failed bool
}

// peek passes white space and returns the byte behind it, 0 at the end.
func (m *rowMatcher) peek() byte {
	for m.rest != "" {
		switch c := m.rest[0]; c {
		case ' ', '\t', '\r', '\n':
			m.rest = m.rest[1:]
		default:
			return c
		}
	}
	return 0
}

func (m *rowMatcher) take(c byte) {
	if m.rest != "" && m.rest[0] == c || m.peek() == c {
		m.rest = m.rest[1:]
		return
	}
	m.failed = true
}

// done reports whether the line was understood to its end.
func (m *rowMatcher) done() bool { return !m.failed && m.peek() == 0 && m.rest == "" }

// text consumes a string without escapes.
func (m *rowMatcher) text() string {
	if m.take('"'); m.failed {
		return ""
	}
	end := strings.IndexByte(m.rest, '"')
	if end < 0 || !meansItself(m.rest[:end]) {
		m.failed = true
		return ""
	}
	text := m.rest[:end]
	m.rest = m.rest[end+1:]
	return text
}

// digits consumes a whole number that is not negative.
func (m *rowMatcher) digits() string {
	m.peek()
	end := 0
	for end < len(m.rest) && m.rest[end]-'0' <= 9 {
		end++
	}
	text := m.rest[:end]
	m.rest = m.rest[end:]
	if text == "" || text[0] == '0' && end > 1 {
		m.failed = true
	}
	return text
}

// field consumes the value of a field and gives it to row.
func (m *rowMatcher) field(row *Row, field string, keep bool) {
	switch field {
	case "UserID":
		row.UserID = m.text()
	case "Nick":
		row.Nick = m.text()
	case "FaceUrl":
		row.FaceURL = m.text()
	default:
		m.other(row, field, keep)
	}
}

// other consumes the value of a field that is a number, or of no interest.
func (m *rowMatcher) other(row *Row, field string, keep bool) {
	quoted := m.peek() == '"'
	var value string
	if quoted {
		value = m.text()
	} else {
		value = m.digits()
	}
	if keep && !m.failed && row.setNumber(field, value, quoted) != nil {
		m.failed = true
	}
}

// setNumber sets the number that a field is, if it is one of the row's.
func (r *Row) setNumber(field, value string, quoted bool) *errcode.Error {
	var err error
	switch field {
	case "TinyID":
		r.TinyID, err = strconv.ParseUint(value, 10, 64)
		quoted = false
	case "Created":
		r.Created, err = parseSeconds(value)
	case "ValidFrom":
		r.ValidFrom, err = parseSeconds(value)
	default:
		return nil
	}
	if err != nil || quoted {
		return errcode.Newf(errcode.BadParam, "%s must be a whole number, not %q", field, clip(value))
	}
	return nil
}

var errNegative = errors.New("it is negative")

func parseSeconds(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err == nil && n < 0 {
		err = errNegative
	}
	return n, err
}

// clip returns the beginning of a text that may be long.
func clip(s string) string { return s[:min(len(s), 32)] }

// decode reads any line.
func (r *Row) decode(line string, keep bool) error {
	text := strings.TrimLeft(line, " \t\r\n")
	switch {
	case !utf8.ValidString(line):
		return errcode.Newf(errcode.BadJSON, "the row is not UTF-8")
	case strings.HasPrefix(text, `"`) && !isJSON(line):
		r.UserID = (&rowMatcher{rest: text}).text()
		return errcode.Newf(errcode.BadJSON, "the JSON is broken: the row begins as a string, and is not one")
	case strings.HasPrefix(text, `"`):
		line = `{"UserID":` + line + `}`
	case !strings.HasPrefix(text, "{") && isJSON(line):
		return errcode.Newf(errcode.BadParam, "a row must be a JSON string or object")
	}
	err := decode([]byte(line), func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "UserID":
			var ok bool
			if r.UserID, ok = s.str(); !ok {
				fault = errcode.Newf(errcode.UserIDNotString, "UserID must be a string")
			}
		case "Nick":
			r.Nick, fault = s.textField(field)
		case "FaceUrl":
			r.FaceURL, fault = s.textField(field)
		case "TinyID", "Created", "ValidFrom":
			fault = s.numberField(r, field, keep)
		default:
			s.skip()
		}
		return fault
	})
	if syntax, ok := errors.AsType[*SyntaxError](err); ok {
		return errcode.Newf(errcode.BadJSON, "the JSON is broken: %s", strings.Replace(syntax.Reason, "the body", "the row", 1))
	}
	if err == nil && hasReplacement(r.UserID+r.Nick+r.FaceURL) && !hasReplacement(line) {
		return errcode.Newf(errcode.BadJSON, "the JSON is broken: half of a surrogate pair")
	}
	return err
}

// hasReplacement reports whether s has U+FFFD, as it is or as an escape.
func hasReplacement(s string) bool {
	return strings.ContainsRune(s, utf8.RuneError) || strings.Contains(strings.ToLower(s), `\ufffd`)
}

func (s *scanner) numberField(r *Row, field string, keep bool) *errcode.Error {
	quoted := s.kind() == '"'
	var value string
	if quoted {
		value, _ = s.str()
	} else {
		value = s.raw()
	}
	if !keep {
		return nil
	}
	return r.setNumber(field, value, quoted)
}

// isJSON reports whether a line is one JSON value.
func isJSON(line string) bool { return jsontext.Value(line).IsValid(decoderOptions...) }
