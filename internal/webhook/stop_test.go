package webhook_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-im/muster/internal/webhook"
)

// Stop sends what is queued and takes no more.
func TestStopDrains(t *testing.T) {
	const events = 100
	v, came, release := newHeldReceiver(t, nil)
	w := newWorld(t, nil, hooked(firstApp, v.URL))
	w.reportEach(events)
	<-came
	stopped := make(chan error)
	go func() { stopped <- w.Stop(context.Background()) }()
	// Events are dropped from the moment that Stop has begun.
	for w.value("muster_webhook_events_total dropped") == 0 {
		w.report(firstApp, "late", "x")
	}
	release()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	late := 0
	for _, r := range v.got() {
		if r.id == "late" {
			late++
		}
	}
	w.results(map[string]float64{"delivered": float64(events + late), "dropped": 1})
	if err := w.Stop(t.Context()); err != nil {
		t.Errorf("the second Stop: %v", err)
	}
}

// When its context ends, Stop abandons the rest, counts it and leaves no goroutine.
func TestStopAbandons(t *testing.T) {
	const events = 100
	v, came, _ := newHeldReceiver(t, nil)
	w := newWorld(t, nil, hooked(firstApp, v.URL))
	w.reportEach(events)
	<-came
	cause := errors.New("no more time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := w.Stop(ctx)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "100 events") {
		t.Errorf("Stop: %v", err)
	}
	if err := w.Stop(ctx); err == nil || !strings.Contains(err.Error(), "100 events") {
		t.Errorf("the second Stop: %v", err)
	}
	w.results(map[string]float64{"abandoned": events})
	if got := w.value("muster_webhook_queued"); got != 0 {
		t.Errorf("muster_webhook_queued is %v", got)
	}
}

// Once Stop has begun nothing is sent a second time, and nobody waits for it.
func TestStopRetriesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true}
		w := newMortalWorld(t, m, func(o *webhook.Options) {
			o.Workers = 1
			o.Backoff = func(int) time.Duration { return time.Hour }
		})
		w.reportEach(3)
		synctest.Wait() // the first has failed and would be sent again in an hour
		begin := time.Now()
		w.finish()
		if took := time.Since(begin); took > 0 {
			t.Errorf("Stop took %s", took)
		}
		w.results(map[string]float64{"failed": 3})
		if len(m.attempts) != 3 {
			t.Errorf("%d attempts", len(m.attempts))
		}
	})
}

// Stop does not wait for a receiver that is down, but for the others it does.
func TestStopAbandonsTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true, hangs: true}
		alive := 0
		w := newWorld(t, func(o *webhook.Options) {
			o.Attempts, o.Timeout, o.Workers = 3, 0, 1
			o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "dead" {
					return m.RoundTrip(r)
				}
				time.Sleep(time.Second)
				alive++
				return respond(200, ok), nil
			})
		}, hooked(firstApp, "http://dead"), hooked(secondApp, "http://alive"))
		w.reportEach(100)
		time.Sleep(time.Minute)
		synctest.Wait()
		failed := w.value("muster_webhook_events_total failed")
		w.report(secondApp, "u", strings.Fields(strings.Repeat("x ", 5))...)
		begin := time.Now()
		err := w.Stop(t.Context())
		if err == nil || !strings.Contains(err.Error(), "down") {
			t.Errorf("Stop: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("Stop took %s", took)
		}
		lost := w.value("muster_webhook_events_total failed") + w.value("muster_webhook_events_total abandoned")
		if alive != 5 || lost != 100 || w.value("muster_webhook_events_total failed") > failed+1 {
			t.Errorf("%d events of the live App came, %v of the other are lost", alive, lost)
		}
	})
}

// Several may stop at the same time, while others report.
func TestStopConcurrently(t *testing.T) {
	v := newReceiver(t, nil)
	w := newWorld(t, nil, hooked(firstApp, v.URL))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { w.reportEach(100) })
		wg.Go(func() {
			if err := w.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := w.value("muster_webhook_events_total delivered") + w.value("muster_webhook_events_total dropped")
	if sum != 400 {
		t.Errorf("%v events are counted", sum)
	}
}

// A Sender that was never used stops, with a context that is over already too.
func TestStopUnused(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// Which attempts are under way does not matter to a Stop whose time is over: also those
// that dial.
func TestStopWhileDialling(t *testing.T) {
	// A listener whose backlog nobody takes from is as far as this goes without a network:
	// the connection is there, the TLS handshake is not.
	w := newWorld(t, nil, hooked(firstApp, "https://"+silentListener(t)))
	w.reportEach(10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(ctx); err == nil {
		t.Error("Stop says that all was sent")
	}
	w.results(map[string]float64{"abandoned": 10})
}

// silentListener is a server that never accepts.
func silentListener(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}
