package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/webhook"
)

func closed(a app.App) app.App {
	a.Webhook.FailClosed = true
	return a
}

func (w *world) before() (webhook.Verdict, error) {
	return w.Before(w.t.Context(), webhook.BeforeSend{Message: hello()})
}

// verdicts compares what the backend said of messages; absent ones are 0.
func (w *world) verdicts(want map[string]float64) {
	w.t.Helper()
	for _, verdict := range []string{"allow", "forbid", "drop", "own", "passed", "refused"} {
		if got := w.value("muster_webhook_verdicts_total " + verdict); got != want[verdict] {
			w.t.Errorf("%v times %s, want %v\nlog: %s", got, verdict, want[verdict], w.log)
		}
	}
}

// TestVerdict shows what each answer means.
func TestVerdict(t *testing.T) {
	long := strings.Repeat("é", 600)
	for name, test := range map[string]struct {
		body    string
		want    webhook.Verdict
		verdict string
	}{
		"allowed":          {ok, webhook.Verdict{}, "allow"},
		"allowed in short": {`{"ErrorCode":0}`, webhook.Verdict{}, "allow"},
		"allowed in words": {`{"ActionStatus":"OK"}`, webhook.Verdict{}, "allow"},
		"nothing replaced": {`{"ErrorCode":0,"MsgBody":null,"CloudCustomData":null}`, webhook.Verdict{}, "allow"},
		"body replaced":    {`{"ErrorCode":0,"MsgBody":[ {"a":1}]}`, webhook.Verdict{Body: []byte(`[ {"a":1}]`)}, "allow"},
		"body of another kind": { // the caller checks it
			`{"ErrorCode":0,"MsgBody":"x"}`, webhook.Verdict{Body: []byte(`"x"`)}, "allow",
		},
		"cloud data replaced": {`{"ErrorCode":0,"CloudCustomData":""}`, webhook.Verdict{CloudData: new("")}, "allow"},
		"both replaced": {
			`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"MsgBody":[],"CloudCustomData":"c"}`,
			webhook.Verdict{Body: []byte(`[]`), CloudData: new("c")},
			"allow",
		},
		"forbidden":               {`{"ActionStatus":"OK","ErrorCode":1,"ErrorInfo":"no"}`, webhook.Verdict{Code: webhook.Forbid, Info: "no"}, "forbid"},
		"forbidden, FAIL":         {`{"ActionStatus":"FAIL","ErrorCode":1}`, webhook.Verdict{Code: webhook.Forbid}, "forbid"},
		"forbidden, code as text": {`{"ErrorCode":"1"}`, webhook.Verdict{Code: webhook.Forbid}, "forbid"},
		"dropped":                 {`{"ErrorCode":2,"MsgBody":[]}`, webhook.Verdict{Code: webhook.Drop}, "drop"},
		"the first own code":      {`{"ErrorCode":120001,"ErrorInfo":"spam"}`, webhook.Verdict{Code: 120001, Info: "spam"}, "own"},
		"the last own code":       {`{"ErrorCode":130000,"ErrorInfo":null}`, webhook.Verdict{Code: 130000}, "own"},
		"a long text":             {`{"ErrorCode":120001,"ErrorInfo":"x` + long + `"}`, webhook.Verdict{Code: 120001, Info: "x" + long[:1022]}, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newReceiver(t, func(int, request) (int, string) { return 200, test.body })
			w := newWorld(t, nil, closed(chatty(v.URL)))
			got, err := w.before()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Verdict (-want +got):\n%s", diff)
			}
			w.verdicts(map[string]float64{test.verdict: 1})
			if got := w.value("muster_webhook_events_total delivered " + beforeSend); got != 1 {
				t.Errorf("%v are delivered", got)
			}
			if w.log.lines() != 0 {
				t.Errorf("log: %s", w.log)
			}
		})
	}
}

// TestNoVerdict shows which answers are none: the message passes, or is refused if the App is
// set to that. There is one attempt.
func TestNoVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		log    string
	}{
		"nothing":           {200, "", "not the JSON"},
		"HTML":              {200, "<html>", "not the JSON"},
		"a list":            {200, "[]", "not the JSON"},
		"no field":          {200, "{}", "neither"},
		"code of a fault":   {200, `{"ErrorCode":3}`, "ErrorCode 3"},
		"a negative code":   {200, `{"ErrorCode":-1}`, "ErrorCode -1"},
		"below own codes":   {200, `{"ErrorCode":120000}`, "ErrorCode 120000"},
		"above own codes":   {200, `{"ErrorCode":130001}`, "ErrorCode 130001"},
		"a fraction":        {200, `{"ErrorCode":1.5}`, "ErrorCode 1.5"},
		"a code as list":    {200, `{"ErrorCode":[1]}`, "not the JSON"},
		"FAIL, but 0":       {200, `{"ActionStatus":"FAIL","ErrorCode":0}`, "the ActionStatus"},
		"cloud data object": {200, `{"ErrorCode":0,"CloudCustomData":{}}`, "not the JSON"},
		"too long":          {200, padded(64<<10 + 1), "more than 65536 bytes"},
		"500":               {500, ok, "status 500"},
		"404":               {404, ok, "status 404"},
		"302":               {302, "", "status 302"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newReceiver(t, func(int, request) (int, string) { return test.status, test.body })
			w := newWorld(t, func(o *webhook.Options) { o.Attempts = 3 }, chatty(v.URL))
			if got, err := w.before(); err != nil || !cmp.Equal(got, webhook.Verdict{}) {
				t.Errorf("Before = %+v, %v", got, err)
			}
			if log := w.log.String(); !strings.Contains(log, test.log) || !strings.Contains(log, "command="+beforeSend) {
				t.Errorf("log: %s", log)
			}
			w.swap(closed(chatty(v.URL)))
			if _, err := w.before(); errcode.Of(err) != errcode.OpenIMHook {
				t.Errorf("Before, to fail closed: %v", err)
			}
			w.verdicts(map[string]float64{"passed": 1, "refused": 1})
			if got := w.value("muster_webhook_events_total failed " + beforeSend); got != 2 || len(v.got()) != 2 {
				t.Errorf("%v failed in %d attempts", got, len(v.got()))
			}
		})
	}
}

// A receiver that hangs takes the time-out and no more, and five such questions make it one
// that is asked only now and then. When it is back, all are asked again.
func TestBeforeDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true, hangs: true}
		w := newMortalWorld(t, m, nil)
		w.swap(chatty("http://receiver"))
		took := func() time.Duration {
			begin := time.Now()
			if v, err := w.before(); err != nil || v.Code != webhook.Allow {
				t.Errorf("Before = %+v, %v", v, err)
			}
			return time.Since(begin)
		}
		for range 6 { // the last is the first probe
			if got := took(); got != app.WebhookTimeout {
				t.Errorf("Before took %s", got)
			}
		}
		if got := w.value("muster_webhook_unasked_apps"); got != 1 {
			t.Errorf("muster_webhook_unasked_apps is %v", got)
		}
		if got := took(); got != 0 {
			t.Errorf("Before took %s while the receiver is down", got)
		}
		w.swap(closed(chatty("http://receiver")))
		if _, err := w.before(); errcode.Of(err) != errcode.OpenIMHook {
			t.Errorf("Before while the receiver is down, to fail closed: %v", err)
		}
		if got := w.value("muster_webhook_receivers_down"); got != 0 {
			t.Errorf("the queue's receiver counts as down")
		}
		m.set(false)
		time.Sleep(webhook.DefaultProbe)
		for range 3 {
			if _, err := w.before(); err != nil {
				t.Error(err)
			}
		}
		if got := w.value("muster_webhook_unasked_apps"); got != 0 || len(m.got) != 3 {
			t.Errorf("muster_webhook_unasked_apps is %v after %d answers", got, len(m.got))
		}
		w.verdicts(map[string]float64{"passed": 7, "refused": 1, "allow": 3})
	})
}

// More questions than may be under way wait within their time-out.
func TestBeforeIsBounded(t *testing.T) {
	const bound, askers = 256, 300
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{dead: true, hangs: true}
		w := newMortalWorld(t, m, nil)
		w.swap(chatty("http://receiver"))
		begin := time.Now()
		var wg sync.WaitGroup
		for range askers {
			wg.Go(func() { _, _ = w.before() })
		}
		wg.Wait()
		if took := time.Since(begin); m.most != bound || took != app.WebhookTimeout {
			t.Errorf("%d questions at once, all in %s", m.most, took)
		}
		w.verdicts(map[string]float64{"passed": askers})
	})
}

// Whoever does not wait any more gets no verdict, which is not the receiver's fault.
func TestBeforeGivenUp(t *testing.T) {
	v, came, _ := newHeldReceiver(t, nil)
	w := newWorld(t, nil, chatty(v.URL))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-came; cancel() }()
		if _, err := w.Before(ctx, webhook.BeforeSend{Message: hello()}); errcode.Of(err) != errcode.OpenIMHook || !errors.Is(err, context.Canceled) {
			t.Errorf("Before: %v", err)
		}
	}
	if got := w.value("muster_webhook_events_total abandoned " + beforeSend); got != 10 {
		t.Errorf("%v are abandoned", got)
	}
	if got := w.value("muster_webhook_unasked_apps"); got != 0 || w.log.lines() != 0 {
		t.Errorf("the receiver is blamed; log: %s", w.log)
	}
}

// Stop waits for an answer, until its context ends; nobody is asked afterwards.
func TestBeforeAndStop(t *testing.T) {
	for name, test := range map[string]struct {
		answers bool
		verdict map[string]float64
	}{
		"answered":  {true, map[string]float64{"forbid": 1, "passed": 1}},
		"abandoned": {false, map[string]float64{"passed": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			v, came, release := newHeldReceiver(t, func(int, request) (int, string) { return http.StatusOK, `{"ErrorCode":1}` })
			w := newWorld(t, nil, chatty(v.URL))
			asked, stopped := make(chan error, 1), make(chan error, 1)
			go func() { _, err := w.before(); asked <- err }()
			<-came
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { stopped <- w.Stop(ctx) }()
			if test.answers {
				release()
			} else {
				cancel()
			}
			if err := errors.Join(<-asked, <-stopped); err != nil {
				t.Error(err)
			}
			if _, err := w.before(); err != nil {
				t.Errorf("Before after Stop: %v", err)
			}
			w.verdicts(test.verdict)
		})
	}
}

// A failing AfterSend does not keep the backend from being asked.
func TestAfterSendFailsBeforeDoesNot(t *testing.T) {
	down := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("CallbackCommand") == beforeSend {
			return respond(200, `{"ErrorCode":1}`), nil
		}
		return respond(500, ""), nil
	})
	w := newWorld(t, func(o *webhook.Options) { o.Transport, o.Probe = down, 1 }, chatty("http://receiver"))
	for range 10 {
		w.AfterSent(webhook.AfterSend{Message: hello()})
	}
	for w.value("muster_webhook_receivers_down") == 0 {
		runtime.Gosched()
	}
	if got, err := w.before(); err != nil || got.Code != webhook.Forbid {
		t.Errorf("Before = %+v, %v", got, err)
	}
}
