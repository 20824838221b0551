package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what Suite measured. Durations are nanoseconds in JSON.
type Report struct {
	Machine  string  `json:"machine"`  // system, processors, Go release
	Accounts int64   `json:"accounts"` // of each import
	Prepare  Result  `json:"prepare"`  // making the store with existing accounts
	Rounds   []Round `json:"rounds"`
	// Compacted is the prepared store's size after the last round and a compaction.
	Compacted Disk `json:"compacted"`
}

// Round is one round of a Report.
type Round struct {
	Ceiling  Result `json:"ceiling"`  // new accounts into the ceiling
	Import   Result `json:"import"`   // new accounts into an empty store
	Reimport Result `json:"reimport"` // the same again
	Check    Result `json:"check"`    // of the same
	Open     Result `json:"open"`     // open loop: new accounts into that store

	Existing    int64         `json:"existing"`        // accounts in the prepared store before
	FirstAnswer time.Duration `json:"first_answer_ns"` // from the start of the process on that store
	// IndexComplete is when the store worked at full speed, from the start of the process.
	IndexComplete time.Duration `json:"index_complete_ns"`
	IntoExisting  Result        `json:"into_existing"` // new accounts into it, after that
	Memory        Memory        `json:"memory"`        // of the service after that
	Disk          Disk          `json:"disk"`          // of the store once the service has stopped
}

// Disk is the size of a store on disk.
type Disk struct {
	Accounts   int64   `json:"accounts"`
	Bytes      int64   `json:"bytes"`
	PerAccount float64 `json:"bytes_per_account"`
}

func newReport(o SuiteOptions) Report {
	return Report{
		Machine:  thisMachine(),
		Accounts: o.Accounts,
	}
}

func thisMachine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// failures returns the errors of all runs, joined.
func (r Report) failures() error {
	faults := []error{r.Prepare.Err()}
	for _, round := range r.Rounds {
		for _, result := range []Result{round.Ceiling, round.Import, round.Reimport, round.Check, round.Open, round.IntoExisting} {
			faults = append(faults, result.Err())
		}
	}
	return errors.Join(faults...)
}

// Metric is one figure of all rounds, and what it should be.
type Metric struct {
	Name   string    `json:"name"`
	Rounds []float64 `json:"rounds"` // one value for each round, or a single one
	Median float64   `json:"median"`
	Goal   string    `json:"goal,omitempty"` // such as "≥ 0.8"; empty for none
	Met    bool      `json:"met"`            // the median reaches the goal, or there is none

	digits int // after the point, for people
}

// bound is a goal: at least or at most a limit.
type bound struct {
	sign  string // ≥, <, ≤, or empty for no goal
	limit float64
}

func (b bound) String() string {
	if b.sign == "" {
		return ""
	}
	return fmt.Sprintf("%s %g", b.sign, b.limit)
}

func (b bound) met(v float64) bool {
	switch b.sign {
	case "≥":
		return v >= b.limit
	case "≤":
		return v <= b.limit
	case "<":
		return v < b.limit
	default:
		return true
	}
}

const (
	mebi      = 1 << 20
	nameWidth = 34 // of the longest name of a Metric
)

// figure is a Metric of a kind of round.
type figure[R any] struct {
	name   string
	digits int
	goal   bound
	value  func(*R) float64
}

// metrics are the figures of a round, in the order in which they are shown.
var metrics = []figure[Round]{
	{"ceiling: import, accounts/s", 0, bound{}, func(r *Round) float64 { return r.Ceiling.AccountsPerSecond }},
	{"import, accounts/s", 0, bound{}, func(r *Round) float64 { return r.Import.AccountsPerSecond }},
	{"import / ceiling", 3, bound{"≥", 0.8}, func(r *Round) float64 { return ratio(r.Import, r.Ceiling) }},
	{"re-import, accounts/s", 0, bound{}, func(r *Round) float64 { return r.Reimport.AccountsPerSecond }},
	{"re-import / import", 3, bound{"≥", 0.7}, func(r *Round) float64 { return ratio(r.Reimport, r.Import) }},
	{"check, accounts/s", 0, bound{}, func(r *Round) float64 { return r.Check.AccountsPerSecond }},
	{"check / import", 3, bound{"≥", 1}, func(r *Round) float64 { return ratio(r.Check, r.Import) }},
	{"into existing, accounts/s", 0, bound{}, func(r *Round) float64 { return r.IntoExisting.AccountsPerSecond }},
	{"into existing / import", 3, bound{"≥", 0.75}, func(r *Round) float64 { return ratio(r.IntoExisting, r.Import) }},
	{"import p50 at full load, ms", 2, bound{}, func(r *Round) float64 { return ms(r.Import.Latency.P50) }},
	{"import p99 at full load, ms", 2, bound{}, func(r *Round) float64 { return ms(r.Import.Latency.P99) }},
	{"open loop p50, ms", 2, bound{}, func(r *Round) float64 { return ms(r.Open.Latency.P50) }},
	{"open loop p99, ms", 2, bound{"<", 10}, func(r *Round) float64 { return ms(r.Open.Latency.P99) }},
	{"open loop max, ms", 2, bound{}, func(r *Round) float64 { return ms(r.Open.Latency.Max) }},
	{"first answer after start, s", 3, bound{"<", 1}, func(r *Round) float64 { return r.FirstAnswer.Seconds() }},
	{"full speed after start, s", 3, bound{}, func(r *Round) float64 { return r.IndexComplete.Seconds() }},
	{"server memory (RSS), MiB", 0, bound{}, func(r *Round) float64 { return float64(r.Memory.RSS) / mebi }},
	{"server memory, peak, MiB", 0, bound{"<", 512}, func(r *Round) float64 { return float64(r.Memory.Peak) / mebi }},
	{"disk, bytes per account", 1, bound{}, func(r *Round) float64 { return r.Disk.PerAccount }},
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratio compares the throughput of two runs; 0 if the second did nothing.
func ratio(a, b Result) float64 {
	if b.AccountsPerSecond == 0 {
		return 0
	}
	return a.AccountsPerSecond / b.AccountsPerSecond
}

// Metrics returns the figures of the report: of each round, the median, and the goal.
func (r Report) Metrics() []Metric {
	out := metricsOf(metrics, r.Rounds)
	if len(r.Rounds) > 0 && r.Compacted.Accounts > 0 {
		out = append(out, newMetric("disk compacted, bytes per account", 1, bound{"≤", 60}, []float64{r.Compacted.PerAccount}))
	}
	return out
}

// metricsOf returns the figures of rounds, nil if there are none.
func metricsOf[R any](figures []figure[R], rounds []R) []Metric {
	if len(rounds) == 0 {
		return nil
	}
	out := make([]Metric, 0, len(figures)+1)
	for _, f := range figures {
		values := make([]float64, len(rounds))
		for i := range rounds {
			values[i] = f.value(&rounds[i])
		}
		out = append(out, newMetric(f.name, f.digits, f.goal, values))
	}
	return out
}

func newMetric(name string, digits int, goal bound, values []float64) Metric {
	m := Metric{Name: name, Rounds: values, Median: median(values), Goal: goal.String(), digits: digits}
	m.Met = goal.met(m.Median)
	return m
}

// median returns the middle of values, the mean of the two in the middle if their number
// is even, and 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// MarshalJSON implements json.Marshaler; it adds the metrics to what was measured.
func (r Report) MarshalJSON() ([]byte, error) {
	type measured Report
	return json.Marshal(struct {
		measured
		Metrics []Metric `json:"metrics"`
	}{measured(r), r.Metrics()})
}

// String returns the report as a table for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; imports of %s accounts\n", r.Machine, grouped(r.Accounts))
	fmt.Fprintf(&b, "prepared store: %s accounts in %.1f s (%s accounts/s)\n\n",
		grouped(r.Prepare.Accounts), r.Prepare.Duration.Seconds(), grouped(int64(r.Prepare.AccountsPerSecond)))
	writeMetrics(&b, r.Metrics(), len(r.Rounds))
	return b.String()
}

// writeMetrics writes the figures of so many rounds as a table.
func writeMetrics(b *strings.Builder, metrics []Metric, rounds int) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%-*s\t", nameWidth, "metric")
	for i := range rounds {
		fmt.Fprintf(w, "round %d\t", i+1)
	}
	fmt.Fprint(w, "median\tgoal\t\t\n")
	for _, m := range metrics {
		m.write(w, rounds)
	}
	_ = w.Flush() // into memory
}

func (m Metric) write(w *tabwriter.Writer, rounds int) {
	number := func(v float64) string {
		if m.digits == 0 {
			return grouped(int64(math.Round(v)))
		}
		return fmt.Sprintf("%.*f", m.digits, v)
	}
	fmt.Fprintf(w, "%-*s\t", nameWidth, m.Name)
	for i := range rounds {
		if i < len(m.Rounds) && len(m.Rounds) == rounds {
			fmt.Fprint(w, number(m.Rounds[i]))
		}
		fmt.Fprint(w, "\t")
	}
	verdict := ""
	switch {
	case m.Goal == "":
	case m.Met:
		verdict = "met"
	default:
		verdict = "MISSED"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t\n", number(m.Median), m.Goal, verdict)
}
