package webhook

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// result is what became of an event.
type result string

const (
	delivered result = "delivered" // the receiver said OK
	failed    result = "failed"    // it was sent in vain
	dropped   result = "dropped"   // there was no room, Stop had begun, or the App has lost its URL
	abandoned result = "abandoned" // Stop gave it up
)

// metrics are what a Sender counts. There is one command so far.
type metrics struct {
	events  *prometheus.CounterVec
	results map[result]prometheus.Counter // of events
	seconds prometheus.Observer
	queued  prometheus.Gauge
	retries prometheus.Counter
	down    prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "muster_webhook_seconds",
		Help:    "Time of one attempt at a webhook, from the request to the end of the answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3},
	}, []string{"command"})
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_webhook_events_total",
			Help: "Events for Apps with a webhook, by what became of them.",
		}, []string{"command", "result"}),
		results: make(map[result]prometheus.Counter),
		seconds: seconds.WithLabelValues(commandStateChange),
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
	}
	for _, r := range []result{delivered, failed, dropped, abandoned} {
		m.results[r] = m.events.WithLabelValues(commandStateChange, string(r))
	}
	if registry == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.events, seconds, m.queued, m.retries, m.down} {
		errs = append(errs, registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// settle counts n events.
func (m *metrics) settle(r result, n int) { m.results[r].Add(float64(n)) }
