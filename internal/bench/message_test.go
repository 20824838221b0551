package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-im/muster/internal/bench"
)

// TestArrivals awaits three messages whose MsgRandom runs over the end of its range.
func TestArrivals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := bench.NewArrivals(math.MaxUint32, 3)
		for i := range 3 {
			a.Begin(i, time.Now())
		}
		push := func(random uint32) {
			a.Note(fmt.Sprintf(`{"channel":"c","pub":{"data":{"From_Account":"a","MsgRandom":%d,"Box":1}}}`, random))
		}
		time.Sleep(7 * time.Millisecond)
		push(math.MaxUint32)
		push(math.MaxUint32) // which is here already
		push(2)              // which nobody awaits
		a.Note(`{"join":{}}`)
		a.Note(`no JSON`)
		time.Sleep(3 * time.Millisecond)
		push(1)
		if got := a.Latency(); got.P50.Round(time.Millisecond) != 7*time.Millisecond || got.Max.Round(time.Millisecond) != 10*time.Millisecond {
			t.Errorf("the latencies are %+v", got)
		}
		began := time.Now()
		if n := a.Wait(ctx); n != 1 || time.Since(began) < time.Second {
			t.Errorf("%d messages have not come, after %v; want 1, and some patience", n, time.Since(began))
		}
		push(0)
		if n := a.Wait(ctx); n != 0 {
			t.Errorf("%d messages have not come", n)
		}
	})
}

func TestMessageReport(t *testing.T) {
	t.Parallel()
	round := bench.MessageRound{
		BareOne: bench.Sending{PerSecond: 50_000},
		One:     bench.Sending{PerSecond: 20_000},
		Many:    bench.Sending{PerSecond: 40_000},
		Deliver: bench.Delivery{Latency: bench.Latency{P99: 25 * time.Millisecond}},
	}
	report := bench.MessageReport{Sessions: 5, Asked: 10, Messages: 1000, Rounds: []bench.MessageRound{round}}
	for _, want := range []string{"1,000 messages, 5 sessions at a time (not 10:", "0.400", "40,000", "≥ 30000     met", "< 20  MISSED"} {
		if got := report.String(); !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	text, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(text), `"name":"delivery, p99 ms"`) || !strings.Contains(string(text), `"send_c2c"`) {
		t.Errorf("JSON: %s, %v", text, err)
	}
}
