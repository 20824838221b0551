package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/bulk"
)

// importCmd is muster import.
type importCmd struct {
	remote
	File string `arg:"" name:"file" help:"The file with the accounts: CSV with a header (UserID, Nick, FaceUrl), NDJSON, or a name a line; gzip and zstd too. - is standard input."`

	Stream      bool   `name:"stream" help:"Send all in one stream, which is faster. A service that has no bulk_import gets calls of 100 instead."`
	KeepTinyIDs bool   `name:"keep-tinyids" help:"Restore the TinyID, Created and ValidFrom that an export has, row by row. Implies --stream."`
	Format      string `name:"format" enum:"auto,csv,ndjson,names" default:"auto" placeholder:"csv|ndjson|names" help:"How the file is written, if that is not to be found out."`
	Concurrency int    `name:"concurrency" default:"32" placeholder:"N" help:"Calls under way at a time."`
	DryRun      bool   `name:"dry-run" help:"Only count which accounts are new, existing, repeated or invalid."`

	Checkpoint string `name:"checkpoint" placeholder:"FILE" help:"Where is kept how far the import has come; FILE.checkpoint beside the input unless it is standard input."`
	Resume     bool   `name:"resume" help:"Go on from the checkpoint, if there is one."`
	Rejects    string `name:"rejects" placeholder:"FILE" help:"Write the rows that were not imported to this CSV: Row, UserID, Code, Reason."`

	JSON   bool `name:"json" help:"Print the summary as one JSON object."`
	Events bool `name:"json-events" help:"Print progress as JSON too, an object a line; the last one is the summary."`
}

// importAttempts is how often a call is tried, for a minute or so: long enough for a server
// to be started again.
const importAttempts = 12

// Run imports the file.
func (c *importCmd) Run(ctx context.Context, streams Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := c.client(c.Concurrency, importAttempts)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	reading, stopInput := context.WithCancel(ctx)
	defer stopInput()
	input, err := bulk.OpenInput(c.File, bulk.Interruptible(reading, streams.In))
	if err != nil {
		return &usage{inner(err), ""}
	}
	defer func() { _ = input.Close() }() // only read
	reader, err := bulk.NewReader(input.Name(), input, bulk.ReaderOptions{Format: c.format(), KeepTinyIDs: c.KeepTinyIDs})
	if err != nil {
		return &usage{err, ""}
	}
	if err := c.probe(ctx); err != nil {
		if ctx.Err() != nil {
			return stoppedBefore(input.Name())
		}
		return err
	}
	show := newImportDisplay(c, streams, input)
	defer show.stop()
	defer context.AfterFunc(ctx, func() {
		show.notice("stopping when the calls under way have ended; Ctrl-C again stops at once")
	})()
	if c.DryRun {
		return c.dryRun(ctx, reader, show, bulk.DryRunOptions{
			Service: client, Concurrency: c.Concurrency, StopInput: stopInput, OnReject: show.reject, OnProgress: show.dryProgress,
		})
	}
	o := bulk.Options{
		Service: client, SDKAppID: c.SDKAppID, KeepTinyIDs: c.KeepTinyIDs, Concurrency: c.Concurrency,
		Checkpoint: c.checkpoint(), Resume: c.Resume, Rejects: c.Rejects,
		OnReject: show.reject, OnProgress: show.progress, Notice: show.notice, StopInput: stopInput,
	}
	if c.Stream {
		o.Door = bulk.Stream
	}
	c.mentionCheckpoint(&o, show)
	sum, err := bulk.Import(ctx, reader, o)
	end := c.outcome(ctx, input.Name(), sum, err)
	if err != nil {
		err = end
	}
	return errors.Join(show.summary(sum, err), end)
}

func (c *importCmd) check() error {
	switch {
	case c.Concurrency < 1 || c.Concurrency > 4096:
		return &usage{errors.New("--concurrency must be 1 to 4096"), ""}
	case c.Resume && c.checkpoint() == "":
		return &usage{errors.New("--resume needs --checkpoint FILE when standard input is read"), ""}
	case c.DryRun && c.Resume:
		return &usage{errors.New("--dry-run looks at the whole file, --resume does not"), ""}
	default:
		return nil
	}
}

// probe makes a call that changes nothing, so that a wrong address, App or Key is told at
// once: the calls of an import or export are repeated for a long time.
func (r *remote) probe(ctx context.Context) error {
	client, err := r.client(1, 0)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	_, err = client.AccountCheck(ctx, []string{r.Admin})
	if isUnknown(err) {
		return nil
	}
	return r.advise(err)
}

func (c *importCmd) format() bulk.Format {
	if c.Format == "auto" {
		return ""
	}
	return bulk.Format(c.Format)
}

func (c *importCmd) checkpoint() string {
	if c.Checkpoint != "" || c.File == "-" {
		return c.Checkpoint
	}
	return c.File + ".checkpoint"
}

// mentionCheckpoint says that there is a checkpoint which is not going to be used.
func (c *importCmd) mentionCheckpoint(o *bulk.Options, show *importDisplay) {
	if o.Resume || o.Checkpoint == "" {
		return
	}
	if _, err := os.Stat(o.Checkpoint); err == nil {
		show.notice(fmt.Sprintf("beginning at the beginning; --resume would go on from %s", o.Checkpoint))
	}
}

// outcome turns the end of an import into that of the command.
func (c *importCmd) outcome(ctx context.Context, name string, sum bulk.Summary, err error) error {
	var mismatch *bulk.MismatchError
	var begin *bulk.BeginError
	switch {
	case err == nil && sum.Rejected > 0:
		return c.rejected(sum.Rejected)
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		return &usage{inner(err), "without --resume the import begins at the beginning, which is harmless"}
	case errors.As(err, &begin):
		return &usage{begin, ""}
	case ctx.Err() != nil && sum.Line == 0:
		return stoppedBefore(name)
	case ctx.Err() != nil:
		err = fmt.Errorf("stopped behind line %d of %s", sum.Line, name)
	default:
		err = c.advise(inner(err))
	}
	switch {
	case sum.Checkpoint != "":
		return &stoppedError{fmt.Errorf("%w\nto go on behind line %d, give the same command with --resume", err, sum.Line)}
	case sum.Line > 0:
		return fmt.Errorf("%w\nthere is no checkpoint to go on from, but importing everything again is harmless", err)
	default:
		return err
	}
}

func stoppedBefore(name string) error {
	return fmt.Errorf("stopped before anything of %s was imported", name)
}

// inner returns err without what package bulk says before it, which tells people nothing.
func inner(err error) error {
	if e := errors.Unwrap(err); e != nil && strings.HasPrefix(err.Error(), "bulk: ") {
		return e
	}
	return err
}

func (c *importCmd) rejected(n int64) error {
	if c.Rejects == "" {
		return fmt.Errorf("%s rejected; --rejects FILE writes them to a file", plural(n, "row"))
	}
	return fmt.Errorf("%s rejected, see %s", plural(n, "row"), c.Rejects)
}

// dryRun counts what an import would do.
func (c *importCmd) dryRun(ctx context.Context, in *bulk.Reader, show *importDisplay, o bulk.DryRunOptions) error {
	begin := time.Now()
	result, err := bulk.TryImport(ctx, in, o)
	show.stop()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("stopped at line %d of %s; nothing was changed", result.Line, c.File)
		}
		return c.advise(inner(err))
	}
	if err := printDryRun(show.streams.Out, c.JSON || c.Events, result, time.Since(begin)); err != nil {
		return err
	}
	if result.Invalid > 0 {
		return fmt.Errorf("%s would be rejected", plural(result.Invalid, "row"))
	}
	return nil
}

func printDryRun(w io.Writer, asJSON bool, r bulk.DryRun, took time.Duration) error {
	if asJSON {
		return printJSON(w, struct {
			bulk.DryRun
			Rows    int64   `json:"rows"`
			Seconds float64 `json:"seconds"`
		}{r, r.Rows(), roundSeconds(took)})
	}
	_, err := fmt.Fprintf(w, "dry run of %d rows in %v: new %d, existing %d, repeated %d, invalid %d; nothing was changed\n",
		r.Rows(), took.Round(time.Millisecond), r.New, r.Existing, r.Repeated, r.Invalid)
	return err
}
