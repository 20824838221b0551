package bulk

import (
	"io"
	"strings"

	"github.com/muster-im/muster/internal/errcode"
)

// Format is how the rows of an input are written.
type Format string

// The formats that a Reader knows.
const (
	CSV    Format = "csv"    // RFC 4180, with a header that names the columns
	NDJSON Format = "ndjson" // a JSON string or object a line
	Names  Format = "names"  // a UserID a line
)

// MaxRow is how many bytes a row may have, the end of its line not counted.
const MaxRow = 64 << 10

const (
	blockSize  = 512 << 10 // of the input that is read at once
	chunkBytes = 16 << 20  // of the input after which a chunk ends, however few rows it has
)

// ReaderOptions choose how an input is read. The zero value detects the format.
type ReaderOptions struct {
	// Format is detected if it is "": NDJSON if the first byte that is not blank is {
	// or ", CSV if the first line is a header with the column UserID, else Names.
	Format Format
	// KeepTinyIDs reads TinyID, Created and ValidFrom. Without it they are not even
	// looked at.
	KeepTinyIDs bool
}

// Row is an account that is asked for.
type Row struct {
	Line               int64 // of the input, from 1, where the row begins
	UserID             string
	Nick, FaceURL      string // "" if not given
	TinyID             uint64 // 0 if not given, as the two times are
	Created, ValidFrom int64  // Unix seconds
}

// Reject is a row that cannot be imported.
type Reject struct {
	Line   int64  // where the row begins
	UserID string // as far as it could be read, valid UTF-8 and cut short; "" if not at all
	Code   int    // an errcode.Code
	Reason string
}

// Chunk is a part of an input. Each row between Start and End is in Rows or in Rejects,
// both in the order of their lines, unless it is blank.
type Chunk struct {
	Rows       []Row
	Rejects    []Reject
	Start, End Position // Start is the End of the chunk before
}

// Reader cuts an input into chunks of rows. It is for one goroutine.
type Reader struct {
	name   string
	format Format
	keep   bool
	src    source
	scan   func(c *Chunk, maxRows int) (full bool)
	began  bool     // Next or Resume was called
	end    Position // of the last chunk

	columns []column // CSV: what the header names
	fields  []string // CSV: of the row at hand
}

// NewReader returns a Reader of the decoded bytes of r. name is for messages. It reads as
// much as it needs to recognise the format and the header of a CSV; an input in which no
// row can be recognised at all is an error, an empty one is not.
func NewReader(name string, r io.Reader, o ReaderOptions) (*Reader, error) {
	return newReader(name, r, o, blockSize, MaxRow)
}

func newReader(name string, r io.Reader, o ReaderOptions, block, row int) (*Reader, error) {
	reader := &Reader{
		name:   name,
		format: o.Format,
		keep:   o.KeepTinyIDs,
		src:    newSource(r, block, row+lineEnd),
	}
	if err := reader.begin(); err != nil {
		return nil, err
	}
	return reader, nil
}

// Format returns the format that is read.
func (r *Reader) Format() Format { return r.format }

// Compression returns how the input is compressed: "gzip", "zstd" or "". It is known only
// if the Reader reads from an Input.
func (r *Reader) Compression() string {
	if in, ok := r.src.r.(interface{ Compression() string }); ok {
		return in.Compression()
	}
	return ""
}

// Next fills c with up to maxRows rows and rejects, reusing its slices. The strings of a
// row stay valid for ever; they keep the block alive that they were cut from.
//
// A chunk ends early after some megabytes of input, so that rows of any length take a
// bounded amount of memory, and may have no row at all where the input is blank. Next
// returns io.EOF when nothing more follows, and a *ReadError when the input could not be
// read to its end. c is empty then: everything before was delivered, and a row that is
// not whole never is.
func (r *Reader) Next(c *Chunk, maxRows int) error {
	r.began = true
	c.Rows, c.Rejects = c.Rows[:0], c.Rejects[:0]
	c.Start = r.end
	for !r.scan(c, max(maxRows, 1)) && r.src.fill() {
	}
	c.End = r.src.position()
	r.end = c.End
	if c.End.Offset > c.Start.Offset {
		return nil
	}
	if err := r.failure(); err != nil {
		return err
	}
	return io.EOF
}

// endsInLineBreak reports whether the last row that was consumed has the end of its line.
// Only the last row of an input may have none, and may have been cut off.
func (r *Reader) endsInLineBreak() bool { return !r.src.bare }

// full reports whether c may not take another row.
func (r *Reader) full(c *Chunk, maxRows int) bool {
	return len(c.Rows)+len(c.Rejects) >= maxRows || r.src.offset()-c.Start.Offset >= chunkBytes
}

// reject puts a row that cannot be imported into c. line is where it begins.
func (c *Chunk) reject(line int64, id string, code errcode.Code, reason string) {
	c.Rejects = append(c.Rejects, Reject{Line: line, UserID: clip(id), Code: int(code), Reason: reason})
}

// clip returns the beginning of a name, which may be anything, so that it can be shown.
func clip(id string) string {
	const limit = 128
	if len(id) > limit {
		id = id[:limit]
	}
	return strings.ToValidUTF8(id, "\uFFFD")
}
