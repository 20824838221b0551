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

// countedReply is how Muster spells the reply of an import of which nothing failed.
func countedReply(n imclient.ImportCount) string {
	return fmt.Sprintf(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[],`+
		`"Count":{"Created":%d,"Existed":%d,"Updated":%d,"Duplicate":%d,"Failed":%d}}`, n.Created, n.Existed, n.Updated, n.Duplicate, n.Failed)
}

// TestImportCount holds the same of the reply of an import.
func TestImportCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(0, 1<<40)
		count := imclient.ImportCount{
			Created: number.Draw(t, "created"), Existed: number.Draw(t, "existed"), Updated: number.Draw(t, "updated"),
			Duplicate: number.Draw(t, "duplicate"), Failed: number.Draw(t, "failed"),
		}
		fast := countedReply(count)
		for _, reply := range []string{fast, strings.Replace(fast, `,`, ` ,`, 1)} {
			f := &fake{reply: reply}
			c, err := imclient.New(f.options())
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: []string{"a"}, Count: true})
			if err != nil || got.Count == nil || *got.Count != count || len(got.FailAccounts) > 0 {
				t.Errorf("%+v, %v, want %+v", got, err, count)
			}
		}
	})
}

// FuzzImportReply reads anything: what is taken for a reply is what encoding/json makes
// of it.
func FuzzImportReply(f *testing.F) {
	good := countedReply(imclient.ImportCount{Created: 98, Existed: 1, Failed: 10})
	for i := range len(good) + 1 {
		f.Add(good[:i])
	}
	f.Add(good + "}")
	f.Add(strings.Replace(good, "98", "098", 1))
	f.Add(strings.Replace(good, "98", "-98", 1))
	f.Add(strings.Replace(good, "98", "9223372036854775807", 1))
	f.Add(strings.Replace(good, "98", "9223372036854775808", 1))
	f.Add(strings.Replace(good, "98", "18446744073709551616", 1))
	f.Add(strings.Replace(good, "[]", `["a"]`, 1))
	f.Fuzz(func(t *testing.T, reply string) {
		o := &fake{reply: reply}
		got, err := newClient(t, o.options()).MultiAccountImport(t.Context(), imclient.ImportRequest{Names: []string{"a"}})
		if err != nil {
			return
		}
		var want struct {
			FailAccounts []string
			Count        *imclient.ImportCount
		}
		if err := json.Unmarshal([]byte(reply), &want); err != nil {
			t.Fatalf("took %q for a reply: %v", reply, err)
		}
		if diff := cmp.Diff(want.Count, got.Count); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(got.FailAccounts) != len(want.FailAccounts) {
			t.Errorf("%q, want %q", got.FailAccounts, want.FailAccounts)
		}
	})
}

// TestDeleteFastAndSlow holds the same of the reply of account_delete.
func TestDeleteFastAndSlow(t *testing.T) {
	const reply = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"a"},` +
		`{"ResultCode":70107,"ResultInfo":"no such","UserID":"b"}]}`
	names := []string{"a", "b"}
	for range 3 {
		fast, err := newClient(t, (&fake{reply: reply}).options()).AccountDelete(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := newClient(t, (&fake{reply: reply + " "}).options()).AccountDelete(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Errorf("of %q (-slow +fast):\n%s", names, diff)
		}
		names = append(names[1:], "c") // not the names of the reply
	}
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
	allocs := make(map[string]float64)
	for name, call := range map[string]func(*imclient.Client, []string) error{
		"import": func(c *imclient.Client, names []string) error {
			_, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names})
			return err
		},
		"counted import": func(c *imclient.Client, names []string) error {
			_, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names, Count: true})
			return err
		},
		"check": func(c *imclient.Client, names []string) error {
			_, err := c.AccountCheck(t.Context(), names)
			return err
		},
	} {
		c, names := benchmarkClient(t, func(names []string) string {
			switch name {
			case "import":
				return `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`
			case "counted import":
				return countedReply(imclient.ImportCount{Created: 100})
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
		allocs[name] = n
	}
	if more := allocs["counted import"] - allocs["import"]; more != 1 {
		t.Errorf("a Count costs %v allocations, want 1", more)
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

func BenchmarkCountedImport100(b *testing.B) {
	c, names := benchmarkClient(b, func([]string) string { return countedReply(imclient.ImportCount{Created: 100}) })
	for b.Loop() {
		if _, err := c.MultiAccountImport(b.Context(), imclient.ImportRequest{Names: names, Count: true}); err != nil {
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
