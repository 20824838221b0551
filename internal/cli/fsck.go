package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
)

// fsckCmd is muster fsck.
type fsckCmd struct {
	Store store.DSN `name:"store" default:"pebble:./muster-data" placeholder:"pebble:DIR" env:"MUSTER_STORE" help:"The store."`
	JSON  bool      `name:"json" help:"Print JSON."`
}

// errFaults says that a store was checked and is not sound.
var errFaults = errors.New("the store has faults; restore it from a backup")

// Run checks the store and prints what it found.
func (c *fsckCmd) Run(ctx context.Context, streams Streams) error {
	progress, done := fsckProgress(streams.Err)
	report, err := backend.Fsck(ctx, c.Store, progress)
	done()
	if err != nil {
		return withStoreHint(err, c.Store)
	}
	if c.JSON {
		err = printJSON(streams.Out, newFsckResult(&report))
	} else {
		err = printReport(streams.Out, &report)
	}
	if err == nil && report.NumFaults > 0 {
		return errFaults
	}
	return err
}

// fsckProgress returns what shows on a terminal how far the check has come, and what
// clears it away.
func fsckProgress(w io.Writer) (progress func(records int64), done func()) {
	if !isTerminal(w) {
		return nil, func() {}
	}
	return func(records int64) { _, _ = fmt.Fprintf(w, "\r%d records", records) },
		func() { _, _ = fmt.Fprint(w, "\r\x1b[K") }
}

// fsckResult is what muster fsck prints as JSON.
type fsckResult struct {
	Sound    bool      `json:"sound"`
	Apps     []fsckApp `json:"apps"`
	Accounts int64     `json:"accounts"`
	Deleted  int64     `json:"deleted"`
	Faults   []string  `json:"faults"`     // the first of them
	NumFault int64     `json:"num_faults"` // all of them
}

type fsckApp struct {
	SDKAppID uint32 `json:"sdkappid"`
	Accounts int64  `json:"accounts"` // found
	Count    int64  `json:"count"`    // as the store counts
	Deleted  int64  `json:"deleted"`
}

func newFsckResult(r *backend.Report) fsckResult {
	out := fsckResult{
		Sound:    r.NumFaults == 0,
		Apps:     make([]fsckApp, len(r.Apps)),
		Accounts: r.Accounts,
		Deleted:  r.Deleted,
		Faults:   append([]string{}, r.Faults...),
		NumFault: r.NumFaults,
	}
	for i, a := range r.Apps {
		out.Apps[i] = fsckApp{uint32(a.SDKAppID), a.Accounts, a.Count, a.Deleted}
	}
	return out
}

func printReport(w io.Writer, r *backend.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // t keeps the error
	row("App\taccounts\tcount\tdeleted\t")
	for _, a := range r.Apps {
		row("%d\t%d\t%d\t%d\t", a.SDKAppID, a.Accounts, a.Count, a.Deleted)
	}
	row("all\t%d\t\t%d\t", r.Accounts, r.Deleted)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, fault := range r.Faults {
		if _, err := fmt.Fprintln(w, "fault:", fault); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d faults\n", r.NumFaults)
	return err
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) // #nosec G115 -- a file descriptor is small
}
