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
)

// MessageOptions says what Messages measures. Exe is needed; for the rest zero means the
// default.
type MessageOptions struct {
	// Exe is the muster binary, which Messages runs as serve and as bench bare --publish.
	Exe      string
	Rounds   int // 1
	Sessions int // devices that are connected while delivery is measured, 5,000; fewer if the files a process may have open do not suffice
	Messages int // of each step, 200,000; the open loops end after openFor at the latest
	Dir      string
	Log      io.Writer
}

// MessageReport is what Messages measured. Durations are nanoseconds in JSON.
type MessageReport struct {
	Machine  string         `json:"machine"`
	Sessions int            `json:"sessions"` // of each round
	Asked    int            `json:"asked"`    // more than Sessions if a process may not have so many files open
	Messages int            `json:"messages"` // of each step
	Rounds   []MessageRound `json:"rounds"`
}

// MessageRound is one round of a MessageReport. All writes are durable.
type MessageRound struct {
	BareOne  Sending `json:"bare_one"`  // records by Pebble alone, one a call
	BareMany Sending `json:"bare_many"` // the same, as many a call as batchsendmsg has
	One      Sending `json:"sendmsg"`   // to accounts that are not connected
	Many     Sending `json:"batchsendmsg"`
	Device   Sending `json:"send_c2c"` // by devices over the gateway

	Deliver     Delivery `json:"deliver"`      // sendmsg to accounts that are connected
	BarePublish Sending  `json:"bare_publish"` // publications by centrifuge with nothing behind it
	BareDeliver Delivery `json:"bare_deliver"` // the same in the open loop of Deliver
}

// Sending is a closed loop. The latency is that of a call.
type Sending struct {
	Messages  int           `json:"messages"`
	Duration  time.Duration `json:"duration_ns"`
	PerSecond float64       `json:"messages_per_second"`
	Latency   Latency       `json:"latency"`
}

// Delivery is an open loop. The latency is that from the instant for which a call was planned
// to the publication at the recipient's device.
type Delivery struct {
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate"` // planned calls per second
	Call     Latency `json:"call"` // of the calls alone
	Latency  Latency `json:"latency"`
	Missing  int     `json:"missing"` // messages that no device got
}

func (r *MessageRound) best() float64 { return max(r.One.PerSecond, r.Many.PerSecond) }

var messageMetrics = []figure[MessageRound]{
	{"bare Pebble, appends/s", 0, bound{}, func(r *MessageRound) float64 { return r.BareOne.PerSecond }},
	{"bare Pebble in groups, appends/s", 0, bound{}, func(r *MessageRound) float64 { return r.BareMany.PerSecond }},
	{"sendmsg, messages/s", 0, bound{}, func(r *MessageRound) float64 { return r.One.PerSecond }},
	{"sendmsg / bare Pebble", 3, bound{}, func(r *MessageRound) float64 { return quotient(r.One.PerSecond, r.BareOne.PerSecond) }},
	{"sendmsg at full load, p99 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.One.Latency.P99) }},
	{"batchsendmsg, messages/s", 0, bound{}, func(r *MessageRound) float64 { return r.Many.PerSecond }},
	{"batchsendmsg / bare in groups", 3, bound{}, func(r *MessageRound) float64 { return quotient(r.Many.PerSecond, r.BareMany.PerSecond) }},
	{"durable messages/s, the best", 0, bound{"≥", 30_000}, (*MessageRound).best},
	{"sendC2C, messages/s", 0, bound{}, func(r *MessageRound) float64 { return r.Device.PerSecond }},
	{"sendC2C at full load, p99 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.Device.Latency.P99) }},
	{"bare centrifuge, publications/s", 0, bound{}, func(r *MessageRound) float64 { return r.BarePublish.PerSecond }},
	{"open loop, messages/s planned", 0, bound{}, func(r *MessageRound) float64 { return r.Deliver.Rate }},
	{"sendmsg in the open loop, p99 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.Deliver.Call.P99) }},
	{"delivery, p50 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.Deliver.Latency.P50) }},
	{"delivery, p99 ms", 2, bound{"<", 20}, func(r *MessageRound) float64 { return ms(r.Deliver.Latency.P99) }},
	{"bare centrifuge delivery, p50 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.BareDeliver.Latency.P50) }},
	{"bare centrifuge delivery, p99 ms", 2, bound{}, func(r *MessageRound) float64 { return ms(r.BareDeliver.Latency.P99) }},
	{"messages not delivered", 0, bound{"≤", 0}, func(r *MessageRound) float64 { return float64(r.Deliver.Missing) }},
}

// Messages measures how fast messages are sent through the REST API and the gateway, and how
// fast they are delivered; beside it what Pebble and centrifuge do alone.
func Messages(ctx context.Context, o MessageOptions) (report MessageReport, err error) {
	o.Rounds, o.Sessions = cmp.Or(o.Rounds, 1), cmp.Or(o.Sessions, 5000)
	o.Messages = cmp.Or(o.Messages, 200_000)
	report = MessageReport{Machine: thisMachine(), Asked: o.Sessions, Messages: o.Messages}
	report.Sessions = min(o.Sessions, max(maxSessions()-openWorkers, 1))
	o.Sessions = report.Sessions
	s := &suite{o: SuiteOptions{Exe: o.Exe, Dir: o.Dir, Log: o.Log}.withDefaults(), key: randomKey()}
	if s.root, err = makeRoot(s.o.Dir); err != nil {
		return MessageReport{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.root)) }()
	defer debug.SetGCPercent(debug.SetGCPercent(driverGC)) // as Login does
	login := LoginOptions{Sessions: max(o.Sessions, sendingDevices), Concurrency: DefaultConcurrency}
	m := &messageRun{loginRun: &loginRun{suite: s, o: login}, o: o}
	if err := m.sign(); err != nil {
		return report, err
	}
	m.name()
	for n := range o.Rounds {
		s.logf("round %d of %d: %s messages, %s sessions", n+1, o.Rounds, grouped(int64(o.Messages)), grouped(int64(o.Sessions)))
		round, err := m.round(ctx)
		if err != nil {
			return report, err
		}
		report.Rounds = append(report.Rounds, round)
	}
	return report, nil
}

// round measures everything once. Bare centrifuge comes last: it is driven at the rate that
// the service was driven at.
func (m *messageRun) round(ctx context.Context) (r MessageRound, err error) {
	for _, step := range []func(context.Context, *MessageRound) error{m.barePebble, m.service, m.barePublish} {
		settleDisk()
		if err := step(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (m *messageRun) service(ctx context.Context, r *MessageRound) (err error) {
	dir := filepath.Join(m.root, "messages")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return m.onService(ctx, dir, func(c *child) error {
		imported, err := m.drive(ctx, c, "import", Options{Command: Import, Accounts: int64(len(m.all))})
		if err := errors.Join(err, imported.Err()); err != nil {
			return err
		}
		if err := m.rest(ctx, c, r); err != nil {
			return err
		}
		if r.Device, err = m.overGateway(ctx, c); err != nil {
			return err
		}
		r.Deliver, err = m.deliver(ctx, c, r.One.PerSecond/2)
		return err
	})
}

// Metrics returns the figures of the report.
func (r MessageReport) Metrics() []Metric { return metricsOf(messageMetrics, r.Rounds) }

// MarshalJSON implements json.Marshaler; it adds the metrics to what was measured.
func (r MessageReport) MarshalJSON() ([]byte, error) {
	type measured MessageReport
	return json.Marshal(struct {
		measured
		Metrics []Metric `json:"metrics"`
	}{measured(r), r.Metrics()})
}

// String returns the report as a table for people.
func (r MessageReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s messages, %s sessions at a time", r.Machine, grouped(int64(r.Messages)), grouped(int64(r.Sessions)))
	if r.Sessions < r.Asked {
		fmt.Fprintf(&b, " (not %s: a process may not have more files open)", grouped(int64(r.Asked)))
	}
	b.WriteString("\n\n")
	writeMetrics(&b, r.Metrics(), len(r.Rounds))
	return b.String()
}
