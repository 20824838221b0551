package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	firstApp  account.SDKAppID = 1400000001
	secondApp account.SDKAppID = 1400000002
)

// at is when the events of the tests happen unless they say something else.
var at = time.UnixMilli(1629883332497)

const ok = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`

// world is a Sender with what it needs.
type world struct {
	*webhook.Sender
	t        *testing.T
	registry *app.Registry
	metrics  *prometheus.Registry
	log      *logBuffer
}

// newWorld makes a Sender that tries an event once, unless change says otherwise.
func newWorld(t *testing.T, change func(*webhook.Options), apps ...app.App) *world {
	t.Helper()
	registry, err := app.NewRegistry(apps)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, registry: registry, metrics: prometheus.NewRegistry(), log: new(logBuffer)}
	o := webhook.Options{
		Apps:     registry.Find,
		Logger:   slog.New(slog.NewTextHandler(w.log, nil)),
		Metrics:  w.metrics,
		Now:      time.Now,
		Attempts: 1,
		Backoff:  func(int) time.Duration { return 0 },
		Timeout:  time.Minute,
	}
	if change != nil {
		change(&o)
	}
	if w.Sender, err = webhook.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.Stop(over) // again, after most tests; what it left is their business
	})
	return w
}

func hooked(id account.SDKAppID, url string) app.App {
	return app.App{SDKAppID: id, Webhook: app.Webhook{URL: url}}
}

// swap replaces the Apps.
func (w *world) swap(apps ...app.App) {
	w.t.Helper()
	if err := w.registry.Swap(apps); err != nil {
		w.t.Fatal(err)
	}
}

// finish stops the Sender when everything is sent.
func (w *world) finish() {
	w.t.Helper()
	if err := w.Stop(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// report reports one event of id for each mark.
func (w *world) report(app account.SDKAppID, id account.UserID, marks ...string) {
	for _, mark := range marks {
		w.StateChanged(webhook.StateChange{
			SDKAppID: app, UserID: id, At: at,
			Action: webhook.CustomStatusChange, Reason: webhook.SetCustomStatus, CustomStatus: mark,
		})
	}
}

// value returns what a metric counts. Behind its name stand values that its labels have, as
// in "m failed"; the command is State.StateChange unless another stands there. A verdict that
// nobody gave counts 0.
func (w *world) value(name string) float64 {
	w.t.Helper()
	labels := strings.Fields(name)
	if !strings.Contains(name, "C2C.") {
		labels = append(labels, "State.StateChange")
	}
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != labels[0] {
			continue
		}
		for _, m := range family.GetMetric() {
			fits := true
			for _, l := range m.GetLabel() {
				fits = fits && slices.Contains(labels[1:], l.GetValue())
			}
			if fits {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	if labels[0] != "muster_webhook_verdicts_total" {
		w.t.Fatalf("there is no metric %s", name)
	}
	return 0
}

// settled waits until n events are.
func (w *world) settled(n float64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		sum := 0.0
		for _, result := range []string{"delivered", "failed", "dropped", "abandoned"} {
			sum += w.value("muster_webhook_events_total " + result)
		}
		if sum >= n {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			w.t.Fatalf("%v events are settled, not %v", sum, n)
		}
	}
}

// results compares what became of the events; absent results are 0.
func (w *world) results(want map[string]float64) {
	w.t.Helper()
	got := make(map[string]float64)
	for _, result := range []string{"delivered", "failed", "dropped", "abandoned"} {
		if n := w.value("muster_webhook_events_total " + result); n != 0 {
			got[result] = n
		}
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("results: %v, want %v\nlog: %s", got, want, w.log)
	}
}

// logBuffer is a bytes.Buffer for several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) lines() int { return strings.Count(l.String(), "\n") }

// request is what a receiver got.
type request struct {
	id     account.UserID
	mark   string // the CustomStatus
	sign   string
	remote string
	status int // what it was answered with
}

// receiver is an App's backend. It writes down what it gets, then answers.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	all []request
}

// newReceiver starts a receiver that answers as answer says, nil for OK. The answer may
// take as long as it likes, if it ends with the test.
func newReceiver(t *testing.T, answer func(n int, r request) (status int, body string)) *receiver {
	t.Helper()
	v := new(receiver)
	v.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got := read(r)
		v.mu.Lock()
		n := len(v.all)
		v.all = append(v.all, got)
		v.mu.Unlock()
		status, body := http.StatusOK, ok
		if answer != nil {
			status, body = answer(n, got)
		}
		v.mu.Lock()
		v.all[n].status = status
		v.mu.Unlock()
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}))
	t.Cleanup(v.Close)
	return v
}

func read(r *http.Request) request {
	var body struct {
		Info struct {
			ToAccount    account.UserID `json:"To_Account"`
			CustomStatus string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return request{mark: err.Error()}
	}
	_, _ = io.Copy(io.Discard, r.Body) // only then the server notices when it is hung up on
	return request{id: body.Info.ToAccount, mark: body.Info.CustomStatus, sign: r.URL.Query().Get("Sign"), remote: r.RemoteAddr}
}

// got returns what came so far.
func (v *receiver) got() []request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]request(nil), v.all...)
}

// marks returns the marks of what came so far, in order.
func (v *receiver) marks() string {
	var marks []string
	for _, r := range v.got() {
		marks = append(marks, r.mark)
	}
	return strings.Join(marks, " ")
}

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}
