package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// BulkOptions says what Bulk measures. Exe is needed; for the rest zero means the default.
type BulkOptions struct {
	// Exe is the muster binary, which Bulk runs as in SuiteOptions, and as import, export and
	// bench scan.
	Exe         string
	Rounds      int    // 1
	Accounts    int64  // of the file, 10,000,000
	Concurrency int    // calls under way at a time, 32
	Dir         string // see SuiteOptions
	Log         io.Writer
}

// BulkReport is what Bulk measured. Durations are nanoseconds in JSON.
type BulkReport struct {
	Machine  string      `json:"machine"`
	Accounts int64       `json:"accounts"` // of the file, in random order
	Rounds   []BulkRound `json:"rounds"`
}

// BulkRound is one round of a BulkReport. All but the first are processes of their own, whose
// duration is that from their start to their end.
type BulkRound struct {
	Driver Result `json:"driver"` // the names of the file through multiaccount_import, made by bench import
	Calls  Moved  `json:"calls"`  // the file through multiaccount_import, into an empty store
	Stream Moved  `json:"stream"` // the file through bulk_import, into an empty store
	Again  Moved  `json:"again"`  // the same again
	Export Moved  `json:"export"` // all of that store
	Scan   Moved  `json:"scan"`   // the same by Pebble alone, without a server
	Disk   Disk   `json:"disk"`
}

// Moved is what one process did.
type Moved struct {
	Accounts          int64         `json:"accounts"`
	Duration          time.Duration `json:"duration_ns"`
	AccountsPerSecond float64       `json:"accounts_per_second"`
	Memory            int64         `json:"peak_rss_bytes"`        // of the process
	ServerMemory      int64         `json:"server_peak_rss_bytes"` // of its server, since that was started
}

// bulkMetrics are the figures of a round.
var bulkMetrics = []figure[BulkRound]{
	{"bench import, accounts/s", 0, bound{}, func(r *BulkRound) float64 { return r.Driver.AccountsPerSecond }},
	{"import by calls, accounts/s", 0, bound{}, func(r *BulkRound) float64 { return r.Calls.AccountsPerSecond }},
	{"by calls / bench import", 3, bound{"≥", 0.9}, func(r *BulkRound) float64 { return quotient(r.Calls.AccountsPerSecond, r.Driver.AccountsPerSecond) }},
	{"import --stream, accounts/s", 0, bound{"≥", 1_000_000}, func(r *BulkRound) float64 { return r.Stream.AccountsPerSecond }},
	{"--stream / by calls", 3, bound{"≥", 2.5}, func(r *BulkRound) float64 { return quotient(r.Stream.AccountsPerSecond, r.Calls.AccountsPerSecond) }},
	{"the same again, accounts/s", 0, bound{}, func(r *BulkRound) float64 { return r.Again.AccountsPerSecond }},
	{"export, accounts/s", 0, bound{"≥", 2_000_000}, func(r *BulkRound) float64 { return r.Export.AccountsPerSecond }},
	{"bare Pebble scan, accounts/s", 0, bound{}, func(r *BulkRound) float64 { return r.Scan.AccountsPerSecond }},
	{"export / scan", 3, bound{}, func(r *BulkRound) float64 { return quotient(r.Export.AccountsPerSecond, r.Scan.AccountsPerSecond) }},
	{"by calls: importer's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Calls.Memory) / mebi }},
	{"by calls: server's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Calls.ServerMemory) / mebi }},
	{"--stream: importer's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Stream.Memory) / mebi }},
	{"--stream: server's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Stream.ServerMemory) / mebi }},
	{"export: exporter's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Export.Memory) / mebi }},
	{"export: server's memory, MiB", 0, bound{"<", 512}, func(r *BulkRound) float64 { return float64(r.Export.ServerMemory) / mebi }},
	{"disk, bytes per account", 1, bound{}, func(r *BulkRound) float64 { return r.Disk.PerAccount }},
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Bulk measures how fast a file of accounts is imported and exported, on both ways that there
// are, and beside it what the machine does with less: the names made by the driver instead of
// read from a file, and the store read by Pebble alone.
func Bulk(ctx context.Context, o BulkOptions) (report BulkReport, err error) {
	suiteOptions := SuiteOptions{
		Exe: o.Exe, Rounds: cmp.Or(o.Rounds, 1), Accounts: cmp.Or(o.Accounts, 10_000_000),
		Concurrency: o.Concurrency, Dir: o.Dir, Log: o.Log,
	}
	if err := suiteOptions.Validate(); err != nil {
		return BulkReport{}, err
	}
	s := &suite{o: suiteOptions.withDefaults(), key: randomKey()}
	if s.root, err = makeRoot(s.o.Dir); err != nil {
		return BulkReport{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.root)) }()
	report = BulkReport{Machine: thisMachine(), Accounts: s.o.Accounts}
	if err := s.writeNames(); err != nil {
		return report, err
	}
	for n := range s.o.Rounds {
		s.logf("round %d of %d", n+1, s.o.Rounds)
		round, err := s.bulkRound(ctx, n)
		if err != nil {
			return report, err
		}
		report.Rounds = append(report.Rounds, round)
	}
	return report, nil
}

// namesFile is the file that is imported.
func (s *suite) namesFile() string { return filepath.Join(s.root, "names.txt") }

// writeNames writes the names that the driver makes to a file.
func (s *suite) writeNames() error {
	s.logf("writing a file of %s names", grouped(s.o.Accounts))
	f, err := os.Create(s.namesFile())
	if err != nil {
		return fmt.Errorf("bench: bulk: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	names, ids, buf := newNames(DefaultPrefix, 0), make([]string, 1024), []byte(nil)
	for at := int64(0); at < s.o.Accounts; at += int64(len(ids)) {
		ids = ids[:min(int64(len(ids)), s.o.Accounts-at)]
		buf = names.fill(ids, uint64(at), buf)
		_, _ = w.WriteString(strings.Join(ids, "\n")) // an error stays, and Flush returns it
		_ = w.WriteByte('\n')
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("bench: bulk: %w", err)
	}
	return nil
}

// bulkRound measures everything once. Which door comes first changes from round to round.
func (s *suite) bulkRound(ctx context.Context, n int) (r BulkRound, err error) {
	steps := []func(context.Context, *BulkRound) error{s.bulkDriver, s.bulkCalls, s.bulkStream}
	if n%2 == 1 {
		steps[0], steps[2] = steps[2], steps[0]
	}
	for _, step := range steps {
		settleDisk()
		if err := step(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// onEmpty starts the service on an empty store, calls f, stops it, calls after with the
// store's directory, and removes that.
func (s *suite) onEmpty(ctx context.Context, f func(*child) error, after func(dir string) error) (err error) {
	dir := filepath.Join(s.root, "bulk")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := s.service(ctx, dir)
	if err != nil {
		return err
	}
	if err := errors.Join(f(c), c.stop()); err != nil {
		return err
	}
	return after(dir)
}

func nothing(string) error { return nil }

func (s *suite) bulkDriver(ctx context.Context, r *BulkRound) error {
	return s.onEmpty(ctx, func(c *child) (err error) {
		if r.Driver, err = s.drive(ctx, c, "bench import", Options{Command: Import, Accounts: s.o.Accounts}); err != nil {
			return err
		}
		return r.Driver.Err()
	}, nothing)
}

func (s *suite) bulkCalls(ctx context.Context, r *BulkRound) error {
	return s.onEmpty(ctx, func(c *child) (err error) {
		r.Calls, err = s.move(ctx, c, "import by calls", "import", s.namesFile(), "--rate=0", fmt.Sprintf("--concurrency=%d", s.o.Concurrency))
		return err
	}, nothing)
}

func (s *suite) bulkStream(ctx context.Context, r *BulkRound) error {
	return s.onEmpty(ctx, func(c *child) (err error) {
		if r.Stream, err = s.move(ctx, c, "import --stream", "import", s.namesFile(), "--stream"); err != nil {
			return err
		}
		if r.Again, err = s.move(ctx, c, "the same again", "import", s.namesFile(), "--stream"); err != nil {
			return err
		}
		r.Export, err = s.move(ctx, c, "export", "export")
		return err
	}, func(dir string) (err error) {
		bytes, err := diskUsage(dir)
		if err != nil {
			return err
		}
		r.Disk = Disk{Accounts: s.o.Accounts, Bytes: bytes, PerAccount: float64(bytes) / float64(s.o.Accounts)}
		r.Scan, err = s.move(ctx, nil, "bare scan", "bench", "scan", "--store="+dir)
		return err
	})
}

// move runs the binary, which says in the end how many accounts it has moved, and measures
// it. c is the server that it works with, nil if there is none.
func (s *suite) move(ctx context.Context, c *child, title string, args ...string) (Moved, error) {
	summary, devNull, err := s.outputs()
	if err != nil {
		return Moved{}, err
	}
	defer func() { _ = errors.Join(summary.Close(), devNull.Close(), os.Remove(summary.Name())) }()
	out := summary
	args = append(args, "--json")
	if args[0] == "export" {
		out = devNull // and the summary goes to standard error
	}
	if c != nil {
		args = append(args, "--url=http://"+c.addr, fmt.Sprintf("--sdkappid=%d", suiteApp), "--key="+string(s.key), "--admin="+suiteAdmin)
	}
	logs := filepath.Join(s.root, "process") // its server has the other one
	err = os.MkdirAll(logs, 0o700)
	if err != nil {
		return Moved{}, fmt.Errorf("bench: %s: %w", title, err)
	}
	process, err := launch(ctx, logs, s.o.Exe, out, args...)
	if err != nil {
		return Moved{}, fmt.Errorf("bench: %s: %w", title, err)
	}
	if err := process.wait(); err != nil {
		return Moved{}, err
	}
	took := now().Sub(process.started)
	m := Moved{Duration: took, Memory: peakOf(process.cmd.ProcessState)}
	if m.Accounts, err = readRows(summary, process); err != nil || m.Accounts < s.o.Accounts {
		return m, errors.Join(err, fmt.Errorf("bench: %s: %s of %s accounts", title, grouped(m.Accounts), grouped(s.o.Accounts)))
	}
	m.AccountsPerSecond = float64(m.Accounts) / took.Seconds()
	if c != nil {
		memory, err := memoryOf(c.cmd.Process.Pid)
		if err != nil {
			return m, err
		}
		m.ServerMemory = memory.Peak
	}
	s.logf("  %-24s %10s accounts/s", title, grouped(int64(m.AccountsPerSecond)))
	return m, nil
}

func (s *suite) outputs() (summary, devNull *os.File, err error) {
	if summary, err = os.Create(filepath.Join(s.root, "summary.json")); err != nil {
		return nil, nil, fmt.Errorf("bench: bulk: %w", err)
	}
	if devNull, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("bench: bulk: %w", err), summary.Close())
	}
	return summary, devNull, nil
}

// readRows reads from the summary, or if there is none from the end of the log, how many
// accounts a process has moved.
func readRows(summary *os.File, c *child) (int64, error) {
	text, err := os.ReadFile(summary.Name())
	if err != nil {
		return 0, fmt.Errorf("bench: bulk: %w", err)
	}
	if len(text) == 0 {
		if text, err = os.ReadFile(c.log.Name()); err != nil {
			return 0, fmt.Errorf("bench: bulk: %w", err)
		}
	}
	var found struct {
		Rows int64 `json:"rows"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return 0, fmt.Errorf("bench: %s: what it says is no summary: %w", c.name, err)
	}
	return found.Rows, nil
}

// Metrics returns the figures of the report.
func (r BulkReport) Metrics() []Metric { return metricsOf(bulkMetrics, r.Rounds) }

// MarshalJSON implements json.Marshaler; it adds the metrics to what was measured.
func (r BulkReport) MarshalJSON() ([]byte, error) {
	type measured BulkReport
	return json.Marshal(struct {
		measured
		Metrics []Metric `json:"metrics"`
	}{measured(r), r.Metrics()})
}

// String returns the report as a table for people.
func (r BulkReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; a file of %s accounts in random order\n\n", r.Machine, grouped(r.Accounts))
	writeMetrics(&b, r.Metrics(), len(r.Rounds))
	return b.String()
}
