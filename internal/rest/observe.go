package rest

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// metrics are what the handler counts. No label has a value that a caller chooses:
// unknown commands share one.
type metrics struct {
	requests *prometheus.CounterVec   // command, code
	seconds  *prometheus.HistogramVec // command
	accounts *prometheus.CounterVec   // status
	byStatus [account.Duplicate + 1]prometheus.Counter
	inFlight prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_requests_total",
			Help: "REST requests by command and ErrorCode.",
		}, []string{"command", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_request_seconds",
			Help:    "Time from the request's header to the end of the answer; kick waits for the end of its second.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}, []string{"command"}),
		accounts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_accounts_total",
			Help: "Accounts in import requests by what became of them.",
		}, []string{"status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_requests_in_flight",
			Help: "REST requests that are being served.",
		}),
	}
	for _, status := range []account.Status{account.Failed, account.Created, account.Existed, account.Updated, account.Duplicate} {
		m.byStatus[status] = m.accounts.WithLabelValues(strings.ToLower(status.String()))
	}
	if registry == nil {
		return m, nil
	}
	return m, errors.Join(
		registry.Register(m.requests), registry.Register(m.seconds),
		registry.Register(m.accounts), registry.Register(m.inFlight))
}

// imported counts the outcomes of one import.
func (m *metrics) imported(outcomes []account.Outcome) {
	var n [len(m.byStatus)]int
	for _, o := range outcomes {
		n[o.Status]++
	}
	for status, count := range n {
		if count > 0 {
			m.byStatus[status].Add(float64(count))
		}
	}
}

// importedRun counts the outcomes of a run, and the rows of it that could not be read.
func (m *metrics) importedRun(r *account.RunResult, unread int) {
	for status, counter := range m.byStatus {
		n := r.Count[status]
		if account.Status(status) == account.Failed {
			n += int64(unread)
		}
		if n > 0 {
			counter.Add(float64(n))
		}
	}
}

// maxLoggedPath bounds what a caller can write into the log.
const maxLoggedPath = 128

// record writes the request's log line and counts it.
func (h *Handler) record(r *http.Request, c *call, fault *errcode.Error) {
	took := h.opt.Now().Sub(c.start)
	c.route.seconds.Observe(took.Seconds())
	code := errcode.OK
	if fault == nil {
		c.route.succeeded.Inc()
	} else {
		code = fault.Code
		h.metrics.requests.WithLabelValues(c.route.name, strconv.Itoa(int(code))).Inc()
	}
	ctx := r.Context()
	level := c.route.family.level(code)
	if !h.opt.Logger.Enabled(ctx, level) {
		return
	}
	var buf [9]slog.Attr
	attrs := append(buf[:0],
		slog.String("command", c.route.name),
		slog.Int("n", c.accounts),
		slog.Int("code", int(code)),
		slog.Duration("dur", took),
		slog.String("request_id", c.id),
	)
	if c.app != nil {
		attrs = append(attrs, slog.Uint64("sdkappid", uint64(c.app.SDKAppID)))
	}
	if c.route == h.unknown {
		attrs = append(attrs, slog.String("path", r.URL.Path[:min(len(r.URL.Path), maxLoggedPath)]))
	}
	debug := h.opt.Logger.Enabled(ctx, slog.LevelDebug)
	if debug {
		attrs = append(attrs, slog.String("identifier", c.identifier))
	}
	// The cause of a caller's mistake may name accounts, and the caller was told of it.
	if fault != nil && fault.Err != nil && (debug || level > slog.LevelInfo) {
		attrs = append(attrs, slog.Any("err", fault.Err))
	}
	// Not by LogAttrs, which looks up its caller: a quarter of what a line costs, for
	// something that is the same on every line.
	line := slog.NewRecord(c.start.Add(took), level, "request", 0)
	line.AddAttrs(attrs...)
	_ = h.opt.Logger.Handler().Handle(ctx, line) // as LogAttrs does: there is nowhere to report it
}

// level says who should look at an answer: a failure of the server is an error, one of
// its load a warning, and a mistake of the caller is everyday life.
func (f *family) level(code errcode.Code) slog.Level {
	switch code {
	case f.internal:
		return slog.LevelError
	case errcode.Busy, errcode.StoreTimeout:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
