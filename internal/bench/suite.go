package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/muster-im/muster/imclient"
)

// SuiteOptions says what Suite measures. Exe is needed; for the rest zero means the
// default.
type SuiteOptions struct {
	// Exe is the muster binary. Suite runs it as
	//
	//	serve --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0 --store pebble:DIR --app …
	//	bench ceiling --listen 127.0.0.1:0 --store DIR
	//	bench compact --store DIR
	//
	// The first two print "listening rest=ADDR …" once they listen, and end well on SIGTERM.
	Exe string

	Rounds      int           // 3
	Accounts    int64         // of each import, 1,000,000
	Existing    int64         // in the store that is prepared, 10,000,000
	Concurrency int           // of the closed loops, 32
	OpenRate    float64       // calls/s of the open loop, 200
	OpenFor     time.Duration // how long the open loop takes, 15 s

	// Dir is where a directory for the stores is made, and removed in the end; the
	// current directory if empty. It must be on the disk that is to be measured: a file
	// system in memory makes every sync free.
	Dir string

	Log io.Writer // gets a line for each step; nil for none
}

func (o SuiteOptions) withDefaults() SuiteOptions {
	o.Rounds = cmp.Or(o.Rounds, 3)
	o.Accounts = cmp.Or(o.Accounts, 2_000_000)
	o.Existing = cmp.Or(o.Existing, 10_000_000)
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	o.OpenRate = cmp.Or(o.OpenRate, 200)
	o.OpenFor = cmp.Or(o.OpenFor, 15*time.Second)
	o.Dir = cmp.Or(o.Dir, ".")
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Validate returns all faults of o, joined; nil if it has none.
func (o SuiteOptions) Validate() error {
	o = o.withDefaults()
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("bench: "+text))
		}
	}
	fault(o.Exe == "", "the muster binary is missing")
	fault(o.Rounds < 1, "the number of rounds must be positive")
	fault(o.Accounts < DefaultBatch, "an import must have "+strconv.Itoa(DefaultBatch)+" accounts or more")
	fault(o.Existing < DefaultBatch, "the prepared store must have "+strconv.Itoa(DefaultBatch)+" accounts or more")
	fault(o.Concurrency < 1 || o.Concurrency > maxConcurrency, "the concurrency must be 1 to "+strconv.Itoa(maxConcurrency))
	fault(o.OpenRate < 0 || o.OpenRate > maxRate, "the rate must be 0 to "+strconv.Itoa(maxRate))
	fault(o.OpenFor < 0, "the duration of the open loop must not be negative")
	return errors.Join(faults...)
}

// The App of the service that Suite starts. Its Key is made anew for every suite.
const (
	suiteApp   = 1400000001
	suiteAdmin = "administrator"
)

// suite is one run of Suite.
type suite struct {
	o    SuiteOptions
	root string // the directory for everything
	key  imclient.Key
	next int64 // the first counter whose name no run has used
}

// Suite measures the service and the ceiling in turn, in several rounds, so that a machine
// that drifts slows both. All processes that it starts have stopped when it returns.
//
// Calls that fail, and accounts that are not answered as they should, make an error, but
// do not end the suite: the Report is whole then. After any other error it has what was
// measured before.
func Suite(ctx context.Context, o SuiteOptions) (report Report, err error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	o = o.withDefaults()
	s := &suite{o: o, key: randomKey()}
	if s.root, err = makeRoot(o.Dir); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.root)) }()
	report = newReport(o)
	if report.Prepare, err = s.prepare(ctx); err != nil {
		return report, err
	}
	stored := o.Existing
	for n := range o.Rounds {
		round, err := s.round(ctx, n, &stored)
		if err != nil {
			return report, err
		}
		report.Rounds = append(report.Rounds, round)
	}
	if report.Compacted, err = s.compact(ctx, stored); err != nil {
		return report, err
	}
	return report, report.failures()
}

func makeRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("bench: suite: %w", err)
	}
	root, err := os.MkdirTemp(dir, "muster-bench-")
	if err != nil {
		return "", fmt.Errorf("bench: suite: %w", err)
	}
	return root, nil
}

func randomKey() imclient.Key {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return imclient.Key(hex.EncodeToString(b[:]))
}

func (s *suite) logf(format string, args ...any) {
	fmt.Fprintf(s.o.Log, "bench: "+format+"\n", args...)
}

// existingDir is that of the prepared store.
func (s *suite) existingDir() string { return filepath.Join(s.root, "existing") }

// take reserves n counters and returns the first.
func (s *suite) take(n int64) int64 {
	first := s.next
	s.next += n
	return first
}

// service starts muster serve on a store.
func (s *suite) service(ctx context.Context, dir string) (*child, error) {
	return serve(ctx, s.root, s.o.Exe, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--store", "pebble:"+dir,
		"--app", fmt.Sprintf("sdkappid=%d,key=%s,admin=%s,rate=0", suiteApp, string(s.key), suiteAdmin))
}

// drive runs the driver against c and logs the result.
func (s *suite) drive(ctx context.Context, c *child, title string, o Options) (Result, error) {
	o.URL, o.SDKAppID, o.Key, o.Admin = "http://"+c.addr, suiteApp, s.key, suiteAdmin
	if o.Rate == 0 && o.Concurrency == 0 {
		o.Concurrency = s.o.Concurrency
	}
	result, err := Run(ctx, o)
	if err != nil {
		return result, err
	}
	s.logf("  %-24s %10s accounts/s  p99 %s", title, grouped(int64(result.AccountsPerSecond)), millis(result.Latency.P99))
	return result, nil
}
