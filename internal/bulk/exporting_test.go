package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
)

// exporter is an Exporter in memory.
type exporter struct {
	accounts []imclient.Exported // in the order of UserID
	breaks   func() int          // after how many accounts a call breaks; negative: not at all; nil: never
	end      error               // how it breaks; errLost if nil
	calls    []imclient.BulkExportOptions
}

func (e *exporter) BulkExport(_ context.Context, o imclient.BulkExportOptions, each func(line []byte) error) (rows int64, err error) {
	e.calls = append(e.calls, o)
	left := -1
	if e.breaks != nil {
		left = e.breaks()
	}
	for _, a := range e.accounts {
		if a.UserID <= o.After {
			continue
		}
		if left == 0 {
			break
		}
		if o.Limit > 0 && rows == o.Limit {
			break
		}
		line := exportedLine(a)
		if err := each(line); err != nil {
			return rows, err
		}
		clear(line) // it is not valid any more
		rows++
		left--
	}
	if left < 0 {
		return rows, nil
	}
	if e.end != nil {
		return rows, e.end
	}
	return rows, errLost
}

// exportedLine is what the service sends of an account.
func exportedLine(a imclient.Exported) []byte {
	quoted := func(s string) string {
		text, _ := json.Marshal(s)
		return string(text)
	}
	line := fmt.Sprintf(`{"UserID":%s,"TinyID":"%d","Created":%d`, quoted(a.UserID), a.TinyID, a.Created)
	if a.ValidFrom != 0 {
		line += fmt.Sprintf(`,"ValidFrom":%d`, a.ValidFrom)
	}
	if a.Nick != "" {
		line += `,"Nick":` + quoted(a.Nick)
	}
	if a.FaceURL != "" {
		line += `,"FaceUrl":` + quoted(a.FaceURL)
	}
	return []byte(line + "}")
}

// exportedAccounts are accounts with any text that can be read again.
func exportedAccounts(t *rapid.T) (out []imclient.Exported) {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "", "Ann", " ", "\n", "\r", "\r\n", `"`, `""`, ",", "a,b", "a\nb", " a", "a ", "\u2028", "\uFEFF", "x\r", `\`, "\t"}),
		rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 })),
	)
	name := rapid.StringMatching(`[!-~]{1,6}`)
	accounts := rapid.MapOf(name, rapid.Custom(func(t *rapid.T) imclient.Exported {
		return imclient.Exported{
			TinyID: rapid.Uint64Min(1).Draw(t, "TinyID"), Created: rapid.Int64Min(0).Draw(t, "Created"), ValidFrom: rapid.Int64Range(0, 5).Draw(t, "ValidFrom"),
			Nick: text.Draw(t, "Nick"), FaceURL: text.Draw(t, "FaceURL"),
		}
	})).Draw(t, "accounts")
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		a := accounts[name]
		a.UserID = name
		out = append(out, a)
	}
	return out
}

// TestExportAnyhow exports random accounts over a stream that breaks, and reads what was
// written as an import would.
func TestExportAnyhow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := exportedAccounts(t)
		format := rapid.SampledFrom([]bulk.Format{bulk.CSV, bulk.NDJSON}).Draw(t, "format")
		breaks := rapid.IntRange(-1, 3)
		after := rapid.SampledFrom(append([]imclient.Exported{{}}, accounts...)).Draw(t, "after").UserID
		limit := rapid.IntRange(0, len(accounts)+1).Draw(t, "limit")
		from := slices.IndexFunc(accounts, func(a imclient.Exported) bool { return a.UserID > after })
		want := accounts[len(accounts):]
		if from >= 0 {
			want = accounts[from:]
		}
		if limit > 0 {
			want = want[:min(limit, len(want))]
		}

		tries := 0
		e := &exporter{accounts: accounts, breaks: func() int {
			if tries++; tries%8 == 0 { // lest it come no further for ever
				return -1
			}
			return breaks.Draw(t, "breaks")
		}}
		var out bytes.Buffer
		got, err := bulk.Export(context.Background(), &out, bulk.ExportOptions{
			Service: e, Format: format, After: after, Limit: int64(limit), Wait: noWait,
		})
		last := after
		if len(want) > 0 {
			last = want[len(want)-1].UserID
		}
		if err != nil || got.Rows != int64(len(want)) || got.Last != last {
			t.Fatalf("%+v, error %v", got, err)
		}
		in, err := bulk.NewReader("in", &out, bulk.ReaderOptions{Format: format, KeepTinyIDs: true})
		if err != nil {
			t.Fatal(err)
		}
		read := drain(t, in, bulk.Position{}, 100)
		var back []imclient.Exported
		for _, r := range read.Rows {
			back = append(back, imclient.Exported{
				UserID: r.UserID, TinyID: r.TinyID, Created: r.Created, ValidFrom: r.ValidFrom, Nick: r.Nick, FaceURL: r.FaceURL,
			})
		}
		if diff := cmp.Diff(want, back, cmpopts.EquateEmpty()); diff != "" || len(read.Rejects) > 0 {
			t.Fatalf("rejects %v; accounts (-want +got):\n%s", read.Rejects, diff)
		}
	})
}

// oddAccounts are few accounts with all that makes the end of a row hard to find.
var oddAccounts = []imclient.Exported{
	{UserID: "ann", TinyID: 1, Created: 17},
	{UserID: "bob", TinyID: 12, Created: 17, ValidFrom: 18, Nick: "B\nob", FaceURL: "http://x"},
	{UserID: `c"`, TinyID: 3, Created: 17, Nick: "\"C\"\n\"\",\n", FaceURL: ",\r\n\n"},
	{UserID: "d,d", TinyID: 4, Created: 17, Nick: " é😀"},
	{UserID: "eve", TinyID: 5, Created: 17, Nick: "\n"},
}

// TestExportResumed cuts exports off at every byte, and goes on with each.
func TestExportResumed(t *testing.T) {
	for _, format := range []bulk.Format{bulk.CSV, bulk.NDJSON} {
		e := &exporter{accounts: oddAccounts}
		var whole bytes.Buffer
		if _, err := bulk.Export(t.Context(), &whole, bulk.ExportOptions{Service: e, Format: format}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "export")
		for cut := range whole.Len() + 1 {
			if err := os.WriteFile(path, whole.Bytes()[:cut], 0o600); err != nil {
				t.Fatal(err)
			}
			resumeExport(t, path, e, format)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole.Bytes()) {
				t.Errorf("%s cut at %d: error %v\ngot  %q\nwant %q", format, cut, err, got, whole.Bytes())
			}
		}
	}
}

// resumeExport does as the command line does.
func resumeExport(t *testing.T, path string, e *exporter, format bulk.Format) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	offset, last, err := bulk.ExportEnd(f, format)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != offset {
		t.Errorf("it stands at %d, %v; not at %d", at, err, offset)
	}
	if err := f.Truncate(offset); err != nil {
		t.Fatal(err)
	}
	o := bulk.ExportOptions{Service: e, Format: format, After: last, NoHeader: offset > 0}
	if _, err := bulk.Export(t.Context(), f, o); err != nil {
		t.Fatal(err)
	}
}

// TestExportEndRefuses holds that what is no export is not cut off.
func TestExportEndRefuses(t *testing.T) {
	const header = "UserID,TinyID,Created,ValidFrom,Nick,FaceUrl\n"
	for _, tt := range []struct {
		name   string
		format bulk.Format
		text   string
		offset int64
		last   string
		want   string // the error behind the file's name
	}{
		{"nothing", bulk.CSV, "", 0, "", ""},
		{"nothing", bulk.NDJSON, "", 0, "", ""},
		{"another CSV", bulk.CSV, "UserID,Nick\nann,Ann\n", 0, "", ": it does not begin with the header of an exported CSV"},
		{"another order", bulk.CSV, "UserID,Created,TinyID\n", 0, "", ": it does not begin with the header of an exported CSV"},
		{"NDJSON as CSV", bulk.CSV, `{"UserID":"ann"}` + "\n", 0, "", ": it does not begin with the header of an exported CSV"},
		{"a text", bulk.NDJSON, "dear diary\ntoday\n", 0, "", ":1: it is not the line of an exported account"},
		{"a text behind", bulk.NDJSON, `{"UserID":"ann"}` + "\nmine\n\n" + `{"UserID":"bob"}` + "\n", 0, "", ":2: it is not the line of an exported account"},
		{"a text in a CSV", bulk.CSV, header + "ann,1,2,3,,\nmine\n\nbob,1,2,3,,\n", 0, "", ":3: it is not the line of an exported account"},
		{"binary", bulk.NDJSON, strings.Repeat("\x00\x01\x02\x03", 100), 0, "", ":1: the input is binary, not UTF-8 text with a row a line"},
		{"garbage at the end", bulk.NDJSON, `{"UserID":"ann"}` + "\n" + strings.Repeat("\x00", 5), 17, "ann", ""},
		{"an odd Nick", bulk.CSV, header + "ann,1,2,0,A,\nbob,1,2,0,B\x00,\neve,1,2,0,E,\n", int64(len(header)) + 13 + 14 + 13, "eve", ""},
		{"an odd Nick at the end", bulk.CSV, header + "ann,1,2,0,A,\nbob,1,2,0,B\x00,\n", int64(len(header)) + 13, "ann", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, "f", []byte(tt.text))
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			offset, last, err := bulk.ExportEnd(f, tt.format)
			if tt.want != "" {
				if err == nil || err.Error() != path+tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || offset != tt.offset || last != tt.last {
				t.Errorf("%d %q, error %v; want %d %q", offset, last, err, tt.offset, tt.last)
			}
		})
	}
}

// someAccounts are n accounts that name themselves.
func someAccounts(n int) (out []imclient.Exported) {
	for i := range n {
		out = append(out, imclient.Exported{UserID: fmt.Sprintf("user_%06d", i), TinyID: uint64(i + 1), Created: 17})
	}
	return out
}

// TestExportGoesOn holds what calls are made when streams break: each behind the last account,
// and for no more than is wanted.
func TestExportGoesOn(t *testing.T) {
	breaks := []int{3, 0, 2, 0, 5}
	e := &exporter{accounts: someAccounts(20), breaks: func() int {
		n := breaks[0]
		breaks = breaks[1:]
		return n
	}}
	var notices []string
	got, err := bulk.Export(t.Context(), io.Discard, bulk.ExportOptions{
		Service: e, Format: bulk.CSV, After: "user_000001", Limit: 10, Wait: noWait,
		Notice: func(text string) { notices = append(notices, text) },
	})
	if err != nil || got != (bulk.Exported{Rows: 10, Last: "user_000011"}) {
		t.Errorf("%+v, error %v", got, err)
	}
	want := []imclient.BulkExportOptions{
		{After: "user_000001", Limit: 10},
		{After: "user_000004", Limit: 7},
		{After: "user_000004", Limit: 7},
		{After: "user_000006", Limit: 5},
		{After: "user_000006", Limit: 5},
	}
	if diff := cmp.Diff(want, e.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if len(notices) != 5 || !strings.HasPrefix(notices[1], "the stream broke behind 3 accounts, trying again") {
		t.Errorf("notices %q", notices)
	}
}

func TestExportFails(t *testing.T) {
	full := errors.New("the disk is full")
	for _, tt := range []struct {
		name  string
		e     exporter
		w     io.Writer
		rows  int64
		calls int
		want  string
	}{
		{"for ever", exporter{breaks: func() int { return 0 }}, io.Discard, 0, 9, "bulk: export: given up after 8 tries that came no further: " + errLost.Error()},
		{"refused", exporter{breaks: func() int { return 2 }, end: errRefused}, io.Discard, 2, 1, "bulk: export: imclient: fake: 70403 no admin"},
		{"disk", exporter{}, writerFunc(func([]byte) (int, error) { return 0, full }), -1, 1, "bulk: export: the disk is full"},
	} {
		for _, format := range []bulk.Format{bulk.CSV, bulk.NDJSON} {
			e := tt.e
			e.accounts, e.calls = someAccounts(20_000), nil
			got, err := bulk.Export(t.Context(), tt.w, bulk.ExportOptions{Service: &e, Format: format, Wait: noWait})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || len(e.calls) != tt.calls || tt.rows >= 0 && got.Rows != tt.rows {
				t.Errorf("%s as %s: %+v after %d calls, error %v", tt.name, format, got, len(e.calls), err)
			}
			if want := "user_" + fmt.Sprintf("%06d", got.Rows-1); got.Rows > 0 && got.Last != want {
				t.Errorf("%s: the last is %s of %d", tt.name, got.Last, got.Rows)
			}
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestExportInterrupted holds that whole lines are written when ctx ends, while a call is under
// way and while the next one is waited for.
func TestExportInterrupted(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		e := &exporter{accounts: someAccounts(100), breaks: func() int {
			if !waiting {
				cancel()
			}
			return 30
		}}
		var out bytes.Buffer
		got, err := bulk.Export(ctx, &out, bulk.ExportOptions{
			Service: e, Format: bulk.NDJSON,
			Wait: func(ctx context.Context, d time.Duration) error { cancel(); return ctx.Err() },
		})
		if waiting && !errors.Is(err, context.Canceled) || !waiting && !errors.Is(err, errLost) || got.Last != "user_000029" || bytes.Count(out.Bytes(), []byte("}\n")) != 30 {
			t.Errorf("%+v, error %v, %d bytes", got, err, out.Len())
		}
	}
}

func TestExportProgress(t *testing.T) {
	var told []string
	e := &exporter{accounts: someAccounts(50_000)}
	got, err := bulk.Export(t.Context(), io.Discard, bulk.ExportOptions{
		Service: e, Format: bulk.NDJSON, OnProgress: func(rows int64) { told = append(told, strconv.FormatInt(rows, 10)) },
	})
	if err != nil || got.Rows != 50_000 || strings.Join(told, " ") != "16384 32768 49152" {
		t.Errorf("%+v, error %v, told %v", got, err, told)
	}
}
