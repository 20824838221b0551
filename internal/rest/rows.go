package rest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// Limits of a run. They bound the memory of a stream, and how long an account waits for its
// run to fill.
const (
	runRows     = 160 << 10              // entries
	runLines    = 1 << 20                // rows, blank ones included
	runText     = 16 << 20               // bytes of text
	runFailures = 8 << 10                // rows that cannot be read
	keepRows    = 4 << 10                // entries of a run that is restored entry by entry
	runWait     = 200 * time.Millisecond // without another row
	runAge      = time.Second            // altogether
	blockSize   = 256 << 10
)

// run is a part of a body that is imported as one.
type run struct {
	entries  []account.Entry
	restore  []account.Restore // aligned with entries, if TinyIDs are to be kept
	offset   []int32           // of each entry's row behind firstRow
	bad      []rowFailure      // rows that could not be read
	firstRow int64
	endRow   int64 // the number of the last row
	text     int
	ordered  bool
	since    time.Time // about when the first row came

	result account.RunResult
	err    error
	done   chan struct{} // closed when result and err are final
}

// rowFailure is a row that was not imported.
type rowFailure struct {
	row int64
	id  string
	err *errcode.Error
}

// begin makes r a run whose rows are those after the row end. It keeps the memory that r has
// from what it was before.
func (r *run) begin(end int64) *run {
	clear(r.entries) // so that it holds no body of the past
	clear(r.bad)
	*r = run{
		entries: r.entries[:0], restore: r.restore[:0], offset: r.offset[:0], bad: r.bad[:0],
		firstRow: end + 1, endRow: end, done: make(chan struct{}),
	}
	return r
}

func (r *run) empty() bool { return r.endRow < r.firstRow }

// aged reports whether the run has waited for more rows for long enough. It notes when that
// began, and so must be called whenever rows were added.
func (r *run) aged(now time.Time) bool {
	if r.since.IsZero() && !r.empty() {
		r.since = now
	}
	return !r.empty() && now.Sub(r.since) >= runAge
}

// waits returns for how long more rows may let the run wait; 0 for ever.
func (r *run) waits(now time.Time) time.Duration {
	if r.empty() {
		return 0
	}
	return max(1, min(runWait, r.since.Add(runAge).Sub(now)))
}

func (r *run) full() bool {
	return len(r.entries) >= runRows || len(r.bad) >= runFailures || r.text >= runText ||
		r.endRow-r.firstRow >= runLines-1 || len(r.restore) >= keepRows
}

// failures calls each for every row that was not imported, in order.
func (r *run) failures(each func(rowFailure) error) error {
	bad := r.bad
	for _, f := range r.result.Failures {
		row := r.firstRow + int64(r.offset[f.Index])
		for len(bad) > 0 && bad[0].row < row {
			if err := each(bad[0]); err != nil {
				return err
			}
			bad = bad[1:]
		}
		if err := each(rowFailure{row, string(r.entries[f.Index].UserID), f.Err}); err != nil {
			return err
		}
	}
	for _, f := range bad {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// gatherer cuts a body into rows and gathers them into runs.
type gatherer struct {
	skip int64 // rows up to this one are not looked at
	keep bool  // TinyIDs are to be kept
	next *run
	used chan *run // runs that are through and can be used again

	partial  []byte // the beginning of a row whose end is in a block to come
	overlong bool   // the beginning was too long, and is gone
}

// add takes rows from the front of block. It returns true when the run is full, and false
// when the block is used up.
func (g *gatherer) add(block *string) (full bool) {
	for !g.next.full() {
		line, rest, ok := strings.Cut(*block, "\n")
		if !ok {
			g.begin(*block)
			*block = ""
			return false
		}
		*block = rest
		if len(g.partial) > 0 {
			line = string(append(g.partial, line...))
			g.partial = g.partial[:0]
		}
		g.row(line)
	}
	return true
}

// begin keeps the beginning of a row.
func (g *gatherer) begin(text string) {
	if g.overlong = g.overlong || len(g.partial)+len(text) > wire.MaxRow+1; g.overlong {
		g.partial = g.partial[:0]
		return
	}
	g.partial = append(g.partial, text...)
}

// end takes what is behind the last line break, at the end of the body.
func (g *gatherer) end() {
	if len(g.partial) > 0 || g.overlong {
		g.row(string(g.partial))
	}
}

// shortFault returns an error if the body had fewer rows than there were to skip.
func (g *gatherer) shortFault() error {
	if rows := g.next.endRow; rows < g.skip {
		return errcode.Newf(errcode.BadParam, "from is %d and the body has only %d rows: it is not the one that was begun", g.skip, rows)
	}
	return nil
}

// take returns the run, and begins the next one.
func (g *gatherer) take() *run {
	r := g.next
	select {
	case used := <-g.used:
		g.next = used.begin(r.endRow)
	default:
		g.next = new(run).begin(r.endRow)
	}
	return r
}

// row adds one row to the run.
func (g *gatherer) row(line string) {
	r := g.next
	r.endRow++
	overlong := g.overlong
	g.overlong = false
	if r.endRow <= g.skip {
		return
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if overlong || len(line) > wire.MaxRow {
		r.bad = append(r.bad, rowFailure{r.endRow, "", errcode.Newf(errcode.BadParam, "the row has more than %d bytes", wire.MaxRow)})
		return
	}
	if blank(line) {
		return
	}
	r.text += len(line) // also of a row that fails: its name is kept, and may keep all of it
	var row wire.Row
	if err := wire.DecodeRow(line, g.keep, &row); err != nil {
		r.bad = append(r.bad, rowFailure{r.endRow, row.UserID, errcode.From(err)})
		return
	}
	r.entries = append(r.entries, account.Entry{UserID: account.UserID(row.UserID), Nick: row.Nick, FaceURL: row.FaceURL})
	r.offset = append(r.offset, int32(r.endRow-r.firstRow))
	r.ordered = r.ordered || row.Nick != "" || row.FaceURL != "" || g.keep
	if g.keep {
		r.restore = append(r.restore, account.Restore{TinyID: account.TinyID(row.TinyID), Created: row.Created, ValidFrom: row.ValidFrom})
	}
}

func blank(line string) bool {
	for i := range len(line) {
		if c := line[i]; c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// blocks are the parts of a body as they come.
type blocks struct {
	ch  chan string
	err error // why there are no more; valid once ch is closed
}

// errIdle says that nothing came for a while.
var errIdle = errors.New("nothing came")

// readBlocks reads the body of a stream on a goroutine. Once ctx has ended it drops what it
// reads. It ends with the body, or when the stream's deadline ends it.
func readBlocks(ctx context.Context, s *stream) *blocks {
	b := &blocks{ch: make(chan string)}
	ended := make(chan struct{})
	s.read = ended
	go func() {
		defer close(ended)
		b.err = b.read(ctx, s)
		close(b.ch)
		_, _ = io.Copy(io.Discard, s)
	}()
	return b
}

func (b *blocks) read(ctx context.Context, s *stream) error {
	buf := make([]byte, blockSize)
	for {
		n, err := s.Read(buf)
		if n > 0 {
			select {
			case b.ch <- string(buf[:n]):
			case <-ctx.Done():
				return errGone(ctx.Err())
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return err
		case err != nil:
			return bodyFault(errcode.BadJSON, err)
		}
	}
}

// next returns the next block, or errIdle if none comes within wait, unless that is 0.
func (b *blocks) next(ctx context.Context, stop <-chan struct{}, wait time.Duration) (string, error) {
	select {
	case <-stop:
		return "", errStopping()
	default:
	}
	select {
	case block, ok := <-b.ch:
		return b.received(block, ok)
	default: // a timer costs more than a block that is there
	}
	var idle <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		idle = timer.C
	}
	select {
	case block, ok := <-b.ch:
		return b.received(block, ok)
	case <-idle:
		return "", errIdle
	case <-stop:
		return "", errStopping()
	case <-ctx.Done():
		return "", errGone(ctx.Err())
	}
}

func (b *blocks) received(block string, ok bool) (string, error) {
	if !ok {
		return "", b.err
	}
	return block, nil
}
