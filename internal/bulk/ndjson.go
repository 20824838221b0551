package bulk

import (
	"strings"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// scanNDJSON reads a JSON string or object a line, as bulk_import does.
func (r *Reader) scanNDJSON(c *Chunk, maxRows int) (full bool) {
	s := &r.src
	var read wire.Row
	for !r.full(c, maxRows) {
		line, foul, ok := s.line(strings.IndexByte(s.rest(), '\n'))
		if !ok {
			return false
		}
		if blank(line) && foul == "" {
			continue
		}
		err := wire.DecodeRow(line, r.keep, &read)
		switch {
		case foul != "":
			c.reject(s.lines, read.UserID, errcode.BadParam, foul)
		case err != nil:
			fault := errcode.From(err)
			c.reject(s.lines, read.UserID, fault.Code, fault.Info)
		default:
			c.Rows = append(c.Rows, Row{
				Line: s.lines, UserID: read.UserID, Nick: read.Nick, FaceURL: read.FaceURL,
				TinyID: read.TinyID, Created: read.Created, ValidFrom: read.ValidFrom,
			})
		}
	}
	return true
}
