package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/muster-im/muster/internal/bulk"
)

const (
	shownRejects = 10              // rows that are told one by one on standard error
	lineEvery    = 5 * time.Second // between two lines of progress where there is no terminal
	eventEvery   = 500 * time.Millisecond
)

// importDisplay shows an import while it runs: a bar and a line of figures on a terminal, a
// line now and then elsewhere, or events for programs.
type importDisplay struct {
	cmd     *importCmd
	streams Streams
	input   *bulk.Input
	begin   time.Time

	rejects int
	shown   atomic.Pointer[bulk.Summary]
	next    time.Time // of the next line or event

	mu        sync.Mutex // of all below
	stopped   bool
	container *mpb.Progress
	bar       *mpb.Bar
}

// barSteps is how many steps a bar has, a thousandth of the way each.
const barSteps = 1000

func newImportDisplay(c *importCmd, streams Streams, input *bulk.Input) *importDisplay {
	d := &importDisplay{cmd: c, streams: streams, input: input, begin: time.Now()}
	d.shown.Store(&bulk.Summary{})
	d.next = d.begin.Add(d.every())
	if file, ok := streams.Err.(*os.File); ok && !c.Events && isWide(file) {
		d.showBar(file)
	}
	return d
}

// every is how much time there is between two lines or events.
func (d *importDisplay) every() time.Duration {
	if d.cmd.Events {
		return eventEvery
	}
	return lineEvery
}

func (d *importDisplay) showBar(file *os.File) {
	d.container = mpb.New(mpb.WithConsoleWriter(&screen{file: file}), mpb.WithWidth(40), mpb.WithRefreshRate(200*time.Millisecond))
	speed := mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + d.speed(d.shown.Load()) }))
	figures := mpb.BarBtmExtender(mpb.BarFillerFunc(func(w io.Writer, st decor.Statistics) error {
		text := d.figures(d.shown.Load())
		_, err := fmt.Fprintln(w, text[:min(len(text), max(st.AvailableWidth, 0))])
		return err
	}))
	if d.input.Size() == 0 {
		d.bar = d.container.AddSpinner(0, mpb.BarWidth(2), speed, figures)
		return
	}
	// With its total from the beginning a bar would end when all is read, and notices would
	// not be shown any more.
	d.bar = d.container.AddBar(0, mpb.PrependDecorators(decor.Percentage(decor.WC{W: len("100 %")})), speed, figures)
	d.bar.SetTotal(barSteps, false)
}

// speed says how fast the import is and how long it will take.
func (d *importDisplay) speed(s *bulk.Summary) string {
	elapsed := time.Since(d.begin)
	rows := s.Rows() - s.Before.Rows()
	if d.cmd.DryRun {
		rows = s.Line
	}
	out := fmt.Sprintf("%.0f/s", float64(rows)/max(elapsed.Seconds(), 1e-3))
	part, known := d.input.Part(s.Offset)
	// So many more lines as it is far, at the speed of those that this run has done.
	if done := s.Line - s.Resumed; known && part > 0 && done > 0 && elapsed > time.Second {
		rest := float64(s.Line)/part - float64(s.Line)
		out += ", ETA " + time.Duration(float64(elapsed)*rest/float64(done)).Round(time.Second).String()
	}
	return out
}

// figures says how far the import has come.
func (d *importDisplay) figures(s *bulk.Summary) string {
	switch {
	case d.cmd.DryRun:
		return plural(s.Line, "line") + " looked at"
	case s.Imported > 0 && s.Created == 0:
		return fmt.Sprintf("%s: imported %d, rejected %d", plural(s.Rows(), "row"), s.Imported, s.Rejected)
	default:
		return fmt.Sprintf("%s: created %d, existed %d, updated %d, rejected %d",
			plural(s.Rows(), "row"), s.Created, s.Existed, s.Updated, s.Rejected)
	}
}

// progress is called often; it shows something now and then.
func (d *importDisplay) progress(s bulk.Summary) {
	d.shown.Store(&s)
	part, known := d.input.Part(s.Offset)
	if d.bar != nil {
		d.bar.SetCurrent(int64(part * barSteps))
		return
	}
	now := time.Now()
	if now.Before(d.next) {
		return
	}
	d.next = now.Add(d.every())
	switch {
	case d.cmd.Events && d.cmd.DryRun:
	case d.cmd.Events:
		_ = d.event("progress", s, nil)
	case known:
		_, _ = fmt.Fprintf(d.streams.Err, "%s: %.0f %%, %s, %s\n", d.input.Name(), 100*part, d.figures(&s), d.speed(&s))
	default:
		_, _ = fmt.Fprintf(d.streams.Err, "%s: %s, %s\n", d.input.Name(), d.figures(&s), d.speed(&s))
	}
}

// dryProgress is progress for a dry run, which knows no offset; but it reads hardly ahead.
func (d *importDisplay) dryProgress(line int64) {
	d.progress(bulk.Summary{Line: line, Offset: math.MaxInt64})
}

// reject tells about the first rows that were not imported.
func (d *importDisplay) reject(r bulk.Reject) {
	if d.cmd.Events {
		_ = json.NewEncoder(d.streams.Out).Encode(rejectEvent{"reject", r.Line, r.UserID, r.Code, r.Reason})
		return
	}
	if d.rejects++; d.rejects > shownRejects {
		return
	}
	if r.UserID == "" {
		d.notice(fmt.Sprintf("%s:%d: %d %s", d.input.Name(), r.Line, r.Code, printable(r.Reason)))
	} else {
		d.notice(fmt.Sprintf("%s:%d: %q: %d %s", d.input.Name(), r.Line, r.UserID, r.Code, printable(r.Reason)))
	}
	if d.rejects == shownRejects {
		d.notice("rows that are rejected from now on are only counted")
	}
}

type rejectEvent struct {
	Event  string `json:"event"`
	Row    int64  `json:"row"`
	UserID string `json:"userid"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// notice writes a line for people, above the bar if there is one. It may be called from any
// goroutine, and does nothing once the display has stopped.
func (d *importDisplay) notice(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped:
	case d.container != nil:
		_, _ = fmt.Fprintf(d.container, "muster: %s\n", text)
	default:
		complain(d.streams.Err, "%s", text)
	}
}

// stop takes the bar away.
func (d *importDisplay) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.container != nil && !d.stopped {
		d.bar.Abort(true)
		d.container.Wait()
	}
	d.stopped = true
}

// summaryJSON is the summary for programs.
type summaryJSON struct {
	Event string `json:"event,omitempty"`
	bulk.Summary
	Rows          int64   `json:"rows"`
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"` // of this part of the import
	Rejects       string  `json:"rejects_file,omitempty"`
	Error         string  `json:"error,omitempty"`
}

func (d *importDisplay) event(name string, s bulk.Summary, err error) error {
	took := time.Since(d.begin)
	out := summaryJSON{
		Event: name, Summary: s, Rows: s.Rows(), Seconds: roundSeconds(took), Rejects: d.cmd.Rejects,
		RowsPerSecond: math.Round(float64(s.Rows()-s.Before.Rows()) / max(took.Seconds(), 1e-3)),
	}
	if err != nil {
		out.Error = err.Error()
	}
	if d.cmd.Events {
		return json.NewEncoder(d.streams.Out).Encode(out)
	}
	return printJSON(d.streams.Out, out)
}

func roundSeconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// summary shows what has become of the import.
func (d *importDisplay) summary(s bulk.Summary, err error) error {
	took := time.Since(d.begin)
	d.stop()
	switch {
	case d.cmd.Events:
		return d.event("summary", s, err)
	case d.cmd.JSON:
		return d.event("", s, err)
	case s.Rows() == 0 && err != nil:
		return nil //nolint:nilerr // the command tells it
	}
	_, printErr := fmt.Fprintf(d.streams.Out, "%s in %v: %s\n", plural(s.Rows(), "row"), took.Round(time.Millisecond), counted(s.Counts))
	if s.Resumed > 0 && printErr == nil {
		_, printErr = fmt.Fprintf(d.streams.Out, "%s of these by an earlier run, up to line %d\n", plural(s.Before.Rows(), "row"), s.Resumed)
	}
	return printErr
}

// counted says what became of rows. What seldom happens it says only if it has.
func counted(c bulk.Counts) string {
	var out []string
	add := func(what string, n int64, always bool) {
		if n > 0 || always {
			out = append(out, fmt.Sprintf("%s %d", what, n))
		}
	}
	add("imported", c.Imported, false)
	add("created", c.Created, c.Imported == 0)
	add("existed", c.Existed, c.Imported == 0)
	add("updated", c.Updated, false)
	add("repeated", c.Repeated, false)
	add("rejected", c.Rejected, true)
	return strings.Join(out, ", ")
}
