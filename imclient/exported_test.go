package imclient_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/imclient"
)

func TestDecodeExported(t *testing.T) {
	ann := imclient.Exported{
		UserID: "ann", TinyID: 144115188075855873, Created: 1700000000, ValidFrom: 1700000100, Nick: "Ann", FaceURL: "http://x/ä",
	}
	for _, tc := range []struct {
		name, line string
		want       imclient.Exported
		err        string // a substring
	}{
		{name: "everything", line: exportedAnn, want: ann},
		{name: "spelled otherwise", line: strings.ReplaceAll(exportedAnn, ":", " : "), want: imclient.Exported{
			UserID: "ann", TinyID: 144115188075855873, Created: 1700000000, ValidFrom: 1700000100, Nick: "Ann", FaceURL: "http : //x/ä",
		}},
		{name: "the least", line: exportedBob, want: imclient.Exported{UserID: "bob", TinyID: 144115188075855874, Created: 1700000001}},
		{name: "the most", line: `{"UserID":"m","TinyID":"18446744073709551615","Created":9223372036854775807}`, want: imclient.Exported{
			UserID: "m", TinyID: 1<<64 - 1, Created: 1<<63 - 1,
		}},
		{name: "a number", line: `{"UserID":"a","TinyID":7,"Created":1}`, want: imclient.Exported{UserID: "a", TinyID: 7, Created: 1}},
		{name: "escapes", line: `{"UserID":"a\"\u0062","TinyID":"7","Created":1,"Nick":"\ud83d\ude00"}`, want: imclient.Exported{
			UserID: `a"b`, TinyID: 7, Created: 1, Nick: "😀",
		}},
		{name: "later fields", line: `{"UserID":"a","TinyID":"7","Created":1,"Later":[1]}`, want: imclient.Exported{UserID: "a", TinyID: 7, Created: 1}},
		{name: "no UserID", line: `{"TinyID":"7"}`, err: "no UserID"},
		{name: "an empty UserID", line: `{"UserID":"","TinyID":"7","Created":1}`, err: "no UserID"},
		{name: "no TinyID", line: `{"UserID":"a"}`, err: "TinyID is not a number"},
		{name: "a large TinyID", line: `{"UserID":"a","TinyID":"18446744073709551616","Created":1}`, err: "TinyID is not a number"},
		{name: "a negative TinyID", line: `{"UserID":"a","TinyID":"-1","Created":1}`, err: "TinyID is not a number"},
		{name: "a large time", line: `{"UserID":"a","TinyID":"1","Created":9223372036854775808}`, err: "decode an exported account: json"},
		{name: "cut off", line: exportedAnn[:20], err: "decode an exported account: unexpected end"},
		{name: "empty", err: "unexpected end"},
		{name: "null", line: "null", err: "no UserID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := imclient.DecodeExported([]byte(tc.line))
			if (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzDecodeExported holds that a line which is read without encoding/json means the
// same as one that is read with it.
func FuzzDecodeExported(f *testing.F) {
	for i := range len(exportedAnn) + 1 {
		f.Add([]byte(exportedAnn[:i]))
	}
	f.Add([]byte(exportedBob))
	f.Add([]byte(exportedBob + "x"))
	f.Add([]byte("{\"UserID\":\"\xff\",\"TinyID\":\"07\",\"Created\":01}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		fast, fastErr := imclient.DecodeExported(line)
		slow, slowErr := imclient.DecodeExported(append([]byte(" "), line...))
		if (fastErr == nil) != (slowErr == nil) {
			t.Errorf("errors %v and %v", fastErr, slowErr)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Errorf("(-slow +fast):\n%s", diff)
		}
	})
}

// TestFailureFastAndSlow holds the same of the lines about rows that failed.
func TestFailureFastAndSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.Int64Range(1, 1<<62).Draw(t, "row")
		quoted, _ := json.Marshal(rapid.String().Draw(t, "name"))
		line, _ := json.Marshal(map[string]any{"Row": row})
		fast := strings.TrimSuffix(string(line), "}") + `,"UserID":` + string(quoted) + `,"ResultCode":70402,"ResultInfo":` + string(quoted) + `}`
		var got []imclient.BulkFailure
		answer := fast + "\n " + fast + "\n" + okReply + "\n"
		f := &stored{answer: answer}
		o := (&fake{}).options()
		o.HTTPClient = &http.Client{Transport: f}
		c, err := imclient.New(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.BulkImport(t.Context(), strings.NewReader(""), imclient.BulkImportOptions{
			OnFailure: func(f imclient.BulkFailure) { got = append(got, f) },
		})
		if err != nil || len(got) != 2 || got[0] != got[1] || got[0].Row != row {
			t.Errorf("%+v, error %v", got, err)
		}
	})
}

// stored answers a bulk call with one text.
type stored struct{ answer string }

func (s *stored) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-ndjson"}},
		Body: io.NopCloser(strings.NewReader(s.answer)),
	}, nil
}

// TestExportAllocations holds that the lines of an export cost nothing, and to read one
// the strings that it has.
func TestExportAllocations(t *testing.T) {
	var got imclient.Exported
	for line, want := range map[string]float64{exportedAnn: 3, exportedBob: 1} {
		text := []byte(line)
		n := testing.AllocsPerRun(100, func() {
			var err error
			if got, err = imclient.DecodeExported(text); err != nil {
				t.Fatal(err)
			}
		})
		if n != want {
			t.Errorf("%v allocations for %+v, want %v", n, got, want)
		}
	}
	o := (&fake{}).options()
	o.HTTPClient = &http.Client{Transport: &stored{answer: strings.Repeat(exportedBob+"\n", 10_000) + okReply + "\n"}}
	c := newClient(t, o)
	n := testing.AllocsPerRun(10, func() {
		if rows, err := c.BulkExport(t.Context(), imclient.BulkExportOptions{}, func([]byte) error { return nil }); err != nil || rows != 10_000 {
			t.Fatal(rows, err)
		}
	})
	if n > 100 {
		t.Errorf("%v allocations for 10000 lines", n)
	}
}

func BenchmarkDecodeExported(b *testing.B) {
	b.ReportAllocs()
	line := []byte(exportedBob)
	for b.Loop() {
		if _, err := imclient.DecodeExported(line); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBulkExport reads lines of an export, without a network; ns/line counts.
func BenchmarkBulkExport(b *testing.B) {
	const lines = 100_000
	o := (&fake{}).options()
	o.HTTPClient = &http.Client{Transport: &stored{answer: strings.Repeat(exportedBob+"\n", lines) + okReply + "\n"}}
	c := newClient(b, o)
	for b.Loop() {
		if _, err := c.BulkExport(b.Context(), imclient.BulkExportOptions{}, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
}
