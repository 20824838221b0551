package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/cli"
)

// fakeAPI answers like the REST API: accounts that begin with "no" are not there.
type fakeAPI struct {
	before func(ctx context.Context, n int) // is called with the number of each call before it is answered
	refuse string                           // the fields of every answer, if it is not empty
	mangle func(items []string) []string
	hosted bool // it is not Muster

	mu    sync.Mutex
	calls [][]string // the names of each call
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		UserID                string
		CheckItem, DeleteItem []struct{ UserID string }
		Accounts              []string `json:"To_Account"`
		UserIDs               []string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	names := slices.Concat(body.Accounts, body.UserIDs)
	for _, item := range slices.Concat(body.CheckItem, body.DeleteItem) {
		names = append(names, item.UserID)
	}
	if body.UserID != "" {
		names = append(names, body.UserID)
	}
	f.mu.Lock()
	f.calls = append(f.calls, names)
	n := len(f.calls)
	f.mu.Unlock()
	if f.before != nil {
		f.before(r.Context(), n)
	}
	_, _ = io.WriteString(w, f.answer(path.Base(r.URL.Path), names))
}

func (f *fakeAPI) answer(command string, names []string) string {
	const good = `"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0`
	var items, faults []string
	for _, id := range names {
		absent := strings.HasPrefix(id, "no")
		switch {
		case command == "account_check" && absent:
			items = append(items, fmt.Sprintf(`{"UserID":%q,"ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}`, id))
		case command == "account_check":
			items = append(items, fmt.Sprintf(`{"UserID":%q,"ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}`, id))
		case command == "query_online_status" && absent:
			faults = append(faults, fmt.Sprintf(`{"To_Account":%q,"ErrorCode":70107}`, id))
		case command == "query_online_status":
			items = append(items, fmt.Sprintf(`{"To_Account":%q,"Status":"Online","CustomStatus":"at lunch","Detail":[`+
				`{"Platform":"Web","Status":"Online","Instid":"w1"},{"Platform":"iPhone","Status":"PushOnline","Instid":"i1"}]}`, id))
		case absent:
			items = append(items, fmt.Sprintf(`{"UserID":%q,"ResultCode":70107,"ResultInfo":"not\tthere"}`, id))
		default:
			items = append(items, fmt.Sprintf(`{"UserID":%q,"ResultCode":0,"ResultInfo":""}`, id))
		}
	}
	if f.mangle != nil {
		items = f.mangle(items)
	}
	switch {
	case f.refuse != "":
		return "{" + f.refuse + "}"
	case f.hosted && command == "multi_kick":
		return `{"ActionStatus":"FAIL","ErrorInfo":"no such command","ErrorCode":60009}`
	case command == "multi_kick" && len(names) == 0:
		return `{"ActionStatus":"FAIL","ErrorInfo":"UserIDs is empty","ErrorCode":70402}`
	case command == "kick" && strings.HasPrefix(names[0], "no"):
		return `{"ActionStatus":"FAIL","ErrorInfo":"not there","ErrorCode":70107}`
	case command == "kick":
		return "{" + good + "}"
	case command == "query_online_status":
		return fmt.Sprintf(`{%s,"QueryResult":[%s],"ErrorList":[%s]}`, good, strings.Join(items, ","), strings.Join(faults, ","))
	}
	return fmt.Sprintf(`{%s,"ResultItem":[%s]}`, good, strings.Join(items, ","))
}

const fakeKey = "0123456789abcdef"

// on runs a command against the fake.
func (f *fakeAPI) on(ctx context.Context, t *testing.T, in io.Reader, args ...string) (status int, out, errs string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	args = slices.Insert(args, 1, "--url="+server.URL, "--sdkappid=7", "--key="+fakeKey, "--rate=0")
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, args, cli.Streams{In: in, Out: &stdout, Err: &stderr})
	if strings.Contains(stdout.String()+stderr.String(), fakeKey) {
		t.Error("the Key was printed")
	}
	return status, stdout.String(), stderr.String()
}

// Every name must be asked for once, in calls of the API's limit, and answered in order,
// however many calls are under way.
func TestEachBatches(t *testing.T) {
	var file, want strings.Builder
	for i := range 1234 {
		fmt.Fprintf(&file, "a%d\n", i)
		fmt.Fprintf(&want, "a%d ", i)
	}
	for _, tt := range []struct {
		command string
		hosted  bool
		limit   int
	}{{"check", false, 100}, {"delete", false, 100}, {"kick", false, 100}, {"kick", true, 1}, {"status", false, 500}} {
		t.Run(fmt.Sprintf("%s/hosted=%t", tt.command, tt.hosted), func(t *testing.T) {
			f := &fakeAPI{hosted: tt.hosted}
			args := []string{tt.command, "--file=-", "--json", "--concurrency=7"}
			if tt.command == "delete" {
				args = append(args, "--yes")
			}
			status, out, errs := f.on(t.Context(), t, strings.NewReader(file.String()), args...)
			if status != cli.ExitOK || !strings.HasPrefix(errs, "1234 accounts: ") {
				t.Fatalf("exit status %d, %s", status, errs)
			}
			var got strings.Builder
			for line := range strings.Lines(out) {
				var answer struct{ UserID string }
				if err := json.Unmarshal([]byte(line), &answer); err != nil {
					t.Fatal(err)
				}
				got.WriteString(answer.UserID + " ")
			}
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			names, full := 0, 0
			for _, c := range f.calls {
				names += len(c)
				if len(c) == tt.limit {
					full++
				}
			}
			if names != 1234 || full != 1234/tt.limit {
				t.Errorf("%d names were sent, %d calls were full", names, full)
			}
		})
	}
}

// The first call goes alone; then as many are under way as was asked for.
func TestEachConcurrency(t *testing.T) {
	const at = 5
	var together sync.WaitGroup
	together.Add(at)
	f := &fakeAPI{hosted: true, before: func(_ context.Context, n int) {
		if n > 2 && n <= 2+at { // the first asks for multi_kick
			together.Done()
			together.Wait() // for ever, unless the others come too
		}
	}}
	args := []string{"kick", "--concurrency=5", "a", "b", "c", "d", "e", "f", "g"}
	status, out, errs := f.on(t.Context(), t, nil, args...)
	if status != cli.ExitOK {
		t.Errorf("exit status %d, %s", status, errs)
	}
	want := "UserID  Result\na       kicked\nb       kicked\nc       kicked\nd       kicked\ne       kicked\nf       kicked\ng       kicked\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// A refusal that concerns every call must end the command, after one call if it is the
// first.
func TestEachRefused(t *testing.T) {
	f := &fakeAPI{refuse: `"ActionStatus":"FAIL","ErrorInfo":"bad mac","ErrorCode":70009`}
	names := strings.Repeat("a\n", 700)
	for _, command := range []string{"check", "kick", "status"} {
		t.Run(command, func(t *testing.T) {
			f.calls = nil
			status, out, errs := f.on(t.Context(), t, strings.NewReader(names), command, "--file=-")
			if status != cli.ExitFailure || out != "" {
				t.Errorf("exit status %d, %s", status, out)
			}
			wants := []string{"70009 bad mac\n", "muster: sign with the Key of this App\n"}
			if command != "kick" { // which asks first what the service is able to do
				wants = append(wants, "not answered\n")
			}
			for _, want := range wants {
				if !strings.Contains(errs, want) {
					t.Errorf("it does not say %q: %s", want, errs)
				}
			}
			if len(f.calls) != 1 {
				t.Errorf("%d calls were made", len(f.calls))
			}
		})
	}
}

func TestEachOutput(t *testing.T) {
	mixed := []string{"ann", "nobody", "jo<e>"}
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		out    string
		errs   string
	}{
		{
			name: "check", args: []string{"check"}, status: cli.ExitOK,
			out:  "UserID  Status       Error\nann     Imported\nnobody  NotImported\njo<e>   Imported\n",
			errs: "3 accounts: 2 Imported, 1 NotImported\n",
		},
		{
			name: "delete", args: []string{"delete"}, status: cli.ExitFailure,
			out:  "UserID  Result\nann     deleted\nnobody  \"70107 not\\tthere\"\njo<e>   deleted\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\nmuster: 3 accounts: 2 deleted, 1 failed\n",
		},
		{
			name: "delete as JSON", args: []string{"delete", "--json"}, status: cli.ExitFailure,
			out: `{"UserID":"ann","ResultCode":0,"ResultInfo":""}` + "\n" +
				`{"UserID":"nobody","ResultCode":70107,"ResultInfo":"not\tthere"}` + "\n" +
				`{"UserID":"jo<e>","ResultCode":0,"ResultInfo":""}` + "\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\nmuster: 3 accounts: 2 deleted, 1 failed\n",
		},
		{
			name: "kick", args: []string{"kick"}, status: cli.ExitFailure,
			out:  "UserID  Result\nann     kicked\nnobody  \"70107 not\\tthere\"\njo<e>   kicked\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\nmuster: 3 accounts: 2 kicked, 1 failed\n",
		},
		{
			name: "status", args: []string{"status"}, status: cli.ExitFailure,
			out: "UserID  Status  Error\nann     Online\n" +
				"nobody          70107 Err_TLS_PT_Open_Login_Account_Not_Exist\njo<e>   Online\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\n" +
				"muster: 3 accounts: 2 Online, 0 PushOnline, 0 Offline, 1 failed\n",
		},
		{
			name: "status with detail", args: []string{"status", "--detail"}, status: cli.ExitFailure,
			out: "UserID  Status  Platform  PlatformStatus  Error\n" +
				"ann     Online  Web       Online\nann     Online  iPhone    PushOnline\n" +
				"nobody                                    70107 Err_TLS_PT_Open_Login_Account_Not_Exist\n" +
				"jo<e>   Online  Web       Online\njo<e>   Online  iPhone    PushOnline\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\n" +
				"muster: 3 accounts: 2 Online, 0 PushOnline, 0 Offline, 1 failed\n",
		},
		{
			name: "status with instances and custom status", args: []string{"status", "--instances", "--custom-status"}, status: cli.ExitFailure,
			out: "UserID  Status  CustomStatus  Platform  Instance  InstanceStatus  Error\n" +
				"ann     Online  at lunch      Web       w1        Online\nann     Online  at lunch      iPhone    i1        PushOnline\n" +
				"nobody                                                            70107 Err_TLS_PT_Open_Login_Account_Not_Exist\n" +
				"jo<e>   Online  at lunch      Web       w1        Online\njo<e>   Online  at lunch      iPhone    i1        PushOnline\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\n" +
				"muster: 3 accounts: 2 Online, 0 PushOnline, 0 Offline, 1 failed\n",
		},
		{
			name: "status as JSON", args: []string{"status", "--json", "--instances", "--custom-status"}, status: cli.ExitFailure,
			out: `{"UserID":"ann","ResultCode":0,"ResultInfo":"","Status":"Online","CustomStatus":"at lunch","Detail":[` +
				`{"Platform":"Web","Status":"Online","Instid":"w1"},{"Platform":"iPhone","Status":"PushOnline","Instid":"i1"}]}` + "\n" +
				`{"UserID":"nobody","ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist"}` + "\n" +
				`{"UserID":"jo<e>","ResultCode":0,"ResultInfo":"","Status":"Online","CustomStatus":"at lunch","Detail":[` +
				`{"Platform":"Web","Status":"Online","Instid":"w1"},{"Platform":"iPhone","Status":"PushOnline","Instid":"i1"}]}` + "\n",
			errs: "muster: 70107 (1 of the accounts): the account is not imported\n" +
				"muster: 3 accounts: 2 Online, 0 PushOnline, 0 Offline, 1 failed\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := new(fakeAPI).on(t.Context(), t, nil, append(tt.args, mixed...)...)
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			if diff := cmp.Diff(tt.out, out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.errs, errs); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
		})
	}
}

// Columns grow with what comes, batch by batch.
func TestEachColumnsGrow(t *testing.T) {
	in := strings.NewReader(strings.Repeat("ann\n", 100) + "annabel\n")
	status, out, errs := new(fakeAPI).on(t.Context(), t, in, "delete", "--yes", "--file=-")
	want := "UserID  Result\n" + strings.Repeat("ann     deleted\n", 100) + "annabel  deleted\n"
	if status != cli.ExitOK || out != want {
		t.Errorf("exit status %d, %s%s", status, out, errs)
	}
}

// A service may answer in another order, but must not leave an account out.
func TestEachReplies(t *testing.T) {
	f := &fakeAPI{mangle: func(items []string) []string {
		slices.Reverse(items)
		return items
	}}
	status, out, errs := f.on(t.Context(), t, nil, "check", "ann", "nobody")
	if want := "UserID  Status       Error\nann     Imported\nnobody  NotImported\n"; status != cli.ExitOK || out != want {
		t.Errorf("exit status %d, %s%s", status, out, errs)
	}
	f.mangle = func(items []string) []string { return items[:1] }
	status, out, errs = f.on(t.Context(), t, nil, "check", "ann", "nobody")
	if status != cli.ExitFailure || out != "" || !strings.Contains(errs, "does not have nobody") {
		t.Errorf("exit status %d, %s%s", status, out, errs)
	}
}

// What cannot be sent as it is given is not sent at all.
func TestEachBadNames(t *testing.T) {
	f := &fakeAPI{}
	status, _, errs := f.on(t.Context(), t, nil, "check", "ann", "b\xffb", "", "nobody")
	want := "muster: argument 2: 70402 the UserID is not UTF-8\nmuster: argument 3: 70402 the UserID is empty\n" +
		"muster: 2 accounts: 1 Imported, 1 NotImported, 2 rejected\n"
	if status != cli.ExitFailure || errs != want {
		t.Errorf("exit status %d, %s", status, errs)
	}
	if diff := cmp.Diff([][]string{{"ann", "nobody"}}, f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// An interrupt lets the calls under way end, and says what is done.
func TestEachInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeAPI{before: func(_ context.Context, n int) {
		if n == 3 {
			cancel()
		}
	}}
	in := strings.NewReader(strings.Repeat("ann\n", 10_000))
	status, out, errs := f.on(ctx, t, in, "check", "--file=-", "--concurrency=1")
	if status != cli.ExitFailure || strings.Count(out, "\n") != 1+300 {
		t.Errorf("exit status %d, %d lines", status, strings.Count(out, "\n"))
	}
	want := "muster: interrupted\nmuster: stdin is done up to line 300\nmuster: 300 accounts: 300 Imported, 0 NotImported\n"
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
}

// A call that hangs may do so for one more time-out.
func TestEachInterruptedHanging(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeAPI{before: func(call context.Context, _ int) {
		cancel()
		<-call.Done()
	}}
	status, out, errs := f.on(ctx, t, nil, "delete", "--timeout=50ms", "ann", "bob")
	if status != cli.ExitFailure || out != "" {
		t.Errorf("exit status %d, %s", status, out)
	}
	for _, want := range []string{"muster: interrupted\n", "muster: 0 accounts: 0 deleted, 2 not answered\n"} {
		if !strings.Contains(errs, want) {
			t.Errorf("it does not say %q: %s", want, errs)
		}
	}
}

// Nor may an input that does not come hold up an interrupt.
func TestEachInterruptedReading(t *testing.T) {
	in, never := io.Pipe()
	defer never.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(never, "ann\n") // returns once it is read
		cancel()
	}()
	status, _, errs := new(fakeAPI).on(ctx, t, in, "check", "--file=-")
	if status != cli.ExitFailure || !strings.Contains(errs, "muster: interrupted\n") {
		t.Errorf("exit status %d, %s", status, errs)
	}
}
