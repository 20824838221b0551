package bulk

import (
	"errors"
	"fmt"
)

// Position is a place between two rows of an input: how much of it lies before, and what
// that is. The zero Position is the beginning.
type Position struct {
	Line   int64  `json:"line"`   // lines before it
	Offset int64  `json:"offset"` // decoded bytes before it
	Sum    uint64 `json:"sum"`    // xxhash64 of those bytes; 0 at the beginning
}

// MismatchError says that a checkpoint does not belong to this input.
type MismatchError struct {
	Name   string   // of the input
	At     Position // of the checkpoint
	Reason string
}

// Error names the input, the line of the checkpoint and what does not fit.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s:%d: the checkpoint is not of this input: %s", e.Name, e.At.Line, e.Reason)
}

// ReadError says where an input could not be read any further. All rows before Line have
// been delivered, Line itself has not.
type ReadError struct {
	Name string
	Line int64
	Err  error
}

// Error names the input, the line and the cause.
func (e *ReadError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// Resume reads up to p, so that Next goes on behind it. It must come before the first
// Next. It returns a *MismatchError if the input up to p is not the one that p was taken
// from; a longer input that begins with it is the same.
func (r *Reader) Resume(p Position) error {
	if r.began {
		return errors.New("bulk: Resume after Next")
	}
	r.began = true
	if p == (Position{}) {
		return nil
	}
	s := &r.src
	if p.Offset < s.offset() {
		return r.mismatch(p, "it stands before the first row")
	}
	for p.Offset > s.offset() {
		s.skip(p.Offset - s.offset())
		if p.Offset == s.offset() {
			break
		}
		if !s.fill() {
			break
		}
	}
	if err := r.checkResumed(p); err != nil {
		return err
	}
	r.end = p
	return nil
}

func (r *Reader) checkResumed(p Position) error {
	s := &r.src
	if p.Offset > s.offset() {
		if err := r.failure(); err != nil {
			return err
		}
		return r.mismatch(p, fmt.Sprintf("the input ends after %d bytes, the checkpoint stands at byte %d", s.offset(), p.Offset))
	}
	if s.inLine {
		// The last line had no end when the checkpoint was made. It is whole only if
		// the input still ends here.
		for s.at == len(s.text) && s.fill() {
		}
		if s.at < len(s.text) {
			return r.mismatch(p, "the checkpoint stands in the middle of a line")
		}
		if err := r.failure(); err != nil {
			return err
		}
		s.endLine()
	}
	if got := s.position(); got != p {
		return r.mismatch(p, fmt.Sprintf("the %d bytes before the checkpoint are not the same", p.Offset))
	}
	return nil
}

func (r *Reader) mismatch(p Position, reason string) error {
	return &MismatchError{Name: r.name, At: p, Reason: reason}
}

// failure returns what stopped the reading, nil at the end of the input.
func (r *Reader) failure() error {
	if err := r.src.err; err != nil && !r.src.ended() {
		return &ReadError{Name: r.name, Line: r.src.position().Line + 1, Err: err}
	}
	return nil
}
