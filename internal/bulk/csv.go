package bulk

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-im/muster/internal/errcode"
)

// column is what a column of a CSV holds.
type column uint8

const (
	colUserID column = iota
	colNick
	colFaceURL
	colTinyID
	colCreated
	colValidFrom
)

// columnNames are the names of the columns, in the order of the constants. Case does not
// matter.
var columnNames = [...]string{"UserID", "Nick", "FaceUrl", "TinyID", "Created", "ValidFrom"}

// scanCSV reads rows of comma-separated fields.
//
// A row that breaks the rules of quoting is rejected, and reading goes on at the line
// after the one in which the row begins: a quote too many is more likely than a field
// that means to go on. Only if a quoted field is still open at the end of the input, all
// from that row on is rejected, because what is left may be a part of a field.
func (r *Reader) scanCSV(c *Chunk, maxRows int) (full bool) {
	s := &r.src
	for !r.full(c, maxRows) {
		end := strings.IndexByte(s.rest(), '\n')
		if !s.long && s.nextQuote()-s.at < s.lineLen(end) {
			if !r.quotedRow(c) {
				return false
			}
			continue
		}
		line, fault, ok := s.line(end)
		if !ok {
			return false
		}
		if line == "" && fault == "" {
			continue
		}
		row := Row{Line: s.lines}
		if found := r.plainRow(line, &row); fault == "" {
			fault = found
		}
		c.add(row, fault)
	}
	return true
}

// lineLen is the length of the line that ends at the newline in end, or of what is there
// of it.
func (s *source) lineLen(end int) int {
	if end < 0 {
		return len(s.text) - s.at
	}
	return end
}

// add puts a row into c, rejected if there is a fault.
func (c *Chunk) add(row Row, fault string) {
	if fault == "" && row.UserID == "" {
		fault = "UserID is empty"
	}
	if fault != "" {
		c.reject(row.Line, row.UserID, errcode.BadParam, fault)
		return
	}
	c.Rows = append(c.Rows, row)
}

// plainRow reads the fields of a line without a quote.
func (r *Reader) plainRow(line string, row *Row) (fault string) {
	rest, last := line, len(r.columns)-1
	for _, col := range r.columns[:last] {
		comma := strings.IndexByte(rest, ',')
		if comma < 0 {
			return r.wrongColumns(strings.Count(line, ",") + 1)
		}
		if f := r.set(row, col, rest[:comma]); f != "" && fault == "" {
			fault = f
		}
		rest = rest[comma+1:]
	}
	if strings.IndexByte(rest, ',') >= 0 {
		return r.wrongColumns(strings.Count(line, ",") + 1)
	}
	if f := r.set(row, r.columns[last], rest); f != "" && fault == "" {
		fault = f
	}
	return fault
}

func (r *Reader) wrongColumns(n int) string {
	return fmt.Sprintf("the row has %s, the header %d", count(n, "column"), len(r.columns))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// set gives row the value of a column.
func (r *Reader) set(row *Row, col column, field string) (fault string) {
	switch col {
	case colUserID:
		row.UserID = field
	case colNick:
		row.Nick = field
	case colFaceURL:
		row.FaceURL = field
	default:
		if r.keep && field != "" {
			return row.setNumber(col, field)
		}
	}
	return ""
}

// setNumber gives row the value of a column of whole numbers.
func (row *Row) setNumber(col column, text string) (fault string) {
	bits := 63
	if col == colTinyID {
		bits = 64
	}
	v, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return fmt.Sprintf("%s must be a whole number, not %q", columnNames[col], clip(text))
	}
	switch col {
	case colTinyID:
		row.TinyID = v
	case colCreated:
		row.Created = int64(v)
	default:
		row.ValidFrom = int64(v)
	}
	return ""
}

// setFields gives row the values of the fields that were split.
func (r *Reader) setFields(row *Row) (fault string) {
	for i, field := range r.fields[:min(len(r.fields), len(r.columns))] {
		if f := r.set(row, r.columns[i], field); f != "" && fault == "" {
			fault = f
		}
	}
	if len(r.fields) != len(r.columns) {
		return r.wrongColumns(len(r.fields))
	}
	return fault
}

// quotedRow reads a row that has a quote in its first line. It returns false if more of
// the row must be read first.
func (r *Reader) quotedRow(c *Chunk) bool {
	s := &r.src
	row := Row{Line: s.lines + 1}
	text, whole := s.ahead()
	n, fault := r.split(text, s.ended() && len(text) < s.window)
	switch {
	case n > 0:
		s.consume(n)
		fault = r.setFields(&row)
		if len(strings.TrimRight(text[:n], "\r\n")) > s.window-lineEnd {
			fault = s.tooLong()
		} else if f := s.foul(n); f != "" {
			fault = f
		}
		c.add(row, fault)
		return true
	case fault == "" && !whole:
		return false
	case fault == "" && len(text) < s.window:
		s.consume(len(text))
		c.reject(row.Line, "", errcode.BadParam, "a quoted field of the row is still open at the end of the input; nothing from here on was read")
		return true
	case fault == "":
		fault = fmt.Sprintf("the row does not end within %d bytes, a quote may be missing", s.window-lineEnd)
	}
	return r.brokenRow(c, text, fault)
}

// brokenRow rejects the row that begins with text and consumes its first line. It returns
// false if more of the line must be read first.
func (r *Reader) brokenRow(c *Chunk, text, fault string) bool {
	s := &r.src
	end := strings.IndexByte(text, '\n')
	if end < 0 && len(text) == s.window {
		end = strings.IndexByte(s.rest(), '\n')
	}
	_, worse, ok := s.line(end)
	if !ok {
		return false
	}
	c.reject(s.lines, "", errcode.BadParam, cmp.Or(worse, fault))
	return true
}

// split cuts the row with which text begins into r.fields. n is the length of the row with
// its end. Without a fault it is 0 if the row does not end in text; last says that nothing
// follows after text, so that its end ends the row as well.
func (r *Reader) split(text string, last bool) (n int, fault string) {
	r.fields = r.fields[:0]
	for at := 0; ; at++ {
		var field string
		if at < len(text) && text[at] == '"' {
			field, at, fault = quotedField(text, at, last)
		} else {
			field, at, fault = bareField(text, at, last)
		}
		if at < 0 || fault != "" {
			return 0, fault
		}
		r.fields = append(r.fields, field)
		switch rest := text[at:]; {
		case strings.HasPrefix(rest, ","):
		case strings.HasPrefix(rest, "\r\n"):
			return at + 2, ""
		case rest == "":
			return at, ""
		default:
			return at + 1, ""
		}
	}
}

// bareField returns the field without quotes that begins at start, and where it ends;
// -1 if it does not end in text.
func bareField(text string, start int, last bool) (field string, end int, fault string) {
	for end = start; end < len(text); end++ {
		switch text[end] {
		case '"':
			return "", 0, "a quote stands inside a field that does not begin with one"
		case ',':
			return text[start:end], end, ""
		case '\n':
			field = trimCR(text[start:end])
			return field, start + len(field), ""
		}
	}
	if !last {
		return "", -1, ""
	}
	field = trimCR(text[start:])
	return field, start + len(field), ""
}

// quotedField is like bareField for a field that begins with a quote.
func quotedField(text string, start int, last bool) (field string, end int, fault string) {
	doubled := false
	for end = start + 1; ; end += 2 {
		i := strings.IndexByte(text[end:], '"')
		if i < 0 {
			return "", -1, ""
		}
		if end += i; !strings.HasPrefix(text[end+1:], `"`) {
			break
		}
		doubled = true
	}
	if field = text[start+1 : end]; doubled {
		field = strings.ReplaceAll(field, `""`, `"`)
	}
	end++
	switch rest := text[end:]; {
	case (rest == "" || rest == "\r") && !last:
		return "", -1, ""
	case rest == "", rest == "\r", rest[0] == ',', rest[0] == '\n', strings.HasPrefix(rest, "\r\n"):
		return field, end, ""
	}
	return "", 0, "more follows after the quote that closes a field"
}

// readHeader consumes the header and keeps what its columns are.
func (r *Reader) readHeader() error {
	s := &r.src
	for {
		text, whole := s.ahead()
		n, fault := r.split(text, s.ended() && len(text) < s.window)
		switch {
		case fault != "":
			return fmt.Errorf("the header is broken: %s", fault)
		case n > 0:
			if f := foul(text[:n]); f != "" {
				return fmt.Errorf("the header is broken: %s", strings.Replace(f, "the row", "it", 1))
			}
			if err := r.setColumns(); err != nil {
				return err
			}
			s.consume(n)
			return nil
		case whole:
			return fmt.Errorf("the header does not end within %d bytes", s.window-lineEnd)
		}
		if !s.fill() {
			return s.err
		}
	}
}

// setColumns reads the fields that were split as a header.
func (r *Reader) setColumns() error {
	known := strings.Join(columnNames[:], ", ")
	var seen [len(columnNames)]bool
	r.columns = r.columns[:0]
	for _, field := range r.fields {
		col, ok := columnOf(field)
		if !ok {
			return fmt.Errorf("the header has an unknown column %q; the columns are %s", clip(field), known)
		}
		if seen[col] {
			return fmt.Errorf("the header has the column %s twice", columnNames[col])
		}
		seen[col] = true
		r.columns = append(r.columns, col)
	}
	if !seen[colUserID] {
		return fmt.Errorf("the header has no column UserID; the columns are %s", known)
	}
	return nil
}

func columnOf(field string) (column, bool) {
	field = strings.TrimSpace(field)
	for i, name := range columnNames {
		if strings.EqualFold(name, field) {
			return column(i), true
		}
	}
	return 0, false
}
