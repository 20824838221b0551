package bulk

import (
	"strings"

	"github.com/muster-im/muster/internal/errcode"
)

// scanNames reads a UserID a line. Nothing of a line that is not blank is trimmed.
func (r *Reader) scanNames(c *Chunk, maxRows int) (full bool) {
	s := &r.src
	for !r.full(c, maxRows) {
		line, fault, ok := s.line(strings.IndexByte(s.rest(), '\n'))
		switch {
		case !ok:
			return false
		case fault != "":
			c.reject(s.lines, line, errcode.BadParam, fault)
		case !blank(line):
			c.Rows = append(c.Rows, Row{Line: s.lines, UserID: line})
		}
	}
	return true
}

// blank reports whether a line has nothing but white space.
func blank(line string) bool {
	if line != "" && line[0] > ' ' {
		return false
	}
	return strings.Trim(line, " \t\r") == ""
}
