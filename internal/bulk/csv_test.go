package bulk_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/bulk"
)

// fields are values with all that must be quoted. A carriage return is not among them:
// encoding/csv drops it before a newline, even inside quotes.
func fields() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "bc", "安", " ", ",", `"`, "\n", "'", ";"}), 0, 6).Draw(t, "field"), "")
	})
}

// TestCSVAgainstEncodingCSV writes CSV as encoding/csv does, with and without quotes that
// are not needed, and reads it back.
func TestCSVAgainstEncodingCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.Permutation([]string{"UserID", "Nick", "FaceUrl"}).Draw(t, "columns")
		columns = columns[:rapid.IntRange(1, 3).Draw(t, "n")]
		has := strings.Contains(strings.Join(columns, " "), "UserID")
		records := rapid.SliceOf(rapid.SliceOfN(fields(), len(columns), len(columns))).Draw(t, "records")
		always, crlf := rapid.Bool().Draw(t, "quote always"), rapid.Bool().Draw(t, "crlf")
		text := writeCSV(t, append([][]string{columns}, records...), always, crlf)
		r, err := bulk.NewReader("in", strings.NewReader(text), bulk.ReaderOptions{Format: bulk.CSV})
		if !has {
			if err == nil {
				t.Fatal("no UserID, and no error")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got := drain(t, r, bulk.Position{}, 7)
		if diff := cmp.Diff(decodeCSV(t, text), rowsAndRejects(got)); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", text, diff)
		}
	})
}

func writeCSV(t *rapid.T, records [][]string, always, crlf bool) string {
	var b strings.Builder
	end := "\n"
	if crlf {
		end = "\r\n"
	}
	if always {
		for _, record := range records {
			for i, field := range record {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(`"` + strings.ReplaceAll(field, `"`, `""`) + `"`)
			}
			b.WriteString(end)
		}
		return b.String()
	}
	w := csv.NewWriter(&b)
	if err := w.WriteAll(records); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if crlf && !strings.Contains(strings.Join(flatten(records), ""), "\n") {
		text = strings.ReplaceAll(text, "\n", end)
	}
	return text
}

func flatten(records [][]string) (all []string) {
	for _, record := range records {
		all = append(all, record...)
	}
	return all
}

// outcome is a row or the line of a row without a name.
type outcome struct {
	Line                  int64
	UserID, Nick, FaceURL string
}

func decodeCSV(t *rapid.T, text string) map[int64]outcome {
	r := csv.NewReader(strings.NewReader(text))
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int64]outcome)
	for {
		record, err := r.Read()
		if err != nil {
			return want
		}
		line, _ := r.FieldPos(0)
		o := outcome{Line: int64(line)}
		for i, field := range record {
			switch header[i] {
			case "UserID":
				o.UserID = field
			case "Nick":
				o.Nick = field
			default:
				o.FaceURL = field
			}
		}
		if o.UserID == "" {
			o = outcome{Line: o.Line}
		}
		want[o.Line] = o
	}
}

func rowsAndRejects(got reading) map[int64]outcome {
	all := make(map[int64]outcome)
	for _, row := range got.Rows {
		all[row.Line] = outcome{Line: row.Line, UserID: row.UserID, Nick: row.Nick, FaceURL: row.FaceURL}
	}
	for _, j := range got.Rejects {
		all[j.Line] = outcome{Line: j.Line}
	}
	return all
}
