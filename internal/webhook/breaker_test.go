package webhook_test

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/webhook"
)

// mortal is a receiver without a network, which can die and come back.
type mortal struct {
	mu       sync.Mutex
	dead     bool
	hangs    bool // dead, it does not answer rather than refusing the connection
	attempts []time.Time
	got      []request // while it lived
	inFlight int
	most     int // attempts in flight at a time, since it died
}

func (m *mortal) set(dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead, m.attempts, m.most = dead, nil, 0
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attempts = append(m.attempts, time.Now())
	if !m.dead {
		m.got = append(m.got, read(r))
		return respond(200, ok), nil
	}
	if !m.hangs {
		return nil, errors.New("connection refused")
	}
	m.inFlight++
	m.most = max(m.most, m.inFlight)
	m.mu.Unlock()
	<-r.Context().Done()
	m.mu.Lock()
	m.inFlight--
	return nil, r.Context().Err()
}

// newMortalWorld makes a Sender with the usual Options, for use in a bubble of synctest.
func newMortalWorld(t *testing.T, m *mortal, change func(*webhook.Options)) *world {
	t.Helper()
	return newWorld(t, func(o *webhook.Options) {
		o.Attempts, o.Backoff, o.Timeout, o.Transport = 0, nil, 0, m
		if change != nil {
			change(o)
		}
	}, hooked(firstApp, "http://receiver"))
}

// reportEach reports n events of as many accounts.
func (w *world) reportEach(n int) {
	w.t.Helper()
	for i := range n {
		w.report(firstApp, account.UserID("u"+strconv.Itoa(i)), "x")
	}
}

// A receiver that does not answer costs one attempt at a time, and few of them, however
// many events there are. When it is back, what has queued up is sent at once.
func TestDeadReceiverCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true, hangs: true}
		w := newMortalWorld(t, m, func(o *webhook.Options) { o.QueueLen = 500 })
		w.reportEach(1000)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		m.mu.Lock()
		m.attempts, m.most = nil, m.inFlight
		m.mu.Unlock()
		if got := w.value("muster_webhook_receivers_down"); got != 1 {
			t.Errorf("muster_webhook_receivers_down is %v", got)
		}

		time.Sleep(10 * time.Minute)
		synctest.Wait()
		m.mu.Lock()
		attempts, most := len(m.attempts), m.most
		m.mu.Unlock()
		// Each takes 5 s of pause and 2 s until it is given up.
		if want := int(10 * time.Minute / (7 * time.Second)); attempts < want-1 || attempts > want+1 {
			t.Errorf("%d attempts in ten minutes, want about %d", attempts, want)
		}
		if most > 1 {
			t.Errorf("%d attempts at a time", most)
		}
		failed := w.value("muster_webhook_events_total failed")
		if failed < 25 || failed > 35 { // three attempts each
			t.Errorf("%v events failed", failed)
		}

		m.set(false)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if got := w.value("muster_webhook_receivers_down"); got != 0 {
			t.Errorf("muster_webhook_receivers_down is %v, although it is back", got)
		}
		time.Sleep(5 * time.Second) // backoff of those that were tried last
		synctest.Wait()
		w.results(map[string]float64{"dropped": 500, "failed": failed, "delivered": 500 - failed})
	})
}

// A short outage loses nothing, and changes no account's order.
func TestShortOutageLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true}
		w := newMortalWorld(t, m, nil)
		for mark := range 20 {
			for i := range 10 {
				w.report(firstApp, account.UserID("u"+strconv.Itoa(i)), strconv.Itoa(mark))
			}
		}
		time.Sleep(4 * time.Second)
		m.set(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.results(map[string]float64{"delivered": 200})
		next := make(map[account.UserID]int)
		for _, r := range m.got {
			if r.mark != strconv.Itoa(next[r.id]) {
				t.Fatalf("%s: event %s came, not %d", r.id, r.mark, next[r.id])
			}
			next[r.id]++
		}
	})
}

// The usual pauses after a failure are 1 s and 4 s.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true}
		w := newMortalWorld(t, m, func(o *webhook.Options) { o.Attempts = 4 })
		begin := time.Now()
		w.reportEach(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.results(map[string]float64{"failed": 1})
		want := []time.Duration{0, 1 * time.Second, 5 * time.Second, 21 * time.Second}
		if len(m.attempts) != len(want) {
			t.Fatalf("%d attempts", len(m.attempts))
		}
		for i, at := range m.attempts {
			if at.Sub(begin) != want[i] {
				t.Errorf("attempt %d came after %s, want %s", i+1, at.Sub(begin), want[i])
			}
		}
	})
}

// Answers that will not change come from a receiver that is alive: events go out, each
// once, at full speed.
func TestRefusalsAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *webhook.Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return respond(404, ""), nil })
		}, hooked(firstApp, "http://receiver"))
		w.reportEach(100)
		synctest.Wait()
		w.results(map[string]float64{"failed": 100})
	})
}

// Failures that an answer comes between are no outage, however many there are.
func TestScatteredFailuresAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := newWorld(t, func(o *webhook.Options) {
			o.Workers = 1
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				if n++; n%5 == 0 {
					return respond(200, ok), nil
				}
				return respond(500, ""), nil
			})
		}, hooked(firstApp, "http://receiver"))
		w.reportEach(100)
		synctest.Wait()
		w.results(map[string]float64{"failed": 80, "delivered": 20})
	})
}

// An App that loses its URL while its receiver is down drops its queue at the next probe,
// and a new URL begins anew.
func TestLostURLOfDeadReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true}
		w := newMortalWorld(t, m, nil)
		w.reportEach(100)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.swap(hooked(firstApp, ""))
		m.set(false)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		failed := w.value("muster_webhook_events_total failed")
		w.results(map[string]float64{"failed": failed, "dropped": 100 - failed})
		if got := w.value("muster_webhook_receivers_down"); got != 0 {
			t.Errorf("muster_webhook_receivers_down is %v", got)
		}
		w.swap(hooked(firstApp, "http://another"))
		w.reportEach(1)
		synctest.Wait()
		if len(m.got) != 1 {
			t.Errorf("%d events came at the new URL", len(m.got))
		}
	})
}
