package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// What Options mean where they say nothing, and how far they go.
const (
	DefaultQueueLen   = 10_000
	DefaultQueueBytes = 16 << 20
	DefaultWorkers    = 4
	DefaultAttempts   = 3
	DefaultProbe      = 5 * time.Second

	MaxWorkers  = 64
	MaxAttempts = 10

	maxBackoff = 30 * time.Second
)

// Options are what a Sender needs. Apps, Logger and Now must be given.
type Options struct {
	// Apps finds an App as it is set now; (*app.Registry).Find does. It is called for
	// every event and again for every attempt, and must not block.
	Apps func(account.SDKAppID) (*app.App, bool)
	// Logger gets at most one line per App and ten seconds, without Token or query.
	Logger *slog.Logger
	// Metrics registers what the Sender counts; nil if nobody asks.
	Metrics prometheus.Registerer
	// Now returns the current time.
	Now func() time.Time
	// QueueLen is how many events of one App and command may be waiting or being sent; 0
	// means DefaultQueueLen. One takes some 300 bytes.
	QueueLen int
	// QueueBytes is how many bytes the messages of one App's AfterSends may take that are
	// waiting or being sent; 0 means DefaultQueueBytes.
	QueueBytes int
	// Workers is how many requests of one App are under way at the most, up to
	// MaxWorkers; 0 means DefaultWorkers.
	Workers int
	// Attempts is how often an event is sent at the most, up to MaxAttempts; 0 means
	// DefaultAttempts.
	Attempts int
	// Backoff returns how long to wait after the attempt of that number, counted from 1,
	// has failed; nil means 1 s, 4 s, 16 s and then 30 s. It must be safe for concurrent
	// use.
	Backoff func(attempt int) time.Duration
	// Probe is the pause between attempts at a receiver that is down; 0 means
	// DefaultProbe.
	Probe time.Duration
	// Timeout is how long an attempt may take until its answer is read; 0 means
	// app.WebhookTimeout.
	Timeout time.Duration
	// Transport sends the requests and must heed their contexts; nil means one of the
	// Sender's own, which keeps connections, speaks HTTP/1.1 and asks no proxy.
	Transport http.RoundTripper
}

func (o *Options) validate() error {
	var faults []error
	for _, need := range []struct {
		name  string
		given bool
	}{
		{"Apps", o.Apps != nil},
		{"Logger", o.Logger != nil},
		{"Now", o.Now != nil},
	} {
		if !need.given {
			faults = append(faults, fmt.Errorf("%s is not given", need.name))
		}
	}
	for _, number := range []struct {
		name       string
		given, max int
	}{
		{"QueueLen", o.QueueLen, math.MaxInt},
		{"QueueBytes", o.QueueBytes, math.MaxInt},
		{"Workers", o.Workers, MaxWorkers},
		{"Attempts", o.Attempts, MaxAttempts},
	} {
		if number.given < 0 || number.given > number.max {
			faults = append(faults, fmt.Errorf("%s is %d, not 0 to %d", number.name, number.given, number.max))
		}
	}
	for _, span := range []struct {
		name  string
		given time.Duration
	}{
		{"Probe", o.Probe},
		{"Timeout", o.Timeout},
	} {
		if span.given < 0 {
			faults = append(faults, fmt.Errorf("%s is %s", span.name, span.given))
		}
	}
	return errors.Join(faults...)
}

// fill puts in the defaults, except for Transport.
func (o *Options) fill() {
	for _, number := range []struct {
		field *int
		usual int
	}{
		{&o.QueueLen, DefaultQueueLen},
		{&o.QueueBytes, DefaultQueueBytes},
		{&o.Workers, DefaultWorkers},
		{&o.Attempts, DefaultAttempts},
	} {
		if *number.field == 0 {
			*number.field = number.usual
		}
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Probe == 0 {
		o.Probe = DefaultProbe
	}
	if o.Timeout == 0 {
		o.Timeout = app.WebhookTimeout
	}
}

func backoff(attempt int) time.Duration {
	return min(time.Second<<(2*(attempt-1)), maxBackoff)
}
