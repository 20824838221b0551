package server

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

// registerProcess registers what is known of the process without a store.
func (s *Server) registerProcess(version string) error {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "muster_info",
		Help:        "Always 1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	info.Set(1)
	apps := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_apps",
		Help: "Apps, disabled ones included.",
	}, func() float64 { return float64(len(s.apps.All())) })
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_bulk_streams",
		Help: "Bulk imports and exports under way.",
	}, func() float64 { return float64(s.streams.InFlight()) })
	return s.register(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		info, apps, streams)
}

// measure registers what is asked of the store and returns the store as requests should
// use it, each call measured.
func (s *Server) measure(accounts store.Store) (account.Store, error) {
	indexed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_store_index_complete",
		Help: "1 if the store's index of names is complete, 0 while it is being built.",
	}, func() float64 {
		if s.health.report().NameIndex == "complete" {
			return 1
		}
		return 0
	})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "muster_store_seconds",
		Help:    "Time that the store took for a call, by operation.",
		Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
	}, []string{"op"})
	m := &measuredStore{Store: accounts, seconds: make(map[string]prometheus.Observer)}
	for _, op := range []string{"import", "check", "get", "list", "delete", "kick", "set_profile"} {
		m.seconds[op] = seconds.WithLabelValues(op)
	}
	return m, s.register(indexed, seconds, accountCounter{s})
}

func (s *Server) register(all ...prometheus.Collector) error {
	errs := make([]error, len(all))
	for i, c := range all {
		errs[i] = s.registry.Register(c)
	}
	return errors.Join(errs...)
}

// accountCounter collects the number of accounts of all Apps together.
type accountCounter struct{ *Server }

var accountsDesc = prometheus.NewDesc("muster_accounts", "Imported accounts of all Apps, admins included.", nil, nil)

// Describe implements prometheus.Collector.
func (accountCounter) Describe(ch chan<- *prometheus.Desc) { ch <- accountsDesc }

// Collect implements prometheus.Collector. A store that does not answer leaves the metric
// out.
func (c accountCounter) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), account.StoreTimeout)
	defer cancel()
	var sum int64
	for _, a := range c.apps.All() {
		n, err := c.store.Count(ctx, a.SDKAppID)
		if err != nil {
			return
		}
		sum += n
	}
	ch <- prometheus.MustNewConstMetric(accountsDesc, prometheus.GaugeValue, float64(sum))
}

// measuredStore measures the calls of a store that requests wait for.
type measuredStore struct {
	store.Store
	seconds map[string]prometheus.Observer
}

func (m *measuredStore) observe(op string, begin time.Time) {
	m.seconds[op].Observe(time.Since(begin).Seconds())
}

// Import implements account.Store.
func (m *measuredStore) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	defer m.observe("import", time.Now())
	return m.Store.Import(ctx, app, b)
}

// Check implements account.Store.
func (m *measuredStore) Check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	defer m.observe("check", time.Now())
	return m.Store.Check(ctx, app, ids)
}

// Get implements account.Store.
func (m *measuredStore) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	defer m.observe("get", time.Now())
	return m.Store.Get(ctx, app, ids)
}

// List implements account.Store.
func (m *measuredStore) List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error) {
	defer m.observe("list", time.Now())
	return m.Store.List(ctx, app, after, limit)
}

// Delete implements account.Store.
func (m *measuredStore) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	defer m.observe("delete", time.Now())
	return m.Store.Delete(ctx, app, ids, at)
}

// Kick implements account.Store.
func (m *measuredStore) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	defer m.observe("kick", time.Now())
	return m.Store.Kick(ctx, app, ids, validFrom)
}

// SetProfile implements account.Store.
func (m *measuredStore) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	defer m.observe("set_profile", time.Now())
	return m.Store.SetProfile(ctx, app, id, c)
}
