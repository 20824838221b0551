package cli

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// meter shows how far a file of names has been worked off, if there is a terminal to show
// it on that the results do not go to as well.
type meter struct {
	notes io.Writer                  // where lines may be written meanwhile
	set   func(read, accounts int64) // what is done now
	stop  func()                     // must be called in the end; notes must not be used any more
}

func newMeter(streams Streams, s *source) meter {
	if s.file == "" || !isWide(streams.Err) || isTerminal(streams.Out) {
		return meter{notes: streams.Err, set: func(int64, int64) {}, stop: func() {}}
	}
	container := mpb.New(mpb.WithOutput(streams.Err), mpb.WithWidth(72))
	var done atomic.Int64
	count := decor.Any(func(decor.Statistics) string { return fmt.Sprintf(" %d accounts", done.Load()) })
	var b *mpb.Bar
	if s.size > 0 {
		// A bar that has its total from the beginning ends when that is reached, and notes
		// are not shown any more.
		b = container.AddBar(0, mpb.PrependDecorators(decor.Percentage()), mpb.AppendDecorators(count))
		b.SetTotal(s.size, false)
	} else {
		b = container.AddSpinner(0, mpb.AppendDecorators(count))
	}
	return meter{
		notes: container,
		set: func(read, accounts int64) {
			done.Store(accounts)
			b.SetCurrent(read)
		},
		stop: func() {
			b.Abort(false)
			container.Wait()
		},
	}
}
