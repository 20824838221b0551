package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bench"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
)

// benchCmd is muster bench.
type benchCmd struct {
	Import  benchImportCmd  `cmd:"" help:"Import new accounts through the REST API and measure it."`
	Check   benchCheckCmd   `cmd:"" help:"Check accounts that bench import has imported and measure it."`
	Suite   benchSuiteCmd   `cmd:"" help:"Measure servers that it starts itself against what this machine could do at best."`
	Bulk    benchBulkCmd    `cmd:"" help:"Measure import and export of a large file, with servers that it starts itself."`
	Login   benchLoginCmd   `cmd:"" help:"Measure logins, sessions, kicks and status queries, with servers that it starts itself."`
	Message benchMessageCmd `cmd:"" help:"Measure sending and delivery of messages, with servers that it starts itself."`
	Ceiling benchCeilingCmd `cmd:"" hidden:"" help:"Serve what bench suite compares with."`
	Bare    benchBareCmd    `cmd:"" hidden:"" help:"Serve what bench login and bench message compare with."`
	Scan    benchScanCmd    `cmd:"" hidden:"" help:"Read a store by Pebble alone."`
	Compact benchCompactCmd `cmd:"" hidden:"" help:"Bring a store into its smallest form."`
}

// target are the flags that say what a benchmark drives and how.
type target struct {
	service

	Accounts    int64   `name:"accounts" default:"1000000" placeholder:"N" help:"How many accounts."`
	From        int64   `name:"from" default:"0" placeholder:"N" help:"The number of the first account."`
	Batch       int     `name:"batch" default:"100" placeholder:"N" help:"Accounts in a call."`
	Concurrency int     `name:"concurrency" default:"0" placeholder:"N" help:"Calls under way at a time; 0 means 32, or 1024 with --rate."`
	Rate        float64 `name:"rate" default:"0" placeholder:"CALLS" help:"Calls per second of an open loop; 0 calls as fast as the server answers."`
	Prefix      string  `name:"prefix" default:"user_" placeholder:"TEXT" help:"What the names begin with."`
	Seed        uint64  `name:"seed" default:"1" placeholder:"N" help:"Two seeds give names that have none in common."`
	JSON        bool    `name:"json" help:"Print JSON."`
}

// run measures and prints the result.
func (t *target) run(ctx context.Context, streams Streams, o bench.Options) error {
	key, err := t.Key.reveal()
	if err != nil {
		return err
	}
	o.URL, o.SDKAppID, o.Key, o.Admin = t.URL, t.SDKAppID, imclient.Key(key), t.Admin
	o.Accounts, o.From, o.Batch, o.Concurrency = t.Accounts, t.From, t.Batch, t.Concurrency
	o.Rate, o.Prefix, o.Seed = t.Rate, t.Prefix, t.Seed
	if err := o.Validate(); err != nil {
		return &usage{err, ""}
	}
	progress := newBar(streams.Err, string(o.Command), o.Accounts, false)
	o.Progress = func(p bench.Progress) { progress.set(p.Accounts) }
	result, err := bench.Run(ctx, o)
	progress.stop()
	if err != nil && result.Calls == 0 {
		return err
	}
	return errors.Join(printResult(streams.Out, t.JSON, result), err, result.Err())
}

func printResult(w io.Writer, asJSON bool, result fmt.Stringer) error {
	if asJSON {
		return printJSON(w, result)
	}
	_, err := fmt.Fprint(w, result.String())
	return err
}

// benchImportCmd is muster bench import.
type benchImportCmd struct {
	target
	Reimport bool `name:"reimport" help:"Import the same accounts once more and measure that too."`
}

// Run measures imports.
func (c *benchImportCmd) Run(ctx context.Context, streams Streams) error {
	return c.run(ctx, streams, bench.Options{Command: bench.Import, Reimport: c.Reimport})
}

// benchCheckCmd is muster bench check.
type benchCheckCmd struct {
	target
	Absent bool `name:"absent" help:"Expect that no account is imported, rather than that all are."`
}

// Run measures checks.
func (c *benchCheckCmd) Run(ctx context.Context, streams Streams) error {
	return c.run(ctx, streams, bench.Options{Command: bench.Check, Absent: c.Absent})
}

// benchSuiteCmd is muster bench suite.
type benchSuiteCmd struct {
	Rounds      int           `name:"rounds" default:"3" placeholder:"N" help:"How often each thing is measured."`
	Accounts    int64         `name:"accounts" default:"2000000" placeholder:"N" help:"Accounts of each import."`
	Existing    int64         `name:"existing" default:"10000000" placeholder:"N" help:"Accounts in the store that is prepared first."`
	Concurrency int           `name:"concurrency" default:"32" placeholder:"N" help:"Calls under way at a time."`
	OpenRate    float64       `name:"open-rate" default:"200" placeholder:"CALLS" help:"Calls per second of the open loop."`
	OpenFor     time.Duration `name:"open-for" default:"15s" placeholder:"TIME" help:"How long the open loop takes."`
	Dir         string        `name:"dir" default:"." placeholder:"DIR" help:"Where the stores are made and removed, on the disk to measure."`
	JSON        bool          `name:"json" help:"Print JSON."`
}

// Run measures the suite with this very program.
func (c *benchSuiteCmd) Run(ctx context.Context, streams Streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o := bench.SuiteOptions{
		Exe:         exe,
		Rounds:      c.Rounds,
		Accounts:    c.Accounts,
		Existing:    c.Existing,
		Concurrency: c.Concurrency,
		OpenRate:    c.OpenRate,
		OpenFor:     c.OpenFor,
		Dir:         c.Dir,
		Log:         streams.Err,
	}
	if err := o.Validate(); err != nil {
		return &usage{err, ""}
	}
	report, err := bench.Suite(ctx, o)
	if len(report.Rounds) == 0 {
		return err
	}
	return errors.Join(printResult(streams.Out, c.JSON, report), err)
}

// benchBulkCmd is muster bench bulk.
type benchBulkCmd struct {
	Rounds      int    `name:"rounds" default:"1" placeholder:"N" help:"How often each thing is measured."`
	Accounts    int64  `name:"accounts" default:"10000000" placeholder:"N" help:"Accounts of the file."`
	Concurrency int    `name:"concurrency" default:"32" placeholder:"N" help:"Calls under way at a time."`
	Dir         string `name:"dir" default:"." placeholder:"DIR" help:"Where file and stores are made and removed, on the disk to measure."`
	JSON        bool   `name:"json" help:"Print JSON."`
}

// Run measures with this very program.
func (c *benchBulkCmd) Run(ctx context.Context, streams Streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	report, err := bench.Bulk(ctx, bench.BulkOptions{
		Exe: exe, Rounds: c.Rounds, Accounts: c.Accounts, Concurrency: c.Concurrency, Dir: c.Dir, Log: streams.Err,
	})
	if len(report.Rounds) == 0 {
		return err
	}
	return errors.Join(printResult(streams.Out, c.JSON, report), err)
}

// benchLoginCmd is muster bench login.
type benchLoginCmd struct {
	Rounds      int    `name:"rounds" default:"1" placeholder:"N" help:"How often each thing is measured."`
	Sessions    int    `name:"sessions" default:"20000" placeholder:"N" help:"Devices that are logged in together; fewer if a process may not have so many files open."`
	Kicks       int    `name:"kicks" default:"500" placeholder:"N" help:"Accounts that are kicked among them, one after the other."`
	Queries     int    `name:"queries" default:"1000" placeholder:"N" help:"Status queries of 500 names."`
	Concurrency int    `name:"concurrency" default:"32" placeholder:"N" help:"Logins under way at a time."`
	Dir         string `name:"dir" default:"." placeholder:"DIR" help:"Where the store is made and removed."`
	JSON        bool   `name:"json" help:"Print JSON."`
}

// Run measures with this very program.
func (c *benchLoginCmd) Run(ctx context.Context, streams Streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if c.Rounds < 1 || c.Sessions < 2 || c.Kicks < 1 || c.Queries < 1 || c.Concurrency < 1 {
		return &usage{errors.New("there must be at least 2 sessions, and 1 of everything else"), ""}
	}
	report, err := bench.Login(ctx, bench.LoginOptions{
		Exe: exe, Rounds: c.Rounds, Sessions: c.Sessions, Kicks: c.Kicks, Queries: c.Queries,
		Concurrency: c.Concurrency, Dir: c.Dir, Log: streams.Err,
	})
	if len(report.Rounds) == 0 {
		return err
	}
	return errors.Join(printResult(streams.Out, c.JSON, report), err)
}

// benchMessageCmd is muster bench message.
type benchMessageCmd struct {
	Rounds   int    `name:"rounds" default:"1" placeholder:"N" help:"How often each thing is measured."`
	Sessions int    `name:"sessions" default:"5000" placeholder:"N" help:"Devices that are connected while delivery is measured; fewer if a process may not have so many files open."`
	Messages int    `name:"messages" default:"200000" placeholder:"N" help:"Messages of each step; those of delivery take 10 s at the most."`
	Dir      string `name:"dir" default:"." placeholder:"DIR" help:"Where the stores are made and removed, on the disk to measure."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Run measures with this very program.
func (c *benchMessageCmd) Run(ctx context.Context, streams Streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if c.Rounds < 1 || c.Sessions < 1 || c.Messages < 1 || c.Messages > bench.MaxMessages {
		return &usage{fmt.Errorf("there must be at least 1 of everything, and at most %d messages", bench.MaxMessages), ""}
	}
	report, err := bench.Messages(ctx, bench.MessageOptions{
		Exe: exe, Rounds: c.Rounds, Sessions: c.Sessions, Messages: c.Messages, Dir: c.Dir, Log: streams.Err,
	})
	if len(report.Rounds) == 0 {
		return err
	}
	return errors.Join(printResult(streams.Out, c.JSON, report), err)
}

// benchBareCmd is muster bench bare, which bench login and bench message run.
type benchBareCmd struct {
	Publish bool `name:"publish" help:"Take publications as well."`
}

// Run serves until ctx ends.
func (c *benchBareCmd) Run(ctx context.Context, streams Streams) error {
	if c.Publish {
		return bench.ServeBarePublisher(ctx, streams.Out)
	}
	return bench.ServeBare(ctx, streams.Out)
}

// benchScanCmd is muster bench scan, which bench bulk runs.
type benchScanCmd struct {
	Store string `name:"store" required:"" placeholder:"DIR" help:"The directory of the store."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run reads the store.
func (c *benchScanCmd) Run(ctx context.Context, streams Streams) error {
	n, err := backend.Scan(ctx, store.DSN{Backend: store.Pebble, Dir: c.Store})
	if err != nil {
		return err
	}
	return printJSON(streams.Out, struct {
		Rows int64 `json:"rows"`
	}{n})
}

// benchCeilingCmd is muster bench ceiling, which bench suite runs.
type benchCeilingCmd struct {
	Listen string `name:"listen" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where it listens."`
	Store  string `name:"store" required:"" placeholder:"DIR" help:"The directory of its database."`
}

// Run serves until ctx ends.
func (c *benchCeilingCmd) Run(ctx context.Context, streams Streams) error {
	return bench.ServeCeiling(ctx, bench.CeilingOptions{Listen: c.Listen, Dir: c.Store, Out: streams.Out})
}

// benchCompactCmd is muster bench compact, which bench suite runs.
type benchCompactCmd struct {
	Store string `name:"store" required:"" placeholder:"DIR" help:"The directory of the store."`
}

// Run compacts the store.
func (c *benchCompactCmd) Run(ctx context.Context) error {
	return backend.Compact(ctx, store.DSN{Backend: store.Pebble, Dir: c.Store})
}
