package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
)

// windowBytes is how much of a stream is kept until the service has settled it: more than
// Muster takes before it does.
const windowBytes = 24 << 20

// segment is a part of the input as it is sent: a line for each of its lines.
type segment struct {
	start, end Position
	rejects    []Reject
	text       []byte
}

// encode makes s what is to be sent of a chunk: for each line of the input the row that
// begins there, or nothing.
func (s *segment) encode(c *Chunk, keep bool) {
	s.start, s.end, s.rejects = c.Start, c.End, append(s.rejects[:0], c.Rejects...)
	s.text = s.text[:0]
	line := c.Start.Line
	for i := range c.Rows {
		row := &c.Rows[i]
		for ; line < row.Line-1; line++ {
			s.text = append(s.text, '\n')
		}
		s.text = append(appendRow(s.text, row, keep), '\n')
		line++
	}
	for ; line < c.End.Line; line++ {
		s.text = append(s.text, '\n')
	}
}

// appendRow appends a row as bulk_import reads it.
func appendRow(dst []byte, r *Row, keep bool) []byte {
	keep = keep && (r.TinyID != 0 || r.Created != 0 || r.ValidFrom != 0)
	if r.Nick == "" && r.FaceURL == "" && !keep {
		return appendText(dst, r.UserID)
	}
	dst = appendText(append(dst, `{"UserID":`...), r.UserID)
	if r.Nick != "" {
		dst = appendText(append(dst, `,"Nick":`...), r.Nick)
	}
	if r.FaceURL != "" {
		dst = appendText(append(dst, `,"FaceUrl":`...), r.FaceURL)
	}
	if keep && r.TinyID != 0 {
		dst = append(strconv.AppendUint(append(dst, `,"TinyID":"`...), r.TinyID, 10), '"')
	}
	if keep && r.Created != 0 {
		dst = strconv.AppendInt(append(dst, `,"Created":`...), r.Created, 10)
	}
	if keep && r.ValidFrom != 0 {
		dst = strconv.AppendInt(append(dst, `,"ValidFrom":`...), r.ValidFrom, 10)
	}
	return append(dst, '}')
}

// appendText appends s as a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // cannot fail for a string
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// window holds the segments that were read and are not settled. One goroutine adds to it,
// one reads it as the body of a call, one settles it.
type window struct {
	mu       sync.Mutex
	changed  sync.Cond
	segments []*segment
	spare    []*segment
	size     int // of the texts
	finished bool
	readErr  error // why the input ended, nil at its end; once it is finished
	stopped  bool  // bodies end where they are
	closed   bool  // nobody needs anything any more
}

func newWindow() *window {
	w := &window{}
	w.changed.L = &w.mu
	return w
}

// take returns a segment to fill.
func (w *window) take() *segment {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.spare); n > 0 {
		s := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return s
	}
	return &segment{}
}

// add adds the next segment once there is room for it. It returns false if none is needed
// any more.
func (w *window) add(s *segment) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.size > windowBytes && !w.closed && !w.stopped {
		w.changed.Wait()
	}
	if w.closed || w.stopped {
		return false
	}
	w.segments = append(w.segments, s)
	w.size += len(s.text)
	w.changed.Broadcast()
	return true
}

// finish says that there are no more segments, and why.
func (w *window) finish(err error) { w.set(func() { w.finished, w.readErr = true, err }) }

// stop makes bodies end.
func (w *window) stop() { w.set(func() { w.stopped = true }) }

// close makes everybody who waits give up.
func (w *window) close() { w.set(func() { w.closed = true }) }

func (w *window) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.changed.Broadcast()
}

// err returns why the input ended.
func (w *window) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readErr
}

// settled reports whether the input is at its end, and has no line behind line. There may
// be segments left that have none either.
func (w *window) settled(line int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.segments)
	return w.finished && (n == 0 || w.segments[n-1].end.Line <= line)
}

// settle forgets all segments that end at or before line. It returns the place up to which
// it has forgotten, and the rejects up to line that were not returned before.
func (w *window) settle(line int64) (Position, []Reject) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rejects []Reject
	var at Position
	n := 0
	for _, s := range w.segments {
		at = s.start
		k := upTo(line, s.rejects)
		rejects = append(rejects, s.rejects[:k]...)
		s.rejects = s.rejects[k:]
		if s.end.Line > line {
			break
		}
		at = s.end
		w.size -= len(s.text)
		n++
	}
	w.spare = append(w.spare, w.segments[:n]...)
	w.segments = slices.Delete(w.segments, 0, n)
	w.changed.Broadcast()
	return at, rejects
}

// body returns what is to be sent behind line. Only one body is in use at a time.
func (w *window) body(line int64) *body { return &body{window: w, line: line} }

// body is the body of one call. It is an io.ReadCloser.
type body struct {
	window *window
	line   int64  // lines that are sent, or were before this body began
	text   []byte // of the segment at hand, what is not sent yet
	closed bool
}

var errBodyClosed = errors.New("the body is closed")

// Read waits until there is something to send. At the end of the input, and when the window
// is stopped, it returns io.EOF.
func (b *body) Read(p []byte) (int, error) {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(b.text) == 0 {
		switch {
		case b.closed || w.closed:
			return 0, errBodyClosed
		case w.stopped:
			return 0, io.EOF
		case b.nextSegment():
		case w.finished:
			return 0, io.EOF
		default:
			w.changed.Wait()
		}
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

// nextSegment makes the text behind line that of the body. It returns false if that was not
// read yet.
func (b *body) nextSegment() bool {
	for _, s := range b.window.segments {
		if s.end.Line <= b.line {
			continue
		}
		b.text = s.text
		for sent := s.start.Line; sent < b.line; sent++ {
			_, b.text, _ = bytes.Cut(b.text, []byte{'\n'})
		}
		b.line = s.end.Line
		return true
	}
	return false
}

// Close makes a Read that waits return, and every later one.
func (b *body) Close() error {
	b.window.set(func() { b.closed = true })
	return nil
}
