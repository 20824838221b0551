package webhook_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

// newHeldReceiver starts a receiver that answers, as then says, only once release is
// called; came has the requests that wait for it.
func newHeldReceiver(t *testing.T, then func(n int, r request) (int, string)) (v *receiver, came <-chan request, release func()) {
	t.Helper()
	arrived, gate := make(chan request, 1000), make(chan struct{})
	v = newReceiver(t, func(n int, r request) (int, string) {
		arrived <- r
		<-gate
		if then == nil {
			return 200, ok
		}
		return then(n, r)
	})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release) // before the server is closed, which waits for its answers
	return v, arrived, release
}

// A receiver that never answers holds nobody up: neither who reports events, full queue
// or not, nor another App. That StateChanged waited for nothing shows in this test's
// getting beyond it, since the receiver answers only then.
func TestSlowReceiverHoldsNobodyUp(t *testing.T) {
	const room, events = 10, 1000
	slow, came, release := newHeldReceiver(t, nil)
	quick := newReceiver(t, nil)
	w := newWorld(t, func(o *webhook.Options) { o.QueueLen, o.Workers = room, 2 },
		hooked(firstApp, slow.URL), hooked(secondApp, quick.URL))

	w.report(firstApp, "u", strings.Fields(strings.Repeat("x ", events))...)
	<-came
	if got := w.value("muster_webhook_queued"); got != room {
		t.Errorf("muster_webhook_queued is %v, want %v", got, room)
	}
	w.results(map[string]float64{"dropped": events - room})

	w.report(secondApp, "u", "1", "2", "3")
	w.settled(events - room + 3)
	if got := quick.marks(); got != "1 2 3" {
		t.Errorf("the other App got %q", got)
	}

	release()
	w.settled(events + 3)
	w.report(firstApp, "u", "there is room again")
	w.finish()
	w.results(map[string]float64{"dropped": events - room, "delivered": room + 3 + 1})
	if got := w.value("muster_webhook_queued"); got != 0 {
		t.Errorf("muster_webhook_queued is %v at the end", got)
	}
}

// Apps without a URL, and Apps that there are not, have no events.
func TestNoURL(t *testing.T) {
	w := newWorld(t, nil, hooked(firstApp, ""))
	w.report(firstApp, "u", "1")
	w.report(secondApp, "u", "1")
	w.finish()
	w.results(map[string]float64{})
}

// Who reports events of an App without a URL pays nothing.
func TestNoURLCostsNothing(t *testing.T) {
	w := newWorld(t, nil, hooked(firstApp, ""))
	event := webhook.StateChange{SDKAppID: firstApp, UserID: "u", Action: webhook.Login, Reason: webhook.Register, At: at}
	if got := testing.AllocsPerRun(100, func() { w.StateChanged(event) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// An event that is repeated holds up those behind it rather than being overtaken.
func TestRetryKeepsOrder(t *testing.T) {
	failing := map[int]bool{0: true, 1: true, 4: true, 7: true, 8: true}
	v := newReceiver(t, func(n int, _ request) (int, string) {
		if failing[n] {
			return 503, ""
		}
		return 200, ok
	})
	w := newWorld(t, func(o *webhook.Options) { o.Attempts = 3 }, hooked(firstApp, v.URL))
	w.report(firstApp, "u", "1", "2", "3", "4", "5", "6")
	w.settled(6)
	w.finish()
	w.results(map[string]float64{"delivered": 6})
	if got, want := v.marks(), "1 1 1 2 3 3 4 5 5 5 6"; got != want {
		t.Errorf("attempts: %s\nwant:     %s", got, want)
	}
}

// TestOrderOfEachAccount has many report at once to a receiver that fails now and then.
func TestOrderOfEachAccount(t *testing.T) {
	const accounts, events = 50, 20
	v := newReceiver(t, func(int, request) (int, string) {
		if rand.IntN(4) == 0 {
			return 500, ""
		}
		return 200, ok
	})
	w := newWorld(t, func(o *webhook.Options) { o.Attempts, o.Probe = 3, 1 }, hooked(firstApp, v.URL))
	var wg sync.WaitGroup
	for a := range accounts {
		wg.Go(func() {
			for e := range events {
				w.report(firstApp, account.UserID("u"+strconv.Itoa(a)), strconv.Itoa(e))
			}
		})
	}
	wg.Wait()
	w.settled(accounts * events)
	w.finish()
	last, attempts := make(map[account.UserID]int), make(map[string]int)
	for _, r := range v.got() {
		e, err := strconv.Atoi(r.mark)
		if err != nil {
			t.Fatal(err)
		}
		if e < last[r.id] {
			t.Errorf("%s: event %d came after %d", r.id, e, last[r.id])
		}
		last[r.id] = e
		attempts[fmt.Sprintf("%s:%d", r.id, e)]++
	}
	if len(attempts) != accounts*events {
		t.Errorf("%d events came", len(attempts))
	}
	for event, n := range attempts {
		if n > 3 {
			t.Errorf("%s: %d attempts", event, n)
		}
	}
}

// The URL and the Token are those of the moment a request is sent, also of a retry.
func TestChangedURL(t *testing.T) {
	old, came, release := newHeldReceiver(t, func(int, request) (int, string) { return 503, "" })
	current := newReceiver(t, nil)
	w := newWorld(t, func(o *webhook.Options) { o.Attempts = 2 }, hooked(firstApp, old.URL))
	w.report(firstApp, "u", "1", "2")
	<-came
	changed := hooked(firstApp, current.URL)
	changed.Webhook.Token = "token-of-the-new-one"
	w.swap(changed)
	w.report(firstApp, "u", "3")
	release()
	w.settled(3)
	w.finish()
	w.results(map[string]float64{"delivered": 3})
	if got := old.marks() + " | " + current.marks(); got != "1 | 1 2 3" {
		t.Errorf("old | new receiver: %s", got)
	}
	for _, r := range current.got() {
		if r.sign == "" {
			t.Errorf("event %s is not signed", r.mark)
		}
	}
}

// An App that has lost its URL, or is no more, drops what it has queued.
func TestLostURL(t *testing.T) {
	for name, left := range map[string][]app.App{"no URL": {hooked(firstApp, "")}, "no App": nil} {
		t.Run(name, func(t *testing.T) {
			v, came, release := newHeldReceiver(t, nil)
			w := newWorld(t, func(o *webhook.Options) { o.QueueLen = 4 }, hooked(firstApp, v.URL))
			w.report(firstApp, "u", "1", "2", "3", "4")
			<-came
			w.swap(left...)
			w.report(firstApp, "u", "not even queued")
			release()
			w.settled(4)
			w.results(map[string]float64{"delivered": 1, "dropped": 3})
			if got := w.value("muster_webhook_queued"); got != 0 {
				t.Errorf("muster_webhook_queued is %v", got)
			}

			w.swap(hooked(firstApp, v.URL)) // and back again, to a queue that has all its room
			w.report(firstApp, "u", "5", "6", "7", "8")
			w.finish()
			w.results(map[string]float64{"delivered": 5, "dropped": 3})
			if got := v.marks(); got != "1 5 6 7 8" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestEveryEventIsCountedOnce lets everything happen at the same time.
func TestEveryEventIsCountedOnce(t *testing.T) {
	const reporters, events = 4, 500
	v := newReceiver(t, func(int, request) (int, string) {
		return []int{200, 200, 200, 404, 500}[rand.IntN(5)], ok
	})
	w := newWorld(t, func(o *webhook.Options) { o.QueueLen, o.Attempts, o.Probe = 100, 2, 1 }, hooked(firstApp, v.URL))
	var wg sync.WaitGroup
	for r := range reporters {
		wg.Go(func() {
			for e := range events {
				w.report(firstApp, account.UserID(strconv.Itoa(r*e%17)), "x")
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			w.swap(hooked(firstApp, v.URL), hooked(secondApp, ""))
			w.swap(hooked(firstApp, v.URL+"/other"))
		}
	})
	_ = w.Stop(t.Context()) // while they report
	wg.Wait()
	sum := 0.0
	for _, result := range []string{"delivered", "failed", "dropped", "abandoned"} {
		sum += w.value("muster_webhook_events_total " + result)
	}
	if sum != reporters*events {
		t.Errorf("%v events are counted, not %v", sum, reporters*events)
	}
	if got := w.value("muster_webhook_queued"); got != 0 {
		t.Errorf("muster_webhook_queued is %v", got)
	}
}
