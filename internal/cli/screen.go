package cli

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/term"
)

// screen is a terminal for mpb. It differs from mpb's own in that it goes back to the first
// column before it goes up: a terminal shows ^C where the cursor stands, and what comes next
// would begin behind that.
type screen struct {
	bytes.Buffer
	file *os.File
}

// IsTerminal implements mpb.ConsoleWriter.
func (s *screen) IsTerminal() bool { return true }

// GetTermSize implements mpb.ConsoleWriter.
func (s *screen) GetTermSize() (width, height int, err error) {
	return term.GetSize(int(s.file.Fd())) // #nosec G115 -- a file descriptor is small
}

// Flush implements mpb.ConsoleWriter: it shows what was written, the last so many lines of
// which the next Flush replaces.
func (s *screen) Flush(lines int) error {
	if _, err := s.WriteTo(s.file); err != nil {
		return err
	}
	if lines > 0 {
		_, _ = fmt.Fprintf(&s.Buffer, "\r\x1b[%dA\x1b[J", lines) // a Buffer takes everything
	}
	return nil
}
