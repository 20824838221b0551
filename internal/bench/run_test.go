package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bench"
)

// service is a REST API that keeps names in memory.
type service struct {
	mu       sync.Mutex
	imported map[string]int // how often
	calls    int
	// refuse, if set, may answer call n itself; it then returns true.
	refuse func(n int, w http.ResponseWriter) bool
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Accounts  []string
		CheckItem []struct{ UserID string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.refuse != nil && s.refuse(s.calls, w) {
		return
	}
	if path.Base(r.URL.Path) == "multiaccount_import" {
		for _, id := range body.Accounts {
			s.imported[id]++
		}
		_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`)
		return
	}
	var items []string
	for _, item := range body.CheckItem {
		status := "NotImported"
		if s.imported[item.UserID] > 0 {
			status = "Imported"
		}
		items = append(items, fmt.Sprintf(`{"UserID":%q,"ResultCode":0,"ResultInfo":"","AccountStatus":%q}`, item.UserID, status))
	}
	_, _ = fmt.Fprintf(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[%s]}`, strings.Join(items, ","))
}

func start(t *testing.T, refuse func(int, http.ResponseWriter) bool) (*service, bench.Options) {
	t.Helper()
	s := &service{imported: map[string]int{}, refuse: refuse}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, bench.Options{
		Command: bench.Import, URL: server.URL, SDKAppID: 1400000001, Key: "0123456789abcdef", Admin: "administrator",
		Accounts: 1050, Concurrency: 4,
	}
}

func mustRun(t *testing.T, o bench.Options) bench.Result {
	t.Helper()
	r, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counts is a Result without what differs from run to run.
func counts(r bench.Result) bench.Result {
	r.Duration, r.AccountsPerSecond, r.CallsPerSecond, r.Latency = 0, 0, 0, bench.Latency{}
	return r
}

func TestImportThenCheck(t *testing.T) {
	s, o := start(t, nil)
	o.From, o.Reimport = 500, true
	again := bench.Result{Command: bench.Import, Accounts: 1050, Calls: 11, Errors: map[string]bench.ErrorCount{}}
	want := again
	want.Reimport = &again
	got := mustRun(t, o)
	*got.Reimport = counts(*got.Reimport)
	if diff := cmp.Diff(want, counts(got)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	names := bench.Names(bench.DefaultPrefix, 0, 500, 1050)
	for _, id := range names {
		if s.imported[id] != 2 {
			t.Errorf("%s was imported %d times", id, s.imported[id])
		}
	}
	if len(s.imported) != len(names) || s.calls != 22 {
		t.Errorf("%d names in %d calls", len(s.imported), s.calls)
	}

	o.Command, o.Reimport = bench.Check, false
	if r := mustRun(t, o); r.Accounts != 1050 || r.Err() != nil {
		t.Errorf("check: %+v, %v", r, r.Err())
	}
	o.Absent = true
	if r := mustRun(t, o); r.Accounts != 0 || r.Unexpected != 1050 || r.Err() == nil {
		t.Errorf("check that they are absent: %+v", r)
	}
	o.Seed = 1
	if r := mustRun(t, o); r.Accounts != 1050 || r.Err() != nil {
		t.Errorf("check that others are absent: %+v, %v", r, r.Err())
	}
	o.Absent, o.Seed, o.From = false, 0, 0
	if r := mustRun(t, o); r.Accounts != 550 || r.Unexpected != 500 {
		t.Errorf("check of a range half of which is there: %+v", r)
	}
}

func TestErrorsAreCountedByCode(t *testing.T) {
	_, o := start(t, func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1, 2, 3:
			_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"slow down"}`)
		case 4:
			http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
		case 5:
			_, _ = io.WriteString(w, `{"ActionStatus":"OK"`)
		case 6:
			panic(http.ErrAbortHandler)
		case 7:
			_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["x","y"]}`)
		default:
			return false
		}
		return true
	})
	o.Accounts = 1000
	got := mustRun(t, o)
	const command = "imclient: im_open_login_svc/multiaccount_import: "
	want := bench.Result{
		Command: bench.Import, Accounts: 398, Unexpected: 2, Calls: 10, Failed: 6,
		Errors: map[string]bench.ErrorCount{
			"60007":      {Calls: 3, Example: command + "60007 slow down"},
			"http_502":   {Calls: 1, Example: command + "HTTP status 502: not an answer of the API"},
			"malformed":  {Calls: 1, Example: command + "HTTP status 200: the body is not a reply: unexpected end of JSON input"},
			"connection": {Calls: 1, Example: command + "EOF"},
		},
	}
	if diff := cmp.Diff(want, counts(got)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if err := got.Err(); err == nil || !strings.Contains(err.Error(), "3 calls failed with 60007") || !strings.Contains(err.Error(), "2 accounts") {
		t.Errorf("Err: %v", err)
	}
	if text := got.String(); !strings.Contains(text, "http_502: 1 calls") || strings.Contains(text, "none") {
		t.Errorf("table:\n%s", text)
	}
}

func TestCheckLooksAtEveryAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		items string
		good  int64
	}{
		"none":           {``, 0},
		"one missing":    {`{"UserID":"{0}","AccountStatus":"Imported"}`, 1},
		"wrong order":    {`{"UserID":"{1}","AccountStatus":"Imported"},{"UserID":"{0}","AccountStatus":"Imported"}`, 0},
		"one too many":   {`{"UserID":"{0}","AccountStatus":"Imported"},{"UserID":"{1}","AccountStatus":"Imported"},{"UserID":"C"}`, 2},
		"one at fault":   {`{"UserID":"{0}","AccountStatus":"Imported","ResultCode":70402},{"UserID":"{1}","AccountStatus":"Imported"}`, 1},
		"strange status": {`{"UserID":"{0}","AccountStatus":"imported"},{"UserID":"{1}","AccountStatus":"Imported"}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ids := bench.Names(bench.DefaultPrefix, 0, 0, 2)
			items := strings.NewReplacer("{0}", ids[0], "{1}", ids[1]).Replace(tc.items)
			_, o := start(t, func(_ int, w http.ResponseWriter) bool {
				_, _ = fmt.Fprintf(w, `{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[%s]}`, items)
				return true
			})
			o.Command, o.Accounts = bench.Check, 2
			if r := mustRun(t, o); r.Accounts != tc.good || r.Unexpected != 2-tc.good {
				t.Errorf("%d good, %d unexpected, want %d good of 2", r.Accounts, r.Unexpected, tc.good)
			}
		})
	}
}

// fakeAPI answers imports as import does.
type fakeAPI struct {
	imported func(ctx context.Context, n int64) error
	calls    atomic.Int64
}

func (f *fakeAPI) MultiAccountImport(ctx context.Context, _ imclient.ImportRequest) (imclient.ImportReply, error) {
	return imclient.ImportReply{}, f.imported(ctx, f.calls.Add(1))
}

func (f *fakeAPI) AccountCheck(context.Context, []string) ([]imclient.Checked, error) {
	return nil, errors.New("not asked for")
}

// stall is a service that takes a second for the first call and a millisecond for each
// that follows.
func stall(_ context.Context, n int64) error {
	if n == 1 {
		time.Sleep(time.Second)
	} else {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// within reports whether the histogram's three digits can make want into got.
func within(got, want time.Duration) bool {
	return got >= want-want/500 && got <= want+want/500
}

func TestOpenLoopCountsFromThePlannedInstant(t *testing.T) {
	for _, tc := range []struct {
		name        string
		concurrency int
		p50, max    time.Duration
		took        time.Duration
	}{
		// The calls planned for 100 ms, 200 ms, … start once the first is answered, at
		// 1 s, 1.001 s, …, so the latencies are 1000, 901, 802, … 109, 10 and nine times 1 ms.
		{"one worker", 1, 10 * time.Millisecond, time.Second, 1901 * time.Millisecond},
		// Only the first call is slow; all others start on time.
		{"enough workers", 0, time.Millisecond, time.Second, 1901 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bench.Options{Command: bench.Import, Accounts: 2000, Rate: 10, Concurrency: tc.concurrency}
				r, err := bench.RunWith(t.Context(), o, &fakeAPI{imported: stall})
				if err != nil {
					t.Fatal(err)
				}
				if !within(r.Latency.P50, tc.p50) || !within(r.Latency.Max, tc.max) {
					t.Errorf("latency %+v, want p50 %v, max %v", r.Latency, tc.p50, tc.max)
				}
				if r.Duration != tc.took || r.Calls != 20 || r.Accounts != 2000 {
					t.Errorf("%d calls in %v, want 20 in %v", r.Calls, r.Duration, tc.took)
				}
			})
		})
	}
}

func TestClosedLoopCountsFromTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := bench.Options{Command: bench.Import, Accounts: 2000, Concurrency: 1}
		r, err := bench.RunWith(t.Context(), o, &fakeAPI{imported: stall})
		if err != nil {
			t.Fatal(err)
		}
		if !within(r.Latency.P50, time.Millisecond) || !within(r.Latency.Max, time.Second) || r.Duration != 1019*time.Millisecond {
			t.Errorf("latency %+v in %v", r.Latency, r.Duration)
		}
		if r.CallsPerSecond < 19.6 || r.CallsPerSecond > 19.7 || r.AccountsPerSecond < 1960 || r.AccountsPerSecond > 1970 {
			t.Errorf("%v calls/s, %v accounts/s", r.CallsPerSecond, r.AccountsPerSecond)
		}
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []bench.Progress
		o := bench.Options{
			Command: bench.Import, Accounts: 1000, Batch: 10, Concurrency: 1,
			Progress: func(p bench.Progress) { seen = append(seen, p) },
		}
		api := &fakeAPI{imported: func(_ context.Context, n int64) error {
			time.Sleep(9 * time.Millisecond)
			if n%2 == 0 {
				return errors.New("broken")
			}
			return nil
		}}
		if _, err := bench.RunWith(t.Context(), o, api); err != nil {
			t.Fatal(err)
		}
		want := []bench.Progress{
			{Accounts: 140, Total: 1000, Calls: 27, Failed: 13, Elapsed: 250 * time.Millisecond},
			{Accounts: 280, Total: 1000, Calls: 55, Failed: 27, Elapsed: 500 * time.Millisecond},
			{Accounts: 420, Total: 1000, Calls: 83, Failed: 41, Elapsed: 750 * time.Millisecond},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

// TestCancel holds that what is under way when the run is given up counts as nothing,
// whether the run waits for an answer or for a planned instant.
func TestCancel(t *testing.T) {
	for name, rate := range map[string]float64{"closed loop": 0, "open loop": 0.001} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				api := &fakeAPI{imported: func(ctx context.Context, n int64) error {
					if n == 1 {
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}}
				r, err := bench.RunWith(ctx, bench.Options{Command: bench.Import, Accounts: 1000, Concurrency: 2, Rate: rate, Reimport: true}, api)
				if !errors.Is(err, context.DeadlineExceeded) || r.Calls != 1 || r.Failed != 0 || r.Duration != time.Minute || r.Reimport != nil {
					t.Errorf("%+v, %v", r, err)
				}
			})
		})
	}
}

func TestTimeoutsAreErrors(t *testing.T) {
	api := &fakeAPI{imported: func(context.Context, int64) error {
		return fmt.Errorf("imclient: %w", context.DeadlineExceeded)
	}}
	r, err := bench.RunWith(t.Context(), bench.Options{Command: bench.Import, Accounts: 10}, api)
	if err != nil || r.Errors["timeout"].Calls != 1 || r.Accounts != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestValidate(t *testing.T) {
	_, good := start(t, nil)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := bench.Options{
		Command: "login", Accounts: -1, From: -1, Batch: 101, Concurrency: -1, Rate: -1,
		Prefix: "a name that is too long", Reimport: true, Absent: true,
	}
	err := bad.Validate()
	for _, want := range []string{"command", "number of accounts", "first account", "batch", "concurrency", "rate", "re-import", "absent", "prefix"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault names the %s: %v", want, err)
		}
	}
	if _, err := bench.Run(t.Context(), bad); err == nil {
		t.Error("Run took it")
	}
	good.Key = ""
	if _, err := bench.Run(t.Context(), good); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("without a Key: %v", err)
	}
}

func TestResultTable(t *testing.T) {
	r := bench.Result{
		Command: bench.Import, Accounts: 1234567, Calls: 12346, Rate: 200, Duration: 1500 * time.Millisecond,
		AccountsPerSecond: 823044.67, CallsPerSecond: 8230.67,
		Latency:  bench.Latency{P50: 1234 * time.Microsecond, P99: 9 * time.Millisecond, P999: 10 * time.Millisecond, Max: time.Second},
		Reimport: &bench.Result{Command: bench.Import, Accounts: 100, Calls: 1, Duration: time.Second, AccountsPerSecond: 100, CallsPerSecond: 1},
	}
	want := `import: 1,234,567 accounts in 12,346 calls, 1.50 s (open loop, 200 calls/s planned)
  throughput  823,044 accounts/s  8,230 calls/s
  latency     p50 1.23 ms  p99 9.00 ms  p99.9 10.00 ms  max 1000.00 ms
  errors      none
re-import: 100 accounts in 1 calls, 1.00 s (closed loop)
  throughput  100 accounts/s  1 calls/s
  latency     p50 0.00 ms  p99 0.00 ms  p99.9 0.00 ms  max 0.00 ms
  errors      none
`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
