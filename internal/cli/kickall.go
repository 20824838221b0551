package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
	"github.com/muster-im/muster/internal/errcode"
)

// kickPage is how many names are asked for at a time. They are kicked in seconds, for which
// the service would otherwise have to keep an export open.
const kickPage = 100 * manyKicks

// kickAll is muster kick --all.
func (c *kickCmd) kickAll(ctx context.Context, streams Streams) error {
	client, concurrency, err := c.connect()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := c.confirm(ctx, streams); err != nil {
		return err
	}
	if err := c.probe(ctx); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	begin := time.Now()
	k := &allKicked{Last: string(c.After), notes: streams.Err, progress: newCounter(streams.Err, "kicking", true)}
	p := &pipeline{concurrency: concurrency, grace: c.Timeout, emit: k.emit}
	p.do = func(ctx context.Context, userIDs []string) ([]answer, error) {
		answers, err := kickAccounts(ctx, client, userIDs)
		if err != nil {
			return nil, err
		}
		return align(answers, userIDs)
	}
	names := c.everybody(reading, client, streams.Err)
	k.Finished, err = p.run(ctx, names.batches(reading, manyKicks))
	k.progress.stop()
	k.Seconds = roundSeconds(time.Since(begin))
	return errors.Join(k.print(streams.Out, c.JSON), c.outcome(ctx, k, err))
}

// confirm asks whether everybody may be kicked, if there is somebody to ask.
func (c *kickCmd) confirm(ctx context.Context, streams Streams) error {
	if c.Yes {
		return nil
	}
	terminal, ok := terminalOf(streams.In)
	if !ok {
		return &usage{errors.New("kicking all accounts must be confirmed"), "give --yes if that is meant; there is no terminal to ask on"}
	}
	question := fmt.Sprintf("Kick all accounts of App %d at %s? Everybody is logged out and needs a new UserSig.", c.SDKAppID, c.URL)
	return ask(ctx, terminal, question, "not confirmed, nobody was kicked")
}

// everybody gives out the names of all accounts page by page, in order, but for that of the
// admin who calls.
func (c *kickCmd) everybody(ctx context.Context, client *imclient.Client, notes io.Writer) *source {
	o := bulk.ExportOptions{
		Service: client, Format: bulk.NDJSON, After: string(c.After), Limit: kickPage,
		Notice: func(text string) { complain(notes, "%s", text) },
	}
	var number int64
	return &source{
		chunks: func() (bulk.Chunk, error) {
			var page bytes.Buffer
			done, err := bulk.Export(ctx, &page, o)
			if err != nil {
				return bulk.Chunk{}, inner(err)
			}
			if done.Rows == 0 {
				return bulk.Chunk{}, io.EOF
			}
			o.After = done.Last
			rows := make([]bulk.Row, 0, done.Rows)
			for line := range bytes.Lines(page.Bytes()) {
				a, err := imclient.DecodeExported(line)
				if err != nil {
					return bulk.Chunk{}, err
				}
				if a.UserID != c.Admin {
					number++
					rows = append(rows, bulk.Row{Line: number, UserID: a.UserID})
				}
			}
			return bulk.Chunk{Rows: rows}, nil
		},
		read:  func() int64 { return 0 },
		close: func() {},
	}
}

// allKicked is how far muster kick --all has come.
type allKicked struct {
	Kicked   int64   `json:"kicked"`
	Gone     int64   `json:"gone"` // deleted before they could be kicked
	Failed   int64   `json:"failed"`
	Last     string  `json:"last"` // the name of the last account that all before are done with
	Finished bool    `json:"finished"`
	Seconds  float64 `json:"seconds"`

	notes    io.Writer
	progress bar
	gap      bool // a call before was not made, or failed
}

// emit takes one call of the pipeline.
func (k *allKicked) emit(c *call) error {
	if c.err != nil {
		k.gap = true
		return nil //nolint:nilerr // the pipeline tells it
	}
	for _, a := range c.answers {
		switch r := a.head(); errcode.Code(r.ResultCode) {
		case errcode.OK:
			k.Kicked++
		case errcode.NoAccount:
			k.Gone++
		default:
			k.Failed++
			complain(k.notes, "%s: %s", printable(r.UserID), printable(r.reason()))
		}
	}
	if n := len(c.userIDs); n > 0 && !k.gap {
		k.Last = c.userIDs[n-1]
	}
	k.progress.set(k.Kicked)
	return nil
}

// print prints the summary.
func (k *allKicked) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, k)
	}
	if !k.Finished { // the error says where it stopped
		return nil
	}
	text := fmt.Sprintf("%s kicked in %gs", plural(k.Kicked, "account"), k.Seconds)
	if k.Gone > 0 {
		text += fmt.Sprintf(", %d gone meanwhile", k.Gone)
	}
	if k.Failed > 0 {
		text += fmt.Sprintf(", %d failed", k.Failed)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// outcome is the error of the whole, which says how to go on.
func (c *kickCmd) outcome(ctx context.Context, k *allKicked, err error) error {
	switch {
	case !k.Finished && ctx.Err() != nil:
		err = fmt.Errorf("stopped behind %s", plural(k.Kicked+k.Gone+k.Failed, "account"))
	case err == nil && k.Failed > 0:
		return fmt.Errorf("%s could not be kicked", plural(k.Failed, "account"))
	case err == nil:
		return nil
	case isUnknown(err):
		return fmt.Errorf("%w\n--all works with Muster only; name the accounts, or a file of them with --file", err)
	default:
		err = c.advise(err)
	}
	if k.Last == "" {
		return err
	}
	return &stoppedError{fmt.Errorf("%w\nto go on, give the same command with --after=%s", err, quoted(k.Last))}
}

// quoted returns text as a shell takes it for one word.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
