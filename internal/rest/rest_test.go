package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/rest"
)

const importPath = "/v4/im_open_login_svc/multiaccount_import?"

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := rest.New(rest.Options{MaxBody: -1, StreamStall: -1, Recipients: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"Accounts", "Presence", "Messages", "Recipients", "Authenticator", "Limiter", "Gate", "Logger", "Now", "MaxBody", "StreamStall"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

func TestNewReportsMetricsThatAreThereAlready(t *testing.T) {
	w := newWorld(t)
	w.options.Metrics = w.metrics
	w.open(t)
	_, err := rest.New(w.options)
	if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); !ok {
		t.Errorf("error %v", err)
	}
}

// serve sends one request with the given body straight to the handler.
func (w *world) serve(tb testing.TB, target, body string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, target, strings.NewReader(body))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func TestLogLine(t *testing.T) {
	for _, tc := range []struct {
		name   string
		level  slog.Level
		change func(w *world) (target, body string)
		want   string
	}{
		{"success", slog.LevelInfo, func(w *world) (string, string) {
			return importPath + w.query(t), `{"Accounts":["alice","bob"]}`
		}, `level=INFO msg=request command=im_open_login_svc/multiaccount_import n=2 code=0 dur=0s request_id=request-1 sdkappid=1400000001`},
		{"a caller's mistake", slog.LevelInfo, func(w *world) (string, string) {
			return importPath + w.query(t), `{"Accounts":`
		}, `level=INFO msg=request command=im_open_login_svc/multiaccount_import n=0 code=60003 dur=0s request_id=request-1 sdkappid=1400000001`},
		{"not authenticated", slog.LevelInfo, func(*world) (string, string) {
			return importPath + "sdkappid=1400000001&identifier=alice&usersig=x", `{}`
		}, `level=INFO msg=request command=im_open_login_svc/multiaccount_import n=0 code=70003 dur=0s request_id=request-1`},
		{"unknown command", slog.LevelInfo, func(*world) (string, string) {
			return "/" + strings.Repeat("x", 1000) + "?usersig=secret", `{}`
		}, `level=INFO msg=request command=unknown n=0 code=60009 dur=0s request_id=request-1 path=/` + strings.Repeat("x", 127)},
		{"a broken store", slog.LevelInfo, func(w *world) (string, string) {
			w.store.mode = "broken"
			return "/v4/openim/querystate?" + w.query(t), `{"To_Account":["alice"]}`
		}, `level=ERROR msg=request command=openim/querystate n=1 code=91000 dur=0s request_id=request-1 sdkappid=1400000001 err="70500 an internal server error occurred, please try again later: account: check: the disk burns"`},
		{"a slow store", slog.LevelInfo, func(w *world) (string, string) {
			w.store.mode = "timeout"
			return importPath + w.query(t), `{"Accounts":["alice"]}`
		}, `level=WARN msg=request command=im_open_login_svc/multiaccount_import n=1 code=70169 dur=0s request_id=request-1 sdkappid=1400000001 err="account: import: context deadline exceeded"`},
		{"debug", slog.LevelDebug, func(w *world) (string, string) {
			return importPath + w.query(t), `{"Accounts":["alice"]}`
		}, `level=INFO msg=request command=im_open_login_svc/multiaccount_import n=1 code=0 dur=0s request_id=request-1 sdkappid=1400000001 identifier=administrator`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			log := w.captureLog(t, tc.level)
			target, body := tc.change(w)
			w.serve(t, target, body)
			if diff := cmp.Diff(tc.want+"\n", log.String()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

// captureLog makes the handler log into the buffer that it returns, without times.
func (w *world) captureLog(tb testing.TB, level slog.Level) *bytes.Buffer {
	tb.Helper()
	var log bytes.Buffer
	w.options.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	w.open(tb)
	return &log
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	w := newWorld(t)
	log := w.captureLog(t, slog.LevelInfo)
	w.store.mode = "panic"
	w.serve(t, importPath+w.query(t), `{"Accounts":["alice"]}`)
	for _, want := range []string{`msg=panic`, `request_id=request-1`, `panic="the store is out of its mind"`, "faultyStore", `code=70500`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if w.gate.InFlight() != 0 {
		t.Error("the gate was not left")
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.options.Metrics = w.metrics
	w.open(t)
	w.serve(t, importPath+w.query(t), `{"AccountList":[{"UserID":"a"},{"UserID":"b"},{"UserID":"a"},{"UserID":""}]}`)
	w.serve(t, importPath+w.query(t), `{"AccountList":[{"UserID":"a","Nick":"A"},{"UserID":"b"}]}`)
	w.serve(t, importPath+w.query(t), `{}`)
	w.serve(t, "/v4/some/thing", `{}`)
	w.serve(t, "/v4/some/other", `{}`)
	got := w.counters(t)
	want := map[string]float64{
		"muster_requests_total code=0 command=im_open_login_svc/multiaccount_import":     2,
		"muster_requests_total code=70402 command=im_open_login_svc/multiaccount_import": 1,
		"muster_requests_total code=60009 command=unknown":                               2,
		"muster_request_seconds command=im_open_login_svc/multiaccount_import":           3,
		"muster_request_seconds command=unknown":                                         2,
		"muster_accounts_total status=created":                                           2,
		"muster_accounts_total status=duplicate":                                         1,
		"muster_accounts_total status=existed":                                           1,
		"muster_accounts_total status=updated":                                           1,
		"muster_accounts_total status=failed":                                            1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics that are not zero (-want +got):\n%s", diff)
	}
}

// counters returns every counter, gauge and histogram count that is not zero.
func (w *world) counters(tb testing.TB) map[string]float64 {
	tb.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if value != 0 {
				out[name] = value
			}
		}
	}
	return out
}

// TestAppsAreApart: one App's names, accounts and rate are not the other's (invariant 9).
func TestAppsAreApart(t *testing.T) {
	w := newWorld(t)
	const other = account.SDKAppID(1400000002)
	w.addApp(t, app.App{SDKAppID: other, Keys: []app.Key{testKey}, Admins: []account.UserID{"boss"}, Edition: app.Pro, Rate: 1})
	boss := fmt.Sprintf("sdkappid=%d&identifier=boss&usersig=%s", other, w.sign(t, "boss", "app=1400000002"))
	w.serve(t, importPath+w.query(t), `{"Accounts":["alice"]}`)
	const check, body = "/v4/im_open_login_svc/account_check?", `{"CheckItem":[{"UserID":"alice"}]}`
	if got := w.serve(t, check+boss, body).Body.String(); !strings.Contains(got, `"NotImported"`) {
		t.Errorf("the other App sees alice: %s", got)
	}
	if got := w.serve(t, check+boss, body).Body.String(); !strings.Contains(got, `60007`) {
		t.Errorf("the other App has no rate: %s", got)
	}
	if got := w.serve(t, check+w.query(t), body).Body.String(); !strings.Contains(got, `"Imported"`) {
		t.Errorf("the App does not see alice, or has the other's rate: %s", got)
	}
}

// TestRefusedBeforeTheBody: what authentication, the admin check and the rate refuse is
// refused without a byte of the body being read.
func TestRefusedBeforeTheBody(t *testing.T) {
	w := newWorld(t)
	w.addApp(t, app.App{SDKAppID: testApp, Keys: []app.Key{testKey}, Admins: []account.UserID{testAdmin}, Edition: app.Pro, Rate: 1})
	w.serve(t, importPath+w.query(t), `{"Accounts":["alice"]}`)
	alice := "sdkappid=1400000001&identifier=alice&usersig=" + w.sign(t, "alice")
	for name, target := range map[string]string{
		"no credentials": importPath, "no admin": importPath + alice, "rate": importPath + w.query(t), "path": "/v4/x/y",
	} {
		body := &countingReader{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, body)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if body.reads != 0 || !strings.Contains(rec.Body.String(), "FAIL") {
			t.Errorf("%s: %d reads, %s", name, body.reads, rec.Body)
		}
	}
}

type countingReader struct{ reads int }

func (r *countingReader) Read([]byte) (int, error) { r.reads++; return 0, io.EOF }

func TestBodyThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	body := io.MultiReader(strings.NewReader(`{"Accounts":["alice"]`), brokenReader{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, importPath+w.query(t), body)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	want := `{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"the request body is not valid JSON: it could not be read to its end"}`
	if got := rec.Body.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	w.options.NewRequestID = nil
	w.open(t)
	a, b := w.serve(t, "/", "").Header().Get("X-Request-Id"), w.serve(t, "/", "").Header().Get("X-Request-Id")
	if len(a) != 16 || a == b {
		t.Errorf("request IDs %q and %q, want two different ones of 16 digits", a, b)
	}
}

// TestConcurrentCalls shares the pools among many calls; each must get its own answer.
func TestConcurrentCalls(t *testing.T) {
	w := newWorld(t)
	w.options.Gate = limit.NewGate(0)
	w.options.NewRequestID = nil
	w.open(t)
	query := w.query(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				name := fmt.Sprintf("%d %s %d", i, strings.Repeat("x", j*40), j) // blanks make it fail
				body, err := json.Marshal(map[string]any{"Accounts": []string{name}})
				if err != nil {
					t.Error(err)
				}
				want := fmt.Sprintf(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[%q]}`, name)
				if got := w.serve(t, importPath+query, string(body)).Body.String(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestClientThatLeaves: the store sees that nobody waits any more.
func TestClientThatLeaves(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, importPath+w.query(t), strings.NewReader(`{"Accounts":["alice"]}`))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if !strings.Contains(rec.Body.String(), "70169") {
		t.Errorf("got %s", rec.Body)
	}
}
