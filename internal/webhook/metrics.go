package webhook

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// result is what became of an event.
type result string

const (
	delivered result = "delivered" // the receiver said OK, or gave its verdict
	failed    result = "failed"    // it was sent in vain
	dropped   result = "dropped"   // there was no room, Stop had begun, the App does not want it any more, or the receiver is down
	abandoned result = "abandoned" // Stop gave it up, or who asked
)

// metrics are what a Sender counts.
type metrics struct {
	results  [commands]map[result]prometheus.Counter // of events
	seconds  [commands]prometheus.Observer
	queued   prometheus.Gauge
	retries  prometheus.Counter
	down     prometheus.Gauge
	unasked  prometheus.Gauge
	verdicts *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "muster_webhook_seconds",
		Help:    "Time of one attempt at a webhook, from the request to the end of the answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3},
	}, []string{"command"})
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_webhook_events_total",
		Help: "Events for Apps with a webhook, by what became of them.",
	}, []string{"command", "result"})
	m := &metrics{
		queued: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_webhook_queued",
			Help: "Events that wait or are being sent.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_webhook_retries_total",
			Help: "Attempts at an event after its first.",
		}),
		down: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_webhook_receivers_down",
			Help: "Apps whose receiver failed several times in a row, so that it is only probed.",
		}),
		unasked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_webhook_unasked_apps",
			Help: "Apps whose receiver failed to judge several messages in a row, so that it is asked about few.",
		}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_webhook_verdicts_total",
			Help: "Messages by what their App's backend said of them before they were sent; passed and refused are those without an answer.",
		}, []string{"verdict"}),
	}
	for c := range commands {
		m.results[c] = make(map[result]prometheus.Counter)
		for _, r := range []result{delivered, failed, dropped, abandoned} {
			m.results[c][r] = events.WithLabelValues(c.String(), string(r))
		}
		m.seconds[c] = seconds.WithLabelValues(c.String())
	}
	if registry == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{events, seconds, m.queued, m.retries, m.down, m.unasked, m.verdicts} {
		errs = append(errs, registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// settle counts n events.
func (m *metrics) settle(c command, r result, n int) { m.results[c][r].Add(float64(n)) }

// judge counts a verdict.
func (m *metrics) judge(code int) {
	verdict := "own"
	switch code {
	case Allow:
		verdict = "allow"
	case Forbid:
		verdict = "forbid"
	case Drop:
		verdict = "drop"
	}
	m.verdicts.WithLabelValues(verdict).Inc()
}
