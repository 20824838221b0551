package bench

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/muster-im/muster/imclient"
)

// The histogram counts microseconds, up to an hour, with three significant digits.
const (
	longest           = time.Hour
	significantDigits = 3
)

// recorder adds up what the workers measure. One lock for all of them is enough: it is
// taken once per call, for less than a microsecond.
type recorder struct {
	mu        sync.Mutex
	calls     int64
	failed    int64
	good, bad int64
	errors    map[string]ErrorCount
	latency   *hdrhistogram.Histogram
}

func newRecorder() *recorder {
	return &recorder{
		errors:  map[string]ErrorCount{},
		latency: hdrhistogram.New(1, longest.Microseconds(), significantDigits),
	}
}

// add notes one call. The latency of a failed call counts as well, or a server that
// stalls until calls time out would look fast.
func (r *recorder) add(o outcome, latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.good += o.good
	r.bad += o.bad
	// In range, so there is no error.
	_ = r.latency.RecordValue(min(latency, longest).Microseconds())
	if o.err == nil {
		return
	}
	r.failed++
	code := errorCode(o.err)
	e, seen := r.errors[code]
	if !seen {
		e.Example = o.err.Error()
	}
	e.Calls++
	r.errors[code] = e
}

// errorCode is the key of Result.Errors for an error of imclient.
func errorCode(err error) string {
	if e, ok := errors.AsType[*imclient.Error](err); ok {
		return strconv.Itoa(e.Code)
	}
	if e, ok := errors.AsType[*imclient.ReplyError](err); ok {
		if e.Status == 200 {
			return "malformed"
		}
		return "http_" + strconv.Itoa(e.Status)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "connection"
}

func (r *recorder) progress(total int64, elapsed time.Duration) Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Progress{Accounts: r.good, Total: total, Calls: r.calls, Failed: r.failed, Elapsed: elapsed}
}

func (r *recorder) result(o Options, elapsed time.Duration) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Result{
		Command:    o.Command,
		Accounts:   r.good,
		Unexpected: r.bad,
		Calls:      r.calls,
		Failed:     r.failed,
		Errors:     r.errors,
		Rate:       o.Rate,
		Duration:   elapsed,

		AccountsPerSecond: perSecond(r.good, elapsed),
		CallsPerSecond:    perSecond(r.calls, elapsed),
		Latency:           latencyOf(r.latency),
	}
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	quantile := func(p float64) time.Duration {
		return time.Duration(h.ValueAtPercentile(p)) * time.Microsecond
	}
	return Latency{P50: quantile(50), P99: quantile(99), P999: quantile(99.9), Max: quantile(100)}
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
