package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// source holds the part of the decoded input that lies in memory, and counts and sums
// what has been consumed of it.
type source struct {
	r   io.Reader
	err error // sticky; io.EOF at the end

	buf   []byte
	text  string // the one copy of what is in buf; rows are cut from it
	clean int    // text up to here is known to be UTF-8 without NUL
	at    int    // text up to here is consumed
	quote int    // where the next quote is, if it is not before at

	base   int64 // bytes before text
	lines  int64 // lines consumed
	inLine bool  // what was consumed last does not end a line
	bare   bool  // the last line has been consumed and had no end of its own

	sum    xxhash.Digest // of what was consumed up to hashed
	hashed int

	long bool     // a line that is too long is being passed over, it began at mark
	mark Position // positions are never inside a row

	// window is how far ahead a row is looked for. All that is decided about a row is
	// decided from as many bytes, or from all there are before the end of the input, so
	// that it does not matter in which pieces the input is read.
	window int
}

func newSource(r io.Reader, size, window int) source {
	s := source{r: r, buf: make([]byte, max(size, 2*window, 2*headSize)), window: window}
	s.sum.Reset()
	return s
}

func (s *source) offset() int64 { return s.base + int64(s.at) }

// ended reports whether all of the input lies in text.
func (s *source) ended() bool { return errors.Is(s.err, io.EOF) }

// rest is what is not consumed yet.
func (s *source) rest() string { return s.text[s.at:] }

// ahead is what may be looked at to judge the next row. whole is true if it is everything
// that can matter: it will not be longer after a fill.
func (s *source) ahead() (text string, whole bool) {
	text = s.rest()
	if len(text) >= s.window {
		return text[:s.window], true
	}
	return text, s.ended()
}

// position returns where the last row ends that was consumed to its end.
func (s *source) position() Position {
	switch {
	case s.long:
		return s.mark
	case s.offset() == 0:
		return Position{}
	}
	s.hash()
	return Position{Line: s.lines, Offset: s.offset(), Sum: s.sum.Sum64()}
}

func (s *source) hash() {
	_, _ = s.sum.WriteString(s.text[s.hashed:s.at])
	s.hashed = s.at
}

// skip consumes up to n bytes of text, for what they are.
func (s *source) skip(n int64) {
	part := s.rest()
	part = part[:min(int64(len(part)), n)]
	if part == "" {
		return
	}
	s.lines += int64(strings.Count(part, "\n"))
	s.at += len(part)
	s.inLine = part[len(part)-1] != '\n'
}

// consume consumes n bytes with which a row ends.
func (s *source) consume(n int) {
	s.skip(int64(n))
	s.endLine()
}

// endLine counts a last line that has no end of its own.
func (s *source) endLine() {
	if s.inLine {
		s.lines++
		s.inLine, s.bare = false, true
	}
}

// line consumes the next line and returns it without its end. The caller has looked for
// the newline: it is at end in rest, or nowhere if end is negative. ok is false if more of
// the line must be read first. fault says why the line cannot be a row.
func (s *source) line(end int) (line, fault string, ok bool) {
	if end < 0 || s.long {
		return s.hardLine(end)
	}
	line = s.text[s.at : s.at+end]
	s.at += end + 1
	s.lines++
	if line = trimCR(line); len(line) > s.window-lineEnd {
		return "", s.tooLong(), true
	}
	return line, s.foul(end + 1), true
}

// hardLine is line for a line that has no newline in text, or began before text.
func (s *source) hardLine(end int) (line, fault string, ok bool) {
	rest := s.rest()
	switch {
	case s.long && end >= 0:
		s.long = false
		s.consume(end + 1)
		return "", s.tooLong(), true
	case s.long && s.ended():
		s.long = false
		s.consume(len(rest))
		return "", s.tooLong(), true
	case s.long:
		s.skip(int64(len(rest)))
		return "", "", false
	case len(rest) >= s.window && !s.ended():
		s.mark = s.position()
		s.long = true
		s.skip(int64(len(rest)))
		return "", "", false
	case rest == "" || !s.ended():
		return "", "", false
	}
	s.consume(len(rest))
	if line = trimCR(rest); len(line) > s.window-lineEnd {
		return "", s.tooLong(), true
	}
	return line, s.foul(len(rest)), true
}

// lineEnd is the longest end of a line.
const lineEnd = len("\r\n")

func (s *source) tooLong() string {
	return fmt.Sprintf("the row has more than %d bytes", s.window-lineEnd)
}

func trimCR(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// fill reads on until there is another end of a line, or a window full. It returns false
// if nothing has changed because the input has ended or failed.
func (s *source) fill() bool {
	if s.err != nil {
		return false
	}
	s.hash()
	n := copy(s.buf, s.buf[s.at:len(s.text)])
	for fresh := n; s.err == nil; fresh = n {
		n += s.read(s.buf[n:])
		if n >= s.window || bytes.IndexByte(s.buf[fresh:n], '\n') >= 0 {
			break
		}
	}
	s.base += int64(s.at)
	s.at, s.hashed, s.quote = 0, 0, -1
	s.text = string(s.buf[:n])
	s.clean = s.cleanPart()
	return true
}

// read reads once, and more often only if that gives nothing.
func (s *source) read(dst []byte) int {
	for range 100 {
		n, err := s.r.Read(dst)
		s.err = err
		if n > 0 || err != nil {
			return n
		}
	}
	s.err = io.ErrNoProgress
	return 0
}

// cleanPart returns how much of text is known to be clean. The last line may end within
// a character as long as the input has not ended, and is looked at when it is whole.
func (s *source) cleanPart() int {
	part := s.text
	if !s.ended() {
		part = part[:strings.LastIndexByte(part, '\n')+1]
	}
	if foul(part) != "" {
		return 0
	}
	return len(part)
}

// foul says what text has that no row may have.
func foul(text string) string {
	if !utf8.ValidString(text) {
		return "the row is not UTF-8"
	}
	if strings.IndexByte(text, 0) >= 0 {
		return "the row has a NUL byte"
	}
	return ""
}

// foul is like the function for the n bytes before at, and costs nothing if the block is
// clean as nearly all are.
func (s *source) foul(n int) string {
	if s.at <= s.clean {
		return ""
	}
	return foul(s.text[s.at-n : s.at])
}

// nextQuote returns where the next quote stands in text, len(text) if there is none.
func (s *source) nextQuote() int {
	if s.quote < s.at {
		s.quote = len(s.text)
		if i := strings.IndexByte(s.rest(), '"'); i >= 0 {
			s.quote = s.at + i
		}
	}
	return s.quote
}
