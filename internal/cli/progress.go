package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// bar shows how far something has come: as a bar on a terminal, else as a line at every
// tenth of the way if it was made to write lines.
type bar struct {
	set  func(n int64) // how much is done now
	stop func()        // must be called in the end; leaves what was shown last
}

// newBar returns a bar of total steps.
func newBar(w io.Writer, label string, total int64, lines bool) bar {
	switch {
	case isWide(w):
		return terminalBar(w, label, total)
	case lines:
		return lineBar(w, label, total)
	default:
		return bar{set: func(int64) {}, stop: func() {}}
	}
}

func terminalBar(w io.Writer, label string, total int64) bar {
	container := mpb.New(mpb.WithOutput(w), mpb.WithWidth(72))
	b := container.AddBar(total,
		mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d"), decor.AverageSpeed(0, " %.0f/s")))
	return bar{
		set: b.SetCurrent,
		stop: func() {
			b.Abort(false) // does nothing if it is complete
			container.Wait()
		},
	}
}

func lineBar(w io.Writer, label string, total int64) bar {
	var shown int64 // tenths
	return bar{
		set: func(n int64) {
			if tenths := 10 * n / max(total, 1); tenths > shown {
				shown = tenths
				_, _ = fmt.Fprintf(w, "%s %d of %d\n", label, n, total)
			}
		},
		stop: func() {},
	}
}

// newCounter returns a bar of something that nobody knows the end of, shown on a terminal
// that nothing else is written to.
func newCounter(w io.Writer, label string, show bool) bar {
	file, ok := w.(*os.File)
	if !show || !ok || !isWide(w) {
		return bar{set: func(int64) {}, stop: func() {}}
	}
	container := mpb.New(mpb.WithConsoleWriter(&screen{file: file}))
	b := container.AddSpinner(0, mpb.BarWidth(2), mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(decor.CurrentNoUnit(" %d"), decor.AverageSpeed(0, " %.0f/s")))
	return bar{set: b.SetCurrent, stop: func() { b.Abort(false); container.Wait() }}
}

// isWide reports whether w is a terminal that says how wide it is, as a bar must know.
func isWide(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	width, _, err := term.GetSize(int(f.Fd())) // #nosec G115 -- a file descriptor is small
	return err == nil && width > 0
}
