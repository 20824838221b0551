package imclient_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-im/muster/imclient"
)

// locked lets a script serve several goroutines.
type locked struct {
	mu sync.Mutex
	*script
}

func (l *locked) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.script.RoundTrip(r)
}

// TestRate holds that requests are spaced out evenly, however many calls are made at a
// time, and that repetitions are requests too.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{reply: okReply}, refusal(70202), {reply: okReply}}}
		c := s.client(t, func(o *imclient.Options) {
			o.Rate = 2
			o.HTTPClient = &http.Client{Transport: &locked{script: s}}
		})
		begin := time.Now()
		var calls sync.WaitGroup
		for range 9 {
			calls.Go(func() {
				if err := c.Kick(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if len(s.at) != 10 {
			t.Fatalf("%d requests", len(s.at))
		}
		for i, at := range s.at {
			// The limiter counts in floating point, and may be a nanosecond off.
			if want := time.Duration(i) * 500 * time.Millisecond; at.Sub(begin).Round(time.Microsecond) != want {
				t.Errorf("request %d after %v, want %v", i, at.Sub(begin), want)
			}
		}
	})
}

// TestContextEndsBeforeTheTurn holds that a call which gives up its turn neither makes a
// request nor holds up the next call.
func TestContextEndsBeforeTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{reply: okReply}}}
		c := s.client(t, func(o *imclient.Options) { o.Rate = 0.1 })
		if err := c.Kick(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Kick(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if _, err := c.BulkImport(ctx, http.NoBody, imclient.BulkImportOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := c.Kick(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		if len(s.at) != 2 || s.pauses()[0] != 10*time.Second {
			t.Errorf("pauses %v", s.pauses())
		}
	})
}

// TestContextEndsBeforeTheNextTurn holds the same of a repetition.
func TestContextEndsBeforeTheNextTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{refusal(70202)}}
		c := s.client(t, func(o *imclient.Options) { o.Rate = 0.1 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Kick(ctx, "a")
		_, refused := errors.AsType[*imclient.Error](err)
		if !errors.Is(err, context.DeadlineExceeded) || !refused || len(s.at) != 1 {
			t.Errorf("%d requests, error %v", len(s.at), err)
		}
	})
}

func TestRateIsANumber(t *testing.T) {
	for _, rate := range []float64{-0.1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		o := (&fake{}).options()
		o.Rate = rate
		if _, err := imclient.New(o); err == nil {
			t.Errorf("a Rate of %v was accepted", rate)
		}
	}
}
