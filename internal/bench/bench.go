// Package bench measures a server through the REST API: Run drives one with imports or
// checks, as fast as it answers or at a fixed rate; Suite measures a whole installation,
// and beside it the ceiling, which is what the machine could do if an import were nothing
// but HTTP, JSON and durable writes.
//
// Closed loop: every worker makes its next call when the last one is answered. That
// measures throughput; the latencies are those of a saturated server.
//
// Open loop: calls have planned instants at a fixed rate, and a call's latency counts
// from its planned instant. A call that starts late because all workers wait for a
// stalled server is as late as a client of that server would have found it.
//
// The names that a run imports are a function of a seed and a counter. So any later run,
// in any process, can make the same ones again, and no run has to remember them.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
)

// Command is what a run calls.
type Command string

// The commands of a run.
const (
	Import Command = "import" // multiaccount_import
	Check  Command = "check"  // account_check
)

// The defaults of Options. An open loop has more workers, so that calls can start on
// time while others wait.
const (
	DefaultBatch       = account.MaxBatch
	DefaultConcurrency = 32
	DefaultOpenWorkers = 1024
	DefaultPrefix      = "user_"
)

// Options says what a run does. Command, URL, SDKAppID, Key, Admin and Accounts are
// needed; for the rest zero means the default.
type Options struct {
	Command  Command
	URL      string // of the service, without /v4/
	SDKAppID uint64
	Key      imclient.Key
	Admin    string

	Accounts int64 // how many, of the counters From to From+Accounts
	From     int64 // the first counter
	Batch    int   // accounts in a call
	// Concurrency is the number of workers, and so the most calls under way at a time.
	Concurrency int
	Rate        float64 // calls per second of an open loop; 0 for a closed loop

	Prefix string // what names begin with
	Seed   uint64 // two seeds make two sets of names that have none in common

	// Reimport imports the same accounts a second time; the Result of that is
	// Result.Reimport.
	Reimport bool
	// Absent makes Check expect that no account is imported, rather than that all are.
	Absent bool

	// Progress, if set, is called a few times a second from a goroutine of Run, never
	// after Run has returned.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Accounts int64 // answered as expected
	Total    int64 // asked for
	Calls    int64 // made, failed ones included
	Failed   int64 // calls that failed
	Elapsed  time.Duration
}

func (o Options) withDefaults() Options {
	o.Batch = cmp.Or(o.Batch, DefaultBatch)
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	workers := DefaultConcurrency
	if o.Rate > 0 {
		workers = DefaultOpenWorkers
	}
	o.Concurrency = cmp.Or(o.Concurrency, workers)
	return o
}

// Validate returns all faults of o, joined; nil if it has none. What concerns the
// connection (URL, SDKAppID, Key, Admin) is left to imclient.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("bench: "+format, args...))
		}
	}
	fault(o.Command != Import && o.Command != Check, "the command %q is neither %s nor %s", o.Command, Import, Check)
	fault(o.Accounts < 1, "the number of accounts is %d, it must be positive", o.Accounts)
	fault(o.From < 0 || o.From > math.MaxInt64-max(o.Accounts, 0), "the first account is %d, out of range", o.From)
	fault(o.Batch < 1 || o.Batch > account.MaxBatch, "the batch is %d, it must be 1 to %d", o.Batch, account.MaxBatch)
	fault(o.Concurrency < 1 || o.Concurrency > maxConcurrency, "the concurrency is %d, it must be 1 to %d", o.Concurrency, maxConcurrency)
	fault(o.Rate < 0 || o.Rate > maxRate || math.IsNaN(o.Rate), "the rate is %v calls/s, it must be 0 to %d", o.Rate, maxRate)
	fault(o.Reimport && o.Command != Import, "only %s can re-import", Import)
	fault(o.Absent && o.Command != Check, "only %s can expect accounts to be absent", Check)
	if err := account.UserID(o.Prefix + "0").Validate(); err != nil || len(o.Prefix) > maxPrefix {
		fault(true, "the prefix %q is not 1 to %d bytes that a UserID may start with", o.Prefix, maxPrefix)
	}
	return errors.Join(faults...)
}

// Bounds that keep a slip of the finger from taking the machine.
const (
	maxConcurrency = 16384
	maxRate        = 1_000_000
)

// Run makes the calls that o asks for. Calls that fail are counted in the Result and are
// no error of Run; see [Result.Err].
//
// If ctx ends first, Run returns what was measured so far and ctx's error. Calls that
// were then under way count neither as made nor as failed.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	o = o.withDefaults()
	client, err := imclient.New(imclient.Options{
		BaseURL: o.URL, SDKAppID: o.SDKAppID, Key: o.Key, Admin: o.Admin, Connections: o.Concurrency,
		Attempts: 1, // what fails is to be counted, and what is repeated would be measured twice
	})
	if err != nil {
		return Result{}, fmt.Errorf("bench: %w", err)
	}
	defer client.CloseIdleConnections()
	return run(ctx, o, client)
}

// api is what a run needs of imclient.Client.
type api interface {
	MultiAccountImport(ctx context.Context, r imclient.ImportRequest) (imclient.ImportReply, error)
	AccountCheck(ctx context.Context, userIDs []string) ([]imclient.Checked, error)
}

func run(ctx context.Context, o Options, service api) (Result, error) {
	result, err := drive(ctx, o, service)
	if err != nil || !o.Reimport {
		return result, err
	}
	again, err := drive(ctx, o, service)
	result.Reimport = &again
	return result, err
}
