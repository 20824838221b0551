package webhook_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

// An App has at most one line in ten seconds, however much fails; the lines add up.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *webhook.Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return respond(404, ""), nil })
		}, hooked(firstApp, "http://receiver"), hooked(secondApp, "http://receiver"))
		for range 100 {
			w.report(firstApp, "u", "x")
			w.report(secondApp, "u", "x")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if got := w.log.lines(); got != 20 {
			t.Errorf("%d lines in 100 seconds of two Apps:\n%s", got, w.log)
		}
		if log := w.log.String(); strings.Count(log, "failed=10 ") != 18 || strings.Count(log, "failed=1 ") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// What is dropped for want of room is told with the next failure.
func TestLogTellsOfDroppedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true, hangs: true}
		w := newMortalWorld(t, m, func(o *webhook.Options) { o.QueueLen, o.Attempts = 10, 1 })
		w.reportEach(100)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if log := w.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "dropped=90 ") ||
			!strings.Contains(log, "sdkappid=1400000001 command=State.StateChange attempts=1 failed=1 ") {
			t.Errorf("log: %s", log)
		}
	})
}

// However a request fails, the log shows neither Token nor Sign, nor the URL's query or
// password.
func TestLogShowsNoSecret(t *testing.T) {
	const secret = "hush-hush"
	for name, test := range map[string]struct {
		url   string
		fault error
	}{
		"refused":                {"http://u:" + secret + "@127.0.0.1:1/?key=" + secret, nil},
		"unknown host":           {"http://u:" + secret + "@receiver.invalid/?key=" + secret, nil},
		"no such scheme":         {"gopher://u:" + secret + "@127.0.0.1/?key=" + secret, nil},
		"not a URL":              {"http://u:" + secret + "@[/?key=" + secret, nil},
		"no host":                {"http:///?key=" + secret, nil},
		"a transport that tells": {"http://h/?key=" + secret, &url.Error{Op: "Post", URL: "http://h/?key=" + secret, Err: errors.New("broken")}},
	} {
		t.Run(name, func(t *testing.T) {
			a := hooked(firstApp, test.url)
			a.Webhook.Token = secret
			w := newWorld(t, func(o *webhook.Options) {
				if test.fault != nil {
					o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, test.fault })
				}
			}, a)
			w.report(firstApp, "u", "1")
			w.finish()
			w.results(map[string]float64{"failed": 1})
			log := w.log.String()
			if log == "" || strings.Contains(log, secret) || strings.Contains(log, "Sign=") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// An error that a receiver makes long does not make the log long.
func TestLogOfLongError(t *testing.T) {
	w := newWorld(t, func(o *webhook.Options) {
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, errors.New(strings.Repeat("x", 1<<20))
		})
	}, hooked(firstApp, "http://receiver"))
	w.report(firstApp, "u", "1")
	w.finish()
	if got := len(w.log.String()); got == 0 || got > 1000 {
		t.Errorf("the log has %d bytes", got)
	}
}

func TestNewNamesAllFaults(t *testing.T) {
	_, err := webhook.New(webhook.Options{
		QueueLen: -1, QueueBytes: -1, Workers: webhook.MaxWorkers + 1, Attempts: webhook.MaxAttempts + 1, Probe: -1, Timeout: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"Apps", "Logger", "Now", "QueueLen", "QueueBytes", "Workers", "Attempts", "Probe", "Timeout"} {
		if !strings.Contains(err.Error(), name+" is ") {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestNewRegistersOnce(t *testing.T) {
	w := newWorld(t, nil)
	_, err := webhook.New(webhook.Options{
		Apps:    func(account.SDKAppID) (*app.App, bool) { return nil, false },
		Logger:  discard(),
		Now:     time.Now,
		Metrics: w.metrics,
	})
	if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); !ok {
		t.Errorf("New with the metrics of another: %v", err)
	}
}
