package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/muster-im/muster/internal/bulk"
)

// exportCmd is muster export.
type exportCmd struct {
	remote
	Out    string `name:"out" short:"o" default:"-" placeholder:"FILE" help:"Where to write; - is standard output."`
	Format string `name:"format" enum:"ndjson,csv" default:"ndjson" placeholder:"ndjson|csv" help:"How to write the accounts."`
	After  string `name:"after" placeholder:"USERID" help:"Only accounts behind this one, in byte order of UserID."`
	Limit  int64  `name:"limit" default:"0" placeholder:"N" help:"So many accounts at the most; 0 means all."`
	Resume bool   `name:"resume" help:"Go on behind the last whole line of FILE, if it is there."`
	JSON   bool   `name:"json" help:"Print the summary as JSON: to standard output, or to standard error if the accounts go there."`
}

// Run exports the accounts.
func (c *exportCmd) Run(ctx context.Context, streams Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := c.client(1, 0)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	o := bulk.ExportOptions{
		Service: client, Format: bulk.Format(c.Format), After: c.After, Limit: c.Limit,
		Notice: func(text string) { complain(streams.Err, "%s", text) },
	}
	if err := c.probe(ctx); err != nil {
		return err
	}
	out, err := c.open(streams, &o)
	if err != nil {
		return err
	}
	begin := time.Now()
	progress := newCounter(streams.Err, "exporting", c.Out != "-")
	o.OnProgress = progress.set
	done, err := bulk.Export(ctx, out, o)
	progress.stop()
	return errors.Join(c.finish(out, done, err == nil), c.summary(streams, done, time.Since(begin), err == nil), c.outcome(ctx, done, err))
}

func (c *exportCmd) check() error {
	switch {
	case c.Limit < 0:
		return &usage{errors.New("--limit must not be negative"), ""}
	case c.Resume && c.Out == "-":
		return &usage{errors.New("--resume needs --out FILE; behind a name goes --after"), ""}
	case c.Resume && c.After != "":
		return &usage{errors.New("--resume finds out itself where to go on; --after says it too"), ""}
	default:
		return nil
	}
}

// open opens what the accounts are written to. A file that is not to be gone on with must
// not be there yet.
func (c *exportCmd) open(streams Streams, o *bulk.ExportOptions) (io.Writer, error) {
	if c.Out == "-" {
		return streams.Out, nil
	}
	if !c.Resume {
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			return nil, &usage{fmt.Errorf("%s is there already", c.Out), "give another name, or --resume to go on with it"}
		}
		return f, err
	}
	f, err := os.OpenFile(c.Out, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	offset, last, err := bulk.ExportEnd(f, o.Format)
	if err == nil {
		err = f.Truncate(offset)
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, &usage{fmt.Errorf("go on with %s: %w", c.Out, inner(err)), ""}
	}
	o.After, o.NoHeader = last, offset > 0
	return f, nil
}

// finish makes a file durable. One that is new and has no account it removes.
func (c *exportCmd) finish(out io.Writer, done bulk.Exported, complete bool) error {
	f, ok := out.(*os.File)
	if !ok || c.Out == "-" {
		return nil
	}
	var err error
	switch {
	case complete:
		err = f.Sync()
	case done.Rows == 0 && !c.Resume:
		err = os.Remove(c.Out)
	}
	return errors.Join(err, f.Close())
}

func (c *exportCmd) summary(streams Streams, done bulk.Exported, took time.Duration, finished bool) error {
	w := streams.Out
	if c.Out == "-" {
		w = streams.Err
	}
	perSecond := float64(done.Rows) / max(took.Seconds(), 1e-3)
	if c.JSON {
		return printJSON(w, struct {
			bulk.Exported
			Finished      bool    `json:"finished"`
			Seconds       float64 `json:"seconds"`
			RowsPerSecond float64 `json:"rows_per_second"`
		}{done, finished, roundSeconds(took), float64(int64(perSecond))})
	}
	if !finished || c.Out == "-" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d accounts in %v, %.0f/s\n", done.Rows, took.Round(time.Millisecond), perSecond)
	return err
}

func (c *exportCmd) outcome(ctx context.Context, done bulk.Exported, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped behind %d accounts", done.Rows)
	} else {
		err = c.advise(inner(err))
	}
	if done.Last == "" {
		return err
	}
	hint := "to go on, give the same command with --after=" + quoted(done.Last)
	if c.Out != "-" {
		hint = "to go on, give the same command with --resume"
	}
	return &stoppedError{fmt.Errorf("%w\n%s", err, hint)}
}
