package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/bench"
)

// suiteOptions are those of a suite whose muster is this test binary.
func suiteOptions(t *testing.T, role string) bench.SuiteOptions {
	t.Helper()
	t.Setenv(stubVariable, role)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or every process would stay for a second under -race
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return bench.SuiteOptions{
		Exe: exe, Rounds: 2, Accounts: 1000, Existing: 3000, Concurrency: 4,
		OpenRate: 100, OpenFor: 100 * time.Millisecond, Dir: t.TempDir(),
	}
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSuite(t *testing.T) {
	o := suiteOptions(t, "works")
	var log bytes.Buffer
	o.Log = &log
	report, err := bench.Suite(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	mustBeEmpty(t, o.Dir)
	if report.Prepare.Accounts != 3000 || len(report.Rounds) != 2 || report.Compacted.Accounts != 5200 || report.Compacted.Bytes > 100_000 {
		t.Errorf("report %+v", report)
	}
	for i, r := range report.Rounds {
		for name, result := range map[string]bench.Result{
			"ceiling": r.Ceiling, "import": r.Import, "re-import": r.Reimport, "check": r.Check,
			"open": r.Open, "into existing": r.IntoExisting,
		} {
			if result.Accounts != 1000 || result.Calls != 10 || result.Err() != nil {
				t.Errorf("round %d: %s: %+v", i, name, result)
			}
		}
		if want := int64(3000 + 1100*i); r.Existing != want || r.Disk.Accounts != want+1100 || r.Disk.PerAccount < 50 || r.FirstAnswer <= 0 {
			t.Errorf("round %d: %+v", i, r)
		}
		if runtime.GOOS == "linux" && (r.Memory.RSS == 0 || r.Memory.Peak < r.Memory.RSS) {
			t.Errorf("round %d: memory %+v", i, r.Memory)
		}
		if r.Open.Rate != 100 || r.Check.Command != bench.Check {
			t.Errorf("round %d: %+v", i, r)
		}
	}
	// The second round swaps ceiling and service.
	text := log.String()
	if c, i := strings.Index(text, "ceiling"), strings.Index(text, "  import "); c < 0 || i < c {
		t.Errorf("the first round does not begin with the ceiling:\n%s", text)
	}
	second := text[strings.Index(text, "round 2 of 2"):]
	if c, i := strings.Index(second, "ceiling"), strings.Index(second, "  import "); i < 0 || c < i {
		t.Errorf("the second round does not begin with the service:\n%s", text)
	}
}

func TestSuiteTellsWhatWasWrong(t *testing.T) {
	o := suiteOptions(t, "forgetful")
	o.Rounds = 1
	report, err := bench.Suite(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "check: 1,000 accounts were not answered as expected") {
		t.Errorf("error %v", err)
	}
	if len(report.Rounds) != 1 || report.Compacted.Accounts == 0 {
		t.Errorf("the report is not whole: %+v", report)
	}
	mustBeEmpty(t, o.Dir)
}

func TestSuiteWithABrokenServer(t *testing.T) {
	o := suiteOptions(t, "fails")
	_, err := bench.Suite(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "before it listened") || !strings.Contains(err.Error(), "stub: the store is locked") {
		t.Errorf("error %v", err)
	}
	mustBeEmpty(t, o.Dir)
	o.Exe = o.Dir + "/no-such-file"
	if _, err := bench.Suite(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	mustBeEmpty(t, o.Dir)
}

// TestSuiteIsGivenUp holds that a suite which is given up stops its server and returns;
// goleak would see the goroutine that waits for the process.
func TestSuiteIsGivenUp(t *testing.T) {
	o := suiteOptions(t, "silent")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := bench.Suite(ctx, o)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	mustBeEmpty(t, o.Dir)
}

func TestSuiteOptions(t *testing.T) {
	if err := (bench.SuiteOptions{Exe: "muster"}).Validate(); err != nil {
		t.Error(err)
	}
	bad := bench.SuiteOptions{Rounds: -1, Accounts: 1, Existing: -1, Concurrency: -1, OpenRate: -1, OpenFor: -1}
	err := bad.Validate()
	for _, want := range []string{"binary", "rounds", "import", "prepared", "concurrency", "rate", "duration"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault names %q: %v", want, err)
		}
	}
	if _, err := bench.Suite(t.Context(), bad); err == nil {
		t.Error("Suite took it")
	}
}

func TestParseReady(t *testing.T) {
	for line, want := range map[string]string{
		"listening rest=127.0.0.1:8080 ops=127.0.0.1:8081": "127.0.0.1:8080",
		"listening ops=127.0.0.1:8081 rest=[::1]:8080\r":   "[::1]:8080",
		"listening rest=127.0.0.1:1":                       "127.0.0.1:1",
		"listening rest= ops=127.0.0.1:8081":               "",
		"listening":                                        "",
		"not listening rest=127.0.0.1:1":                   "",
		"":                                                 "",
	} {
		if got, ok := bench.ParseReady(line); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", line, got, ok, want)
		}
	}
}

func TestReadyLineComesInPieces(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, pieces := range map[string][]string{
		"whole":               {"listening rest=a:1\n"},
		"in pieces":           {"starting\nlis", "tening rest=a:", "1 ops=b:2\nmore\nlistening rest=c:3\n"},
		"behind a long line":  {long, long, "\nlistening rest=a:1\n"},
		"with the end behind": {"listening rest=a:1", "\n"},
	} {
		r := bench.NewReady()
		for _, p := range pieces {
			if n, err := r.Write([]byte(p)); n != len(p) || err != nil {
				t.Errorf("%s: wrote %d of %d, %v", name, n, len(p), err)
			}
		}
		if addr := r.Addr(); addr != "a:1" {
			t.Errorf("%s: address %q", name, addr)
		}
	}
	r := bench.NewReady()
	if _, err := r.Write([]byte("listening rest=a:1")); err != nil || r.Addr() != "" {
		t.Error("half a line was taken for a whole one")
	}
}

func TestParseStatus(t *testing.T) {
	text := "Name:\tmuster\nVmPeak:\t 9000000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t9\n"
	if diff := cmp.Diff(bench.Memory{RSS: 100 << 20, Peak: 200 << 20}, bench.ParseStatus(text)); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(bench.Memory{}, bench.ParseStatus("VmRSS:\tmuch kB\nVmHWM: 5\nVmRSS")); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := bench.Median(tc.values); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.values, got, tc.want)
		}
	}
}

// TestReport shows which of the goals are met, by the median of ratios and not by the
// ratio of medians.
func TestReport(t *testing.T) {
	result := func(rate float64) bench.Result { return bench.Result{AccountsPerSecond: rate} }
	round := func(ceiling, imported float64) bench.Round {
		return bench.Round{
			Ceiling: result(ceiling), Import: result(imported), Reimport: result(imported * 0.7),
			Check: result(imported * 0.99), IntoExisting: result(imported * 0.8),
			Open:        bench.Result{Latency: bench.Latency{P50: time.Millisecond, P99: 10 * time.Millisecond, Max: time.Second}},
			FirstAnswer: 999 * time.Millisecond,
			Memory:      bench.Memory{RSS: 100 << 20, Peak: 511 << 20},
			Disk:        bench.Disk{PerAccount: 70},
		}
	}
	r := bench.Report{
		Machine: "test", Accounts: 1_000_000,
		Prepare:   bench.Result{Accounts: 10_000_000, Duration: 40 * time.Second, AccountsPerSecond: 250_000},
		Rounds:    []bench.Round{round(100_000, 90_000), round(200_000, 150_000), round(400_000, 340_000)},
		Compacted: bench.Disk{Accounts: 1, PerAccount: 60},
	}
	want := map[string]bool{
		"import / ceiling": true, "re-import / import": true, "check / import": false, "into existing / import": true,
		"open loop p99, ms": false, "first answer after start, s": true, "server memory, peak, MiB": true,
		"disk compacted, bytes per account": true,
	}
	got := map[string]bool{}
	for _, m := range r.Metrics() {
		if m.Goal != "" {
			got[m.Name] = m.Met
		}
		if m.Name == "import / ceiling" && m.Median != 0.85 {
			t.Errorf("median of the ratios %v: %v", m.Rounds, m.Median)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("goals (-want +got):\n%s", diff)
	}
	text := r.String()
	for _, line := range []string{
		"prepared store: 10,000,000 accounts in 40.0 s (250,000 accounts/s)",
		"import / ceiling 0.900 0.750 0.850 0.850 ≥ 0.8 met",
		"check / import 0.990 0.990 0.990 0.990 ≥ 1 MISSED",
		"re-import, accounts/s 63,000 105,000 238,000 105,000 re-import",
		"disk compacted, bytes per account 60.0 ≤ 60 met",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	var back struct {
		Rounds  []struct{ Import bench.Result }
		Metrics []bench.Metric
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil || len(back.Rounds) != 3 || back.Rounds[2].Import.AccountsPerSecond != 340_000 || len(back.Metrics) < 10 {
		t.Errorf("JSON %s: %v", b, err)
	}
	if (bench.Report{}).Metrics() != nil {
		t.Error("a report without rounds has metrics")
	}
}
