package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/gateway"
)

// LoginOptions says what Login measures. Exe is needed; for the rest zero means the default.
type LoginOptions struct {
	// Exe is the muster binary, which Login runs as serve and as bench bare.
	Exe         string
	Rounds      int // 1
	Sessions    int // devices that are logged in together, 20,000; fewer if the files a process may have open do not suffice
	Kicks       int // accounts kicked while all others stay, 500
	Queries     int // status queries of 500 names, 1,000
	Concurrency int // logins under way at a time, 32
	Dir         string
	Log         io.Writer
}

// LoginReport is what Login measured. Durations are nanoseconds in JSON.
type LoginReport struct {
	Machine  string       `json:"machine"`
	Sessions int          `json:"sessions"` // of each round
	Asked    int          `json:"asked"`    // more than Sessions if a process may not have so many files open
	Rounds   []LoginRound `json:"rounds"`
}

// LoginRound is one round of a LoginReport.
type LoginRound struct {
	Bare     Logins  `json:"bare"`     // connections to centrifuge with nothing behind it
	New      Logins  `json:"new"`      // first logins, of accounts that were never imported
	Imported Logins  `json:"imported"` // logins of the same accounts again, on a server that was just started
	Kick     Latency `json:"kick"`     // from the call to the device being disconnected
	Query    Latency `json:"query"`    // of 500 names
	Broken   int     `json:"broken"`   // sessions that ended and were not to
}

// Logins is what logging many devices in took.
type Logins struct {
	Sessions      int           `json:"sessions"`
	Duration      time.Duration `json:"duration_ns"`
	PerSecond     float64       `json:"per_second"`
	Latency       Latency       `json:"latency"`         // from dialling to being logged in
	PerSession    int64         `json:"per_session"`     // bytes of the server's memory
	ServerMemory  int64         `json:"server_rss"`      // of it all, with all sessions
	MemoryAtStart int64         `json:"server_rss_idle"` // before the first
}

var loginMetrics = []figure[LoginRound]{
	{"bare centrifuge, connects/s", 0, bound{}, func(r *LoginRound) float64 { return r.Bare.PerSecond }},
	{"first logins/s", 0, bound{}, func(r *LoginRound) float64 { return r.New.PerSecond }},
	{"logins/s", 0, bound{}, func(r *LoginRound) float64 { return r.Imported.PerSecond }},
	{"logins / bare connects", 3, bound{}, func(r *LoginRound) float64 { return quotient(r.Imported.PerSecond, r.Bare.PerSecond) }},
	{"login, p99 ms", 1, bound{}, func(r *LoginRound) float64 { return ms(r.Imported.Latency.P99) }},
	{"memory of a session, KiB", 1, bound{"<", 25}, func(r *LoginRound) float64 { return float64(r.Imported.PerSession) / 1024 }},
	{"of a bare connection, KiB", 1, bound{}, func(r *LoginRound) float64 { return float64(r.Bare.PerSession) / 1024 }},
	{"kick to disconnect, p50 ms", 2, bound{}, func(r *LoginRound) float64 { return ms(r.Kick.P50) }},
	{"kick to disconnect, p99 ms", 2, bound{"<", 20}, func(r *LoginRound) float64 { return ms(r.Kick.P99) }},
	{"status of 500 names, p50 ms", 2, bound{}, func(r *LoginRound) float64 { return ms(r.Query.P50) }},
	{"status of 500 names, p99 ms", 2, bound{"<", 5}, func(r *LoginRound) float64 { return ms(r.Query.P99) }},
	{"sessions broken", 0, bound{"≤", 0}, func(r *LoginRound) float64 { return float64(r.Broken) }},
}

const driverGC = 800

// Login measures how fast devices log in, what a session costs in memory, and how fast a kick
// and a status query are among many sessions; beside it what centrifuge does with nothing
// behind it.
func Login(ctx context.Context, o LoginOptions) (report LoginReport, err error) {
	o.Rounds, o.Sessions = cmp.Or(o.Rounds, 1), cmp.Or(o.Sessions, 20_000)
	o.Kicks, o.Queries, o.Concurrency = cmp.Or(o.Kicks, 500), cmp.Or(o.Queries, 1000), cmp.Or(o.Concurrency, 32)
	report = LoginReport{Machine: thisMachine(), Asked: o.Sessions, Sessions: min(o.Sessions, maxSessions())}
	o.Sessions = report.Sessions
	o.Kicks = min(o.Kicks, o.Sessions/2)
	s := &suite{o: SuiteOptions{Exe: o.Exe, Dir: o.Dir, Log: o.Log}.withDefaults(), key: randomKey()}
	if s.root, err = makeRoot(s.o.Dir); err != nil {
		return LoginReport{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.root)) }()
	// The driver has as many connections as the server, on the same processors. It is not what
	// is measured, and should collect its garbage less often.
	defer debug.SetGCPercent(debug.SetGCPercent(driverGC))
	m := &loginRun{suite: s, o: o}
	if err := m.sign(); err != nil {
		return report, err
	}
	for n := range o.Rounds {
		s.logf("round %d of %d: %s sessions", n+1, o.Rounds, grouped(int64(o.Sessions)))
		round, err := m.round(ctx, n)
		if err != nil {
			return report, err
		}
		report.Rounds = append(report.Rounds, round)
	}
	return report, nil
}

// round measures everything once. What comes first changes from round to round.
func (m *loginRun) round(ctx context.Context, n int) (r LoginRound, err error) {
	steps := []func(context.Context, *LoginRound) error{m.bare, m.service}
	if n%2 == 1 {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if err := step(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (m *loginRun) bare(ctx context.Context, r *LoginRound) (err error) {
	c, err := serve(ctx, m.root, m.suite.o.Exe, "bench", "bare")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	devices, logins, err := m.logIn(ctx, c)
	devices.close()
	r.Bare = logins
	m.logf("  %-24s %10s connects/s  p99 %s", "bare centrifuge", grouped(int64(logins.PerSecond)), millis(logins.Latency.P99))
	return err
}

// service measures first logins, and then, on a server that was started anew on the same
// store, logins of accounts that are there.
func (m *loginRun) service(ctx context.Context, r *LoginRound) (err error) {
	dir := filepath.Join(m.root, "login")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	err = m.onService(ctx, dir, func(c *child) error {
		devices, logins, err := m.logIn(ctx, c)
		devices.close()
		r.New = logins
		m.logf("  %-24s %10s logins/s  p99 %s", "first logins", grouped(int64(logins.PerSecond)), millis(logins.Latency.P99))
		return err
	})
	if err != nil {
		return err
	}
	return m.onService(ctx, dir, func(c *child) error {
		devices, logins, err := m.logIn(ctx, c)
		defer devices.close()
		r.Imported = logins
		m.logf("  %-24s %10s logins/s  p99 %s", "logins", grouped(int64(logins.PerSecond)), millis(logins.Latency.P99))
		if err != nil {
			return err
		}
		if r.Query, err = m.query(ctx, c); err != nil {
			return err
		}
		if r.Kick, err = m.kick(ctx, c, devices); err != nil {
			return err
		}
		m.logf("  %-24s p99 %s, status of 500 names p99 %s", "kick to disconnect", millis(r.Kick.P99), millis(r.Query.P99))
		r.Broken = devices[m.o.Kicks:].broken()
		return nil
	})
}

func (m *loginRun) onService(ctx context.Context, dir string, f func(*child) error) error {
	c, err := serve(ctx, m.root, m.suite.o.Exe, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--store", "pebble:"+dir, "--sessions-per-address", "0", "--log-level", "warn",
		"--app", fmt.Sprintf("sdkappid=%d,key=%s,admin=%s,rate=0", suiteApp, string(m.key), suiteAdmin))
	if err != nil {
		return err
	}
	if err := c.awaitIndex(ctx); err != nil {
		return errors.Join(err, c.stop())
	}
	return errors.Join(f(c), c.stop())
}

// ServeBare serves what Login measures the gateway against, until ctx ends.
func ServeBare(ctx context.Context, out io.Writer) (err error) {
	bare, err := gateway.NewBare()
	if err != nil {
		return fmt.Errorf("bench: bare: %w", err)
	}
	defer func() { err = errors.Join(err, bare.Stop(context.WithoutCancel(ctx))) }()
	return serveUntil(ctx, bare, out)
}

// Metrics returns the figures of the report.
func (r LoginReport) Metrics() []Metric { return metricsOf(loginMetrics, r.Rounds) }

// MarshalJSON implements json.Marshaler; it adds the metrics to what was measured.
func (r LoginReport) MarshalJSON() ([]byte, error) {
	type measured LoginReport
	return json.Marshal(struct {
		measured
		Metrics []Metric `json:"metrics"`
	}{measured(r), r.Metrics()})
}

// String returns the report as a table for people.
func (r LoginReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s sessions at a time", r.Machine, grouped(int64(r.Sessions)))
	if r.Sessions < r.Asked {
		fmt.Fprintf(&b, " (not %s: a process may not have more files open)", grouped(int64(r.Asked)))
	}
	b.WriteString("\n\n")
	writeMetrics(&b, r.Metrics(), len(r.Rounds))
	return b.String()
}
