package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
)

// metrics are what the gateway counts. No label has a value that a device chooses.
type metrics struct {
	logins       *prometheus.CounterVec // code
	loginSeconds prometheus.Histogram
	ends         [len(disconnects)]prometheus.Counter // by presence.Cause
	endSeconds   prometheus.Histogram
	denied       [len(denials)]prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, sessions Presence, admitted *admissions) (*metrics, error) {
	m := &metrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_logins_total",
			Help: "Logins of devices by ErrorCode.",
		}, []string{"code"}),
		loginSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "muster_login_seconds",
			Help:    "Time that the server took for a login.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}),
		endSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "muster_session_end_seconds",
			Help:    "Time from a kick, delete, logout or newer login being decided until the device's connection was closed.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
	}
	ends := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_session_ends_total",
		Help: "Sessions that ended, by cause.",
	}, []string{"cause"})
	for _, cause := range presence.Causes() {
		m.ends[cause] = ends.WithLabelValues(cause.String())
	}
	denied := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_connections_denied_total",
		Help: "Requests to the gateway that did not become a connection, by why.",
	}, []string{"why"})
	for why, d := range denials {
		m.denied[why] = denied.WithLabelValues(d.name)
	}
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_connections",
		Help: "Connections of devices, logged in or not.",
	}, func() float64 { return float64(admitted.total()) })
	return m, errors.Join(
		registry.Register(m.logins), registry.Register(m.loginSeconds), registry.Register(m.endSeconds),
		registry.Register(ends), registry.Register(denied), registry.Register(connections),
		registry.Register(sessionCounter{sessions}))
}

func (m *metrics) login(code errcode.Code, took time.Duration) {
	m.logins.WithLabelValues(strconv.Itoa(int(code))).Inc()
	m.loginSeconds.Observe(took.Seconds())
}

// sessionCounter collects the number of sessions by platform.
type sessionCounter struct{ sessions Presence }

var sessionsDesc = prometheus.NewDesc("muster_sessions", "Devices that are logged in and connected, by platform.", []string{"platform"}, nil)

// Describe implements prometheus.Collector.
func (sessionCounter) Describe(ch chan<- *prometheus.Desc) { ch <- sessionsDesc }

// Collect implements prometheus.Collector.
func (c sessionCounter) Collect(ch chan<- prometheus.Metric) {
	for _, p := range presence.Platforms() {
		ch <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, float64(c.sessions.Count(p)), string(p))
	}
}
