package imclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/imclient"
)

// compact is how Muster spells the reply of account_check.
func compact(names []string, imported []bool) string {
	var b strings.Builder
	b.WriteString(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[`)
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		quoted, _ := json.Marshal(n)
		status := map[bool]string{true: "Imported", false: "NotImported"}[imported[i]]
		fmt.Fprintf(&b, `{"UserID":%s,"ResultCode":0,"ResultInfo":"","AccountStatus":"%s"}`, quoted, status)
	}
	return b.String() + `]}`
}

// TestCheckFastAndSlow holds that the reply which is read without encoding/json means
// the same as one that is spelled otherwise.
func TestCheckFastAndSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[!-~]{0,8}`), 0, 5).Draw(t, "names")
		imported := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(t, "imported")
		fast := compact(names, imported)
		slow := strings.Replace(fast, `,`, ` ,`, 1)
		f := &fake{}
		c, err := imclient.New(f.options())
		if err != nil {
			t.Fatal(err)
		}
		f.reply = fast
		got, err := c.AccountCheck(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		f.reply = slow
		want, err := c.AccountCheck(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-slow +fast):\n%s", diff)
		}
		for i := range names {
			if got[i].UserID != names[i] || got[i].Imported != imported[i] {
				t.Errorf("%d: %+v, want %q %v", i, got[i], names[i], imported[i])
			}
		}
	})
}

// TestCheckOfASpelledName holds that a name is not taken for another one, of which it is
// the spelling in JSON.
func TestCheckOfASpelledName(t *testing.T) {
	f := &fake{reply: compact([]string{`a\b`}, []bool{true})}
	got, err := newClient(t, f.options()).AccountCheck(t.Context(), []string{`a\\b`})
	if err != nil || len(got) != 1 || got[0].UserID != `a\b` {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzAccountCheckReply reads anything: it never panics, and whatever is taken for a
// reply is what encoding/json makes of it.
func FuzzAccountCheckReply(f *testing.F) {
	good := compact([]string{"a", "b"}, []bool{true, false})
	for i := range len(good) + 1 {
		f.Add(good[:i])
	}
	f.Add(good + " ")
	f.Add(good + "x")
	f.Add(compact([]string{"b", "a"}, []bool{true, false}))
	f.Add(compact([]string{"a"}, []bool{true}))
	f.Add(compact([]string{"a", "b", "c"}, []bool{true, true, true}))
	f.Add(`{"ErrorCode":70402,"ActionStatus":"FAIL"}`)
	f.Add(`{"ErrorCode":0,"ActionStatus":"OK","ResultItem":null}`)
	f.Add(`{"ErrorCode":"0"}`)
	f.Add(`[]`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, reply string) {
		o := &fake{reply: reply}
		got, err := newClient(t, o.options()).AccountCheck(t.Context(), []string{"a", "b"})
		if err != nil {
			_, refused := errors.AsType[*imclient.Error](err)
			_, noReply := errors.AsType[*imclient.ReplyError](err)
			if !refused && !noReply {
				t.Errorf("error %v", err)
			}
			return
		}
		var want struct {
			ResultItem []struct{ UserID, AccountStatus string }
		}
		if err := json.Unmarshal([]byte(reply), &want); err != nil {
			t.Fatalf("took %q for a reply: %v", reply, err)
		}
		if len(got) != len(want.ResultItem) {
			t.Fatalf("%d results, want %d", len(got), len(want.ResultItem))
		}
		for i, w := range want.ResultItem {
			if got[i].UserID != w.UserID || got[i].Imported != (w.AccountStatus == "Imported") {
				t.Errorf("%d: %+v, want %+v", i, got[i], w)
			}
		}
	})
}

// benchmarkClient returns a Client that gets one reply to everything, and the 100 names
// that the reply is about.
func benchmarkClient(tb testing.TB, reply func(names []string) string) (*imclient.Client, []string) {
	tb.Helper()
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("user_%016x", i)
	}
	o := (&fake{}).options()
	o.HTTPClient.Transport = &discarding{reply: reply(names)}
	if b, ok := tb.(*testing.B); ok {
		b.ReportAllocs()
	}
	return newClient(tb, o), names
}

// TestAllocations holds that a call costs the driver of benchmarks a few allocations,
// and not some for each name.
func TestAllocations(t *testing.T) {
	for name, call := range map[string]func(*imclient.Client, []string) error{
		"import": func(c *imclient.Client, names []string) error {
			_, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names})
			return err
		},
		"check": func(c *imclient.Client, names []string) error {
			_, err := c.AccountCheck(t.Context(), names)
			return err
		},
	} {
		c, names := benchmarkClient(t, func(names []string) string {
			if name == "import" {
				return `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`
			}
			return compact(names, make([]bool, len(names)))
		})
		n := testing.AllocsPerRun(100, func() {
			if err := call(c, names); err != nil {
				t.Fatal(err)
			}
		})
		if n > 40 { // most of them are those of net/http and of the fake
			t.Errorf("%s: %v allocations for 100 names", name, n)
		}
	}
}

func BenchmarkMultiAccountImport100(b *testing.B) {
	c, names := benchmarkClient(b, func([]string) string {
		return `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`
	})
	for b.Loop() {
		if _, err := c.MultiAccountImport(b.Context(), imclient.ImportRequest{Names: names}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccountCheck100(b *testing.B) {
	c, names := benchmarkClient(b, func(names []string) string { return compact(names, make([]bool, len(names))) })
	for b.Loop() {
		if _, err := c.AccountCheck(b.Context(), names); err != nil {
			b.Fatal(err)
		}
	}
}
