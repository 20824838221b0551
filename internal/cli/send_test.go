package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/cli"
)

// sendCall is a call that a fakeSend got.
type sendCall struct {
	Command string
	To      any             `json:"To_Account"`
	From    string          `json:"From_Account"`
	Life    *int            `json:"MsgLifeTime"`
	Body    json.RawMessage `json:"MsgBody"`
	Seq     uint32          `json:"MsgSeq"`
	Random  uint32          `json:"MsgRandom"`
}

// fakeSend takes messages. Accounts that begin with "no" are not there.
type fakeSend struct {
	refuse string // the fields of every answer, if it is not empty
	bare   bool   // it does not say of each account that nobody got the message
	calls  []sendCall
}

func (f *fakeSend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := sendCall{Command: path.Base(r.URL.Path)}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.calls = append(f.calls, call)
	_, _ = io.WriteString(w, "{"+f.answer(call)+"}")
}

func (f *fakeSend) answer(c sendCall) string {
	const nobody = `"ActionStatus":"FAIL","ErrorCode":90012,"ErrorInfo":"invalid To_Account"`
	if f.refuse != "" {
		return f.refuse
	}
	if name, one := c.To.(string); one {
		if strings.HasPrefix(name, "no") {
			return nobody
		}
		return `"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","MsgTime":1700000000,"MsgKey":"1_2_3"`
	}
	all, _ := c.To.([]any)
	var faults []string
	for _, name := range all {
		if strings.HasPrefix(name.(string), "no") {
			faults = append(faults, fmt.Sprintf(`{"To_Account":%q,"ErrorCode":70107}`, name))
		}
	}
	list := `,"ErrorList":[` + strings.Join(faults, ",") + "]"
	switch {
	case len(faults) == len(all) && f.bare:
		return nobody
	case len(faults) == len(all):
		return nobody + list
	case len(faults) > 0:
		return `"ActionStatus":"SomeError","ErrorCode":0,"ErrorInfo":"","MsgKey":"1_2_3"` + list
	}
	return `"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","MsgKey":"1_2_3"`
}

func (f *fakeSend) run(ctx context.Context, t *testing.T, in string, args ...string) (status int, out, errs string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	var stdout, stderr strings.Builder
	args = append([]string{"send", "--url=" + server.URL, "--sdkappid=7", "--key=" + fakeKey, "--rate=0"}, args...)
	status = cli.Run(ctx, args, cli.Streams{In: strings.NewReader(in), Out: &stdout, Err: &stderr})
	return status, stdout.String(), stderr.String()
}

func TestSend(t *testing.T) {
	const text = `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]`
	many := func(n int) (names string, list []any) {
		for i := range n {
			names += fmt.Sprintf("n%d\n", i)
			list = append(list, fmt.Sprintf("n%d", i))
		}
		return names, list
	}
	names, list := many(700)
	minute, zero := 60, 0
	for _, tc := range []struct {
		name, in string
		args     []string
		bare     bool
		calls    []sendCall
		status   int
		out      string // without the table's header
		errs     string
	}{
		{
			name: "one", args: []string{"--to", "ann", "--from", "bob", "--life", "1m", "hi"},
			calls: []sendCall{{Command: "sendmsg", To: "ann", From: "bob", Life: &minute, Body: json.RawMessage(text)}},
			out:   "ann     1_2_3   sent\n", errs: "1 account: 1 sent\n",
		},
		{
			name: "two", args: []string{"--to", "ann", "--to", "nobody", "hi"},
			calls:  []sendCall{{Command: "batchsendmsg", To: []any{"ann", "nobody"}, Body: json.RawMessage(text)}},
			status: 1,
			out:    "ann     1_2_3   sent\nnobody          70107 Err_TLS_PT_Open_Login_Account_Not_Exist\n",
			errs:   "muster: 70107 (1 of the accounts): the account is not imported\nmuster: 2 accounts: 1 sent, 1 failed\n",
		},
		{
			name: "one of them not there", args: []string{"--to", "nobody", "hi"}, status: 1,
			calls: []sendCall{{Command: "sendmsg", To: "nobody", Body: json.RawMessage(text)}},
			out:   "nobody          90012 invalid To_Account\n",
			errs:  "muster: 90012 (1 of the accounts): message: import the account first\nmuster: 1 account: 0 sent, 1 failed\n",
		},
		{
			name: "nobody there", args: []string{"--json", "--to", "no1", "--to", "no2", "hi"}, status: 1,
			calls: []sendCall{{Command: "batchsendmsg", To: []any{"no1", "no2"}, Body: json.RawMessage(text)}},
			out: `{"UserID":"no1","ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist"}` + "\n" +
				`{"UserID":"no2","ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist"}` + "\n",
			errs: "muster: 70107 (2 of the accounts): the account is not imported\nmuster: 2 accounts: 0 sent, 2 failed\n",
		},
		{
			name: "nobody there, hosted", bare: true, args: []string{"--json", "--to", "no1", "--to", "no2", "hi"}, status: 1,
			calls: []sendCall{{Command: "batchsendmsg", To: []any{"no1", "no2"}, Body: json.RawMessage(text)}},
			out: `{"UserID":"no1","ResultCode":90012,"ResultInfo":"invalid To_Account"}` + "\n" +
				`{"UserID":"no2","ResultCode":90012,"ResultInfo":"invalid To_Account"}` + "\n",
			errs: "muster: 90012 (2 of the accounts): message: import the account first\nmuster: 2 accounts: 0 sent, 2 failed\n",
		},
		{
			name: "text of standard input, and the App's own", in: "a\n\nb\n", args: []string{"--to", "a,b", "--json", "--online-only", "--custom", `{"n":1}`, "-"},
			calls: []sendCall{{Command: "sendmsg", To: "a,b", Life: &zero, Body: json.RawMessage(
				`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a\n\nb"}},{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\"n\":1}"}}]`)}},
			out: `{"UserID":"a,b","ResultCode":0,"ResultInfo":"","MsgKey":"1_2_3"}` + "\n", errs: "1 account: 1 sent\n",
		},
		{
			name: "a file of many", in: names, args: []string{"--file", "-", "--custom", `7`},
			calls: []sendCall{
				{Command: "batchsendmsg", To: list[:500], Body: json.RawMessage(`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"7"}}]`)},
				{Command: "batchsendmsg", To: list[500:], Body: json.RawMessage(`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"7"}}]`)},
			},
			errs: "700 accounts: 700 sent\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fakeSend{bare: tc.bare}
			status, out, errs := f.run(t.Context(), t, tc.in, tc.args...)
			if strings.HasPrefix(out, "UserID ") {
				_, out, _ = strings.Cut(out, "\n")
			}
			if len(tc.calls) > 1 {
				out = "" // is that of all accounts
			}
			if status != tc.status || out != tc.out || errs != tc.errs {
				t.Errorf("status %d, want %d; printed:\n%s%s\nwant:\n%s%s", status, tc.status, out, errs, tc.out, tc.errs)
			}
			for i := range f.calls {
				if c := &f.calls[i]; c.Seq == 0 || c.Random == 0 || c.Seq != f.calls[0].Seq || c.Random != f.calls[0].Random {
					t.Errorf("call %d has the numbers %d and %d", i, c.Seq, c.Random)
				}
			}
			for i := range f.calls {
				f.calls[i].Seq, f.calls[i].Random = 0, 0
			}
			if diff := cmp.Diff(tc.calls, f.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSendRefused(t *testing.T) {
	f := &fakeSend{refuse: `"ActionStatus":"FAIL","ErrorCode":20006,"ErrorInfo":"no"`}
	status, out, errs := f.run(t.Context(), t, "", "--to", "ann", "hi")
	if status != cli.ExitFailure || out != "" || !strings.Contains(errs, "20006 no\nmuster: message: the App's backend forbids it\n") {
		t.Errorf("status %d, printed %q, %q", status, out, errs)
	}
}

func TestSendUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"nobody":         {args: []string{"hi"}, want: "no account is named"},
		"twice":          {args: []string{"--to", "a", "--file", "x", "hi"}, want: "accounts are named twice, with --to and with --file"},
		"nothing":        {args: []string{"--to", "a"}, want: "there is nothing to send"},
		"both":           {args: []string{"--file", "-", "-"}, want: "standard input cannot have both the text and the accounts"},
		"text":           {args: []string{"--to", "a", "\xff"}, want: "the text and --from must be UTF-8"},
		"from":           {args: []string{"--to", "a", "--from", "\xff", "hi"}, want: "the text and --from must be UTF-8"},
		"custom":         {args: []string{"--to", "a", "--custom", "{"}, want: "--custom must be JSON"},
		"life":           {args: []string{"--to", "a", "--life", "1ms", "hi"}, want: "--life must be a whole number of seconds, such as 60s or 24h"},
		"life and only":  {args: []string{"--to", "a", "--life", "1s", "--online-only", "hi"}, want: "--life and --online-only exclude each other"},
		"empty input":    {in: "\n", args: []string{"--to", "a", "-"}, want: "standard input has no text"},
		"input not text": {in: "\xff", args: []string{"--to", "a", "-"}, want: "the text on standard input is not UTF-8"},
	} {
		f := &fakeSend{}
		status, _, errs := f.run(t.Context(), t, tc.in, tc.args...)
		if first, _, _ := strings.Cut(errs, "\n"); status != cli.ExitUsage || first != "muster: "+tc.want || len(f.calls) > 0 {
			t.Errorf("%s: status %d, %q", name, status, errs)
		}
	}
}
