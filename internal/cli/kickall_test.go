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
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/cli"
)

// fakeMuster is a fakeAPI that has accounts, which it exports.
type fakeMuster struct {
	fakeAPI
	accounts []string // in order
	exports  int
}

func (f *fakeMuster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Base(r.URL.Path) != "bulk_export" {
		f.fakeAPI.ServeHTTP(w, r)
		return
	}
	if f.hosted {
		_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorInfo":"no such command","ErrorCode":60009}`)
		return
	}
	var body struct {
		After string
		Limit int
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.exports++
	at, found := slices.BinarySearch(f.accounts, body.After)
	if found {
		at++
	}
	rows := f.accounts[at:min(at+body.Limit, len(f.accounts))]
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, id := range rows {
		_, _ = fmt.Fprintf(w, "{\"UserID\":%q,\"TinyID\":\"7\",\"Created\":1}\n", id)
	}
	_, _ = fmt.Fprintf(w, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"Rows\":%d}\n", len(rows))
}

// kickAll runs muster kick --all against the fake.
func (f *fakeMuster) kickAll(ctx context.Context, t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	args = append([]string{"kick", "--all", "--url=" + server.URL, "--sdkappid=7", "--key=" + fakeKey, "--rate=0", "--admin=boss"}, args...)
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, args, cli.Streams{In: strings.NewReader("yes\n"), Out: &stdout, Err: &stderr})
	return status, stdout.String(), stderr.String()
}

// kicks returns the names that were kicked, sorted; what asks whether the service is there
// names the admin alone.
func (f *fakeMuster) kicks() []string {
	var all []string
	for _, names := range f.calls {
		if !slices.Equal(names, []string{"boss"}) {
			all = append(all, names...)
		}
	}
	slices.Sort(all)
	return all
}

// someAccounts returns n names in order, one of which is the admin's.
func someAccounts(n int) []string {
	names := []string{"boss"}
	for i := 1; i < n; i++ {
		names = append(names, fmt.Sprintf("a%06d", i))
	}
	slices.Sort(names)
	return names
}

type kickSummary struct {
	Kicked, Gone, Failed int
	Last                 string
	Finished             bool
}

func parseSummary(t *testing.T, out string) kickSummary {
	t.Helper()
	var s kickSummary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return s
}

func TestKickAll(t *testing.T) {
	accounts := someAccounts(20_001)
	f := &fakeMuster{accounts: accounts}
	status, out, errs := f.kickAll(t.Context(), t, "--yes", "--json", "--concurrency=5")
	if status != cli.ExitOK || errs != "" {
		t.Fatalf("exit status %d, %s", status, errs)
	}
	want := kickSummary{Kicked: 20_000, Last: "a020000", Finished: true}
	if diff := cmp.Diff(want, parseSummary(t, out)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	everybody := slices.DeleteFunc(slices.Clone(accounts), func(id string) bool { return id == "boss" })
	if !slices.Equal(f.kicks(), everybody) {
		t.Errorf("%d names were kicked, want each but the admin's once", len(f.kicks()))
	}
	if full := slices.IndexFunc(f.calls[1:], func(names []string) bool { return len(names) != 100 }); full >= 0 {
		t.Errorf("call %d has %d names", full, len(f.calls[1+full]))
	}
	if f.exports != 4 { // 10,000 names, 10,000 names, 1, none
		t.Errorf("%d exports", f.exports)
	}
}

func TestKickAllOutput(t *testing.T) {
	f := &fakeMuster{accounts: []string{"ann", "bob", "boss", "cid", "nobody", "zoe"}}
	status, out, errs := f.kickAll(t.Context(), t, "--yes")
	if status != cli.ExitOK || errs != "" || !strings.HasPrefix(out, "4 accounts kicked in ") || !strings.HasSuffix(out, "s, 1 gone meanwhile\n") {
		t.Errorf("exit status %d, %s%s", status, out, errs)
	}
	f.calls = nil
	status, _, errs = f.kickAll(t.Context(), t, "--yes", "--after=bob")
	if want := []string{"cid", "nobody", "zoe"}; status != cli.ExitOK || !slices.Equal(f.kicks(), want) {
		t.Errorf("exit status %d, %s; kicked %q", status, errs, f.kicks())
	}
	status, out, errs = (&fakeMuster{accounts: []string{"boss"}}).kickAll(t.Context(), t, "--yes")
	if status != cli.ExitOK || !strings.HasPrefix(out, "0 accounts kicked in ") {
		t.Errorf("of an App with nobody but the admin: exit status %d, %s%s", status, out, errs)
	}
	status, out, errs = new(fakeMuster).kickAll(t.Context(), t, "--yes", "--json", "--after=zoe")
	if want := (kickSummary{Last: "zoe", Finished: true}); status != cli.ExitOK || parseSummary(t, out) != want {
		t.Errorf("behind everybody: exit status %d, %s%s", status, out, errs)
	}
}

// Nobody is kicked unless it is meant, and possible.
func TestKickAllRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		hosted bool
		refuse string
		status int
		errs   string // a part
	}{
		{
			name: "not confirmed", status: cli.ExitUsage,
			errs: "muster: kicking all accounts must be confirmed\nmuster: give --yes if that is meant; there is no terminal to ask on\n",
		},
		{name: "a name too", args: []string{"--yes", "ann"}, status: cli.ExitUsage, errs: "muster: accounts are named, and --all means all of them\n"},
		{name: "a file too", args: []string{"--yes", "--file=x"}, status: cli.ExitUsage, errs: "muster: accounts are named, and --all means all of them\n"},
		{name: "concurrency", args: []string{"--yes", "--concurrency=0"}, status: cli.ExitUsage, errs: "muster: --concurrency must be 1 to 4096\n"},
		{name: "another service", args: []string{"--yes"}, hosted: true, status: cli.ExitFailure, errs: "muster: --all works with Muster only; "},
		{name: "another Key", args: []string{"--yes"}, refuse: `"ActionStatus":"FAIL","ErrorInfo":"bad mac","ErrorCode":70009`, status: cli.ExitFailure, errs: "sign with the Key of this App"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeMuster{accounts: []string{"ann", "bob"}}
			f.hosted, f.refuse = tt.hosted, tt.refuse
			status, out, errs := f.kickAll(t.Context(), t, tt.args...)
			if status != tt.status || out != "" || !strings.Contains(errs, tt.errs) {
				t.Errorf("exit status %d, %s%s", status, out, errs)
			}
			if len(f.kicks()) > 0 {
				t.Errorf("kicked %q", f.kicks())
			}
		})
	}
	if status, _, errs := run(t.Context(), "", "kick", "--sdkappid=7", "--key="+fakeKey, "--after=a", "b"); status != cli.ExitUsage || !strings.Contains(errs, "--after needs --all") {
		t.Errorf("--after without --all: exit status %d, %s", status, errs)
	}
}

// An older Muster exports and does not know multi_kick: that is told before anybody is kicked.
func TestKickAllOlderMuster(t *testing.T) {
	f := &fakeMuster{accounts: []string{"it's", "zoe"}}
	f.before = func(context.Context, int) { f.hosted = true } // once it was asked whether it is there
	status, _, errs := f.kickAll(t.Context(), t, "--yes")
	if status != cli.ExitFailure || !strings.Contains(errs, "--all works with Muster only") {
		t.Errorf("exit status %d, %s", status, errs)
	}
}

// What stopped can be gone on with, and then nobody is left out, however it stopped.
func TestKickAllStopped(t *testing.T) {
	accounts := append(someAccounts(12_000), "it's", "zoe")
	for name, stop := range map[string]func(f *fakeMuster, cancel func()){
		"interrupted": func(_ *fakeMuster, cancel func()) { cancel() },
		"refused": func(f *fakeMuster, _ func()) {
			f.refuse = `"ActionStatus":"FAIL","ErrorInfo":"disabled","ErrorCode":60016`
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			f := &fakeMuster{accounts: accounts}
			f.before = func(_ context.Context, n int) {
				if n == 60 {
					stop(f, cancel)
				}
			}
			status, out, errs := f.kickAll(ctx, t, "--yes", "--json", "--concurrency=1")
			done := parseSummary(t, out)
			hint := "muster: to go on, give the same command with --after='" + done.Last + "'\n"
			if status != cli.ExitStopped || done.Finished || !strings.Contains(errs, hint) {
				t.Fatalf("exit status %d, %+v, %s", status, done, errs)
			}
			if done.Kicked < 5000 || done.Kicked > 7000 {
				t.Errorf("it stopped behind %d", done.Kicked)
			}
			f.before, f.refuse = nil, ""
			if status, _, errs = f.kickAll(t.Context(), t, "--yes", "--after="+done.Last); status != cli.ExitOK {
				t.Fatalf("exit status %d, %s", status, errs)
			}
			want := slices.DeleteFunc(slices.Clone(accounts), func(id string) bool { return id == "boss" })
			if got := slices.Compact(f.kicks()); !slices.Equal(got, want) {
				t.Errorf("%d accounts were kicked, want %d", len(got), len(want))
			}
		})
	}
}

// The hint can be pasted into a shell, whatever the name.
func TestKickAllHintIsQuoted(t *testing.T) {
	f := &fakeMuster{accounts: someAccounts(201)[:101]}
	f.accounts[99] = "it's"
	f.before = func(_ context.Context, n int) {
		if n == 3 {
			f.refuse = `"ActionStatus":"FAIL","ErrorInfo":"disabled","ErrorCode":60016`
		}
	}
	f.accounts = append(f.accounts[:100], "zoe")
	if _, _, errs := f.kickAll(t.Context(), t, "--yes", "--concurrency=1"); !strings.Contains(errs, `--after='it'\''s'`) {
		t.Errorf("it says %s", errs)
	}
}
