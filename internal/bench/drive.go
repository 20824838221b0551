package bench

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/imclient"
)

// progressEvery is how often Options.Progress is called.
const progressEvery = 250 * time.Millisecond

// now is the clock of all measurements. It is not injected: what is measured is real
// time, and in a test package synctest replaces it.
func now() time.Time { return time.Now() }

// driver is one pass over the accounts of a run.
type driver struct {
	o       Options
	api     api
	names   names
	calls   int64
	next    atomic.Int64 // the next call
	started time.Time
	rec     *recorder
}

// drive makes one pass.
func drive(ctx context.Context, o Options, service api) (Result, error) {
	batch := int64(o.Batch)
	d := &driver{
		o:       o,
		api:     service,
		names:   newNames(o.Prefix, o.Seed),
		calls:   o.Accounts/batch + min(o.Accounts%batch, 1),
		started: now(),
		rec:     newRecorder(),
	}
	var workers sync.WaitGroup
	for range min(int64(o.Concurrency), d.calls) {
		workers.Go(func() { d.work(ctx) })
	}
	stopProgress := d.reportProgress()
	workers.Wait()
	stopProgress()
	result := d.rec.result(o, now().Sub(d.started))
	if err := ctx.Err(); err != nil {
		return result, fmt.Errorf("bench: %s: %w", o.Command, err)
	}
	return result, nil
}

// work takes the next call until there is none.
func (d *driver) work(ctx context.Context) {
	batch := int64(d.o.Batch)
	ids := make([]string, batch)
	var buf []byte
	for ctx.Err() == nil {
		i := d.next.Add(1) - 1
		if i >= d.calls {
			return
		}
		first := i * batch
		ids = ids[:min(batch, d.o.Accounts-first)]
		buf = d.names.fill(ids, uint64(d.o.From+first), buf)
		begin, ok := d.begin(ctx, i)
		if !ok {
			return
		}
		done := d.call(ctx, ids)
		if ctx.Err() == nil {
			d.rec.add(done, now().Sub(begin))
		}
	}
}

// begin waits for the instant from which the latency of call i counts. It returns false
// if ctx ended first.
func (d *driver) begin(ctx context.Context, i int64) (time.Time, bool) {
	if d.o.Rate == 0 {
		return now(), true
	}
	planned := d.started.Add(time.Duration(math.Round(float64(i) / d.o.Rate * float64(time.Second))))
	wait := planned.Sub(now())
	if wait <= 0 {
		return planned, true // late already, and the lateness counts
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return planned, true
	case <-ctx.Done():
		return planned, false
	}
}

// outcome is what one call did.
type outcome struct {
	good int64 // accounts answered as expected
	bad  int64 // accounts of a call that succeeded, answered otherwise
	err  error
}

func (d *driver) call(ctx context.Context, ids []string) outcome {
	n := int64(len(ids))
	if d.o.Command == Check {
		checked, err := d.api.AccountCheck(ctx, ids)
		if err != nil {
			return outcome{err: err}
		}
		good := d.asExpected(checked, ids)
		return outcome{good: good, bad: n - good}
	}
	reply, err := d.api.MultiAccountImport(ctx, imclient.ImportRequest{Names: ids})
	if err != nil {
		return outcome{err: err}
	}
	bad := min(int64(len(reply.FailAccounts)), n)
	return outcome{good: n - bad, bad: bad}
}

// asExpected counts the answers that are about the account asked for and say what they
// should.
func (d *driver) asExpected(checked []imclient.Checked, ids []string) int64 {
	var good int64
	for i, id := range ids {
		if i >= len(checked) {
			break
		}
		if c := checked[i]; c.UserID == id && c.Code == 0 && c.Imported == !d.o.Absent {
			good++
		}
	}
	return good
}

// reportProgress calls Options.Progress now and then until the function it returns is
// called, which waits for the last one.
func (d *driver) reportProgress() (stop func()) {
	if d.o.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				d.o.Progress(d.rec.progress(d.o.Accounts, now().Sub(d.started)))
			case <-done:
				return
			}
		}
	})
	return func() { close(done); reporter.Wait() }
}
