package bulk

import (
	"errors"
	"fmt"
	"strings"
)

const (
	bom      = "\uFEFF"
	headSize = 4 << 10 // of the input that is looked at to tell text from anything else
)

// begin recognises what the input is and consumes what stands before the first row.
func (r *Reader) begin() error {
	s := &r.src
	for len(s.rest()) < headSize && s.fill() {
	}
	head := s.rest()
	if err := judgeHead(head[:min(len(head), headSize)]); err != nil {
		return r.refuse(err)
	}
	if strings.HasPrefix(head, bom) {
		s.skip(int64(len(bom)))
		s.inLine = false
	}
	r.passBlank()
	line, err := r.peekLine()
	if err != nil {
		return err
	}
	if r.format == "" {
		if r.format, err = detect(line); err != nil {
			return r.refuse(err)
		}
	}
	switch r.format {
	case Names:
		r.scan = r.scanNames
	case NDJSON:
		r.scan = r.scanNDJSON
	case CSV:
		r.scan = r.scanCSV
		if line == "" {
			return nil
		}
		if err := r.readHeader(); err != nil {
			return r.refuse(err)
		}
	default:
		return fmt.Errorf("bulk: unknown format %q", r.format)
	}
	return nil
}

// refuse returns an error about the line that is read next.
func (r *Reader) refuse(err error) error {
	return &ReadError{Name: r.name, Line: r.src.position().Line + 1, Err: err}
}

// passBlank consumes the blank lines at the beginning.
func (r *Reader) passBlank() {
	s := &r.src
	for {
		end := strings.IndexByte(s.rest(), '\n')
		switch {
		case end >= 0 && blank(s.rest()[:end]):
			s.consume(end + 1)
		case end < 0 && s.ended() && blank(s.rest()):
			if s.rest() != "" {
				s.consume(len(s.rest()))
			}
			return
		case end >= 0 || !blank(s.rest()) || len(s.rest()) >= s.window || !s.fill():
			return
		}
	}
}

// peekLine returns the line that comes next, or a window full of it. It is "" at the end
// of the input.
func (r *Reader) peekLine() (string, error) {
	s := &r.src
	for {
		text, whole := s.ahead()
		if line, _, found := strings.Cut(text, "\n"); found {
			return trimCR(line), nil
		}
		if whole {
			return trimCR(text), nil
		}
		if !s.fill() {
			return "", r.failure()
		}
	}
}

// detect tells a format from the first line that is not blank.
func detect(line string) (Format, error) {
	trimmed := strings.TrimLeft(line, " \t\r")
	switch {
	case isHeader(line, ","):
		return CSV, nil
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, `"`):
		return NDJSON, nil
	case trimmed == "[", strings.HasPrefix(trimmed, "[{"), strings.HasPrefix(trimmed, `["`):
		return "", errors.New("the input is a JSON array; write one JSON value a line, without brackets and commas around them")
	case isHeader(line, ";"), isHeader(line, "\t"), isHeader(line, "|"):
		return "", errors.New("the columns of the header are not separated by commas")
	case strings.ContainsAny(line, ",;\t"):
		// A name may have a comma. But it is more likely that the input has columns,
		// and then every line would become a name that nobody wants.
		return "", errors.New("the line looks like columns, but none of them is UserID; name the columns in the first line, or give the format if every line is a name")
	default:
		return Names, nil
	}
}

// isHeader reports whether one of the columns of line is UserID.
func isHeader(line, comma string) bool {
	for field := range strings.SplitSeq(line, comma) {
		field = strings.TrimSpace(field)
		if n := len(field); n >= 2 && field[0] == '"' && field[n-1] == '"' {
			field = strings.TrimSpace(field[1 : n-1])
		}
		if strings.EqualFold(field, columnNames[colUserID]) {
			return true
		}
	}
	return false
}

// magics are the beginnings of what people may take for a list of accounts.
var magics = [...]struct{ head, what string }{
	{"\xff\xfe\x00\x00", "UTF-32"},
	{"\x00\x00\xfe\xff", "UTF-32"},
	{"\xff\xfe", "UTF-16"},
	{"\xfe\xff", "UTF-16"},
	{"\x1f\x8b", "gzip data"},
	{"\x28\xb5\x2f\xfd", "zstd data"},
	{"PK\x03\x04", "a zip archive or a spreadsheet"},
	{"\xd0\xcf\x11\xe0", "a spreadsheet"},
	{"BZh", "bzip2 data"},
	{"\xfd7zXZ\x00", "xz data"},
	{"7z\xbc\xaf", "a 7z archive"},
	{"\x04\x22\x4d\x18", "lz4 data"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"PAR1", "Parquet"},
	{"%PDF-", "a PDF"},
	{"\x7fELF", "a program"},
}

// judgeHead returns an error if the input that begins with head is no UTF-8 text.
func judgeHead(head string) error {
	for _, m := range magics {
		if strings.HasPrefix(head, m.head) && (foul(m.head) != "" || controls(head) > 0) {
			return notText(m.what)
		}
	}
	if isWide(head) {
		return notText("UTF-16")
	}
	// A stray byte is the fault of its row. That many are not.
	if n := controls(head); n >= 8 && n > len(head)/32 {
		return notText("binary")
	}
	return nil
}

func notText(what string) error {
	return fmt.Errorf("the input is %s, not UTF-8 text with a row a line", what)
}

// isWide reports whether head looks like UTF-16 without a byte order mark: ASCII in which
// every other byte is NUL.
func isWide(head string) bool {
	var zeros [2]int
	for i := range len(head) {
		if head[i] == 0 {
			zeros[i%2]++
		}
	}
	most := max(zeros[0], zeros[1])
	return most >= 2 && min(zeros[0], zeros[1]) == 0 && most*5 >= len(head)*2
}

// controls counts the bytes that no text has.
func controls(head string) (n int) {
	for i := range len(head) {
		switch c := head[i]; {
		case c >= ' ' && c != 0x7f, c == '\t', c == '\n', c == '\r', c == '\f', c == 0x1b:
		default:
			n++
		}
	}
	return n
}
