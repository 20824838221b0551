package bench

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is what a run measured. Durations are nanoseconds in JSON.
type Result struct {
	Command    Command `json:"command"`
	Accounts   int64   `json:"accounts"`   // imported, or found as expected
	Unexpected int64   `json:"unexpected"` // refused one by one, or not found as expected
	Calls      int64   `json:"calls"`      // made, failed ones included
	Failed     int64   `json:"failed"`     // calls that failed as a whole
	// Errors has the failed calls by ErrorCode, or by what else went wrong: http_502 and
	// the like, malformed (no reply of the API), timeout, connection.
	Errors map[string]ErrorCount `json:"errors"`

	Rate              float64       `json:"rate"` // planned calls per second; 0 for a closed loop
	Duration          time.Duration `json:"duration_ns"`
	AccountsPerSecond float64       `json:"accounts_per_second"`
	CallsPerSecond    float64       `json:"calls_per_second"`
	Latency           Latency       `json:"latency"`

	Reimport *Result `json:"reimport,omitempty"` // of the second pass
}

// ErrorCount says how many calls failed in one way, and how the first of them did.
type ErrorCount struct {
	Calls   int64  `json:"calls"`
	Example string `json:"example"`
}

// Latency is that of the calls, failed ones included, to three digits. In an open loop it
// counts from the instant for which a call was planned.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p99_9_ns"`
	Max  time.Duration `json:"max_ns"`
}

// Err returns an error that names all failures of the run, nil if there were none.
func (r Result) Err() error {
	var faults []string
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		e := r.Errors[code]
		faults = append(faults, fmt.Sprintf("%s calls failed with %s (%s)", grouped(e.Calls), code, e.Example))
	}
	if r.Unexpected > 0 {
		faults = append(faults, fmt.Sprintf("%s accounts were not answered as expected", grouped(r.Unexpected)))
	}
	if len(faults) > 0 {
		return fmt.Errorf("bench: %s: %s", r.Command, strings.Join(faults, "; "))
	}
	if r.Reimport != nil {
		return r.Reimport.Err()
	}
	return nil
}

// String returns the result as a table for people.
func (r Result) String() string {
	var b strings.Builder
	r.write(&b, string(r.Command))
	if r.Reimport != nil {
		r.Reimport.write(&b, "re-import")
	}
	return b.String()
}

func (r Result) write(b *strings.Builder, title string) {
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop, %s calls/s planned", strconv.FormatFloat(r.Rate, 'f', -1, 64))
	}
	fmt.Fprintf(b, "%s: %s accounts in %s calls, %.2f s (%s)\n", title, grouped(r.Accounts), grouped(r.Calls), r.Duration.Seconds(), loop)
	fmt.Fprintf(b, "  throughput  %s accounts/s  %s calls/s\n", grouped(int64(r.AccountsPerSecond)), grouped(int64(r.CallsPerSecond)))
	fmt.Fprintf(b, "  latency     p50 %s  p99 %s  p99.9 %s  max %s\n",
		millis(r.Latency.P50), millis(r.Latency.P99), millis(r.Latency.P999), millis(r.Latency.Max))
	if r.Failed == 0 && r.Unexpected == 0 {
		b.WriteString("  errors      none\n")
		return
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		e := r.Errors[code]
		fmt.Fprintf(b, "  error       %s: %s calls, such as: %s\n", code, grouped(e.Calls), e.Example)
	}
	if r.Unexpected > 0 {
		fmt.Fprintf(b, "  error       %s accounts were not answered as expected\n", grouped(r.Unexpected))
	}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
