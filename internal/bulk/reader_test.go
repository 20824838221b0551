package bulk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/bulk"
)

// reading is all that a Reader gave out.
type reading struct {
	Rows    []bulk.Row
	Rejects []bulk.Reject
	Ends    []bulk.Position
	Err     string // of the last Next, "" for io.EOF
}

// failer is a test or a property.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// drain reads to the end, and checks what holds for every chunk.
func drain(tb failer, r *bulk.Reader, start bulk.Position, maxRows int) (out reading) {
	tb.Helper()
	var c bulk.Chunk
	for {
		err := r.Next(&c, maxRows)
		if c.Start != start {
			tb.Fatalf("a chunk starts at %+v, the one before ended at %+v", c.Start, start)
		}
		if err != nil {
			if len(c.Rows)+len(c.Rejects) > 0 || c.End != c.Start {
				tb.Fatalf("there are rows beside the error %v", err)
			}
			if !errors.Is(err, io.EOF) {
				out.Err = err.Error()
			}
			return out
		}
		if n := len(c.Rows) + len(c.Rejects); n > maxRows {
			tb.Fatalf("the chunk has %d rows, asked for were %d", n, maxRows)
		}
		if c.End.Offset <= start.Offset || c.End.Line < start.Line {
			tb.Fatalf("a chunk from %+v to %+v", start, c.End)
		}
		start = c.End
		out.Rows = append(out.Rows, c.Rows...)
		out.Rejects = append(out.Rejects, c.Rejects...)
		out.Ends = append(out.Ends, c.End)
	}
}

func newReader(tb testing.TB, text string, o bulk.ReaderOptions) *bulk.Reader {
	tb.Helper()
	r, err := bulk.NewReader("in", strings.NewReader(text), o)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func read(tb testing.TB, text string, o bulk.ReaderOptions) reading {
	tb.Helper()
	return drain(tb, newReader(tb, text, o), bulk.Position{}, 1000)
}

func TestFormats(t *testing.T) {
	row := func(line int64, id, nick string) bulk.Row { return bulk.Row{Line: line, UserID: id, Nick: nick} }
	big := strings.Repeat("x", bulk.MaxRow)
	for _, tt := range []struct {
		name, text string
		format     bulk.Format
		o          bulk.ReaderOptions
		want       []bulk.Row
	}{
		{name: "empty", format: bulk.Names},
		{name: "byte order mark only", text: "\uFEFF", format: bulk.Names},
		{name: "blank", text: "\n \t\n\r\n", format: bulk.Names},
		{name: "names", text: "ann\nbob\n", format: bulk.Names, want: []bulk.Row{row(1, "ann", ""), row(2, "bob", "")}},
		{name: "no newline at the end", text: "ann\nbob", format: bulk.Names, want: []bulk.Row{row(1, "ann", ""), row(2, "bob", "")}},
		{name: "carriage returns", text: "ann\r\n\r\nbob\r", format: bulk.Names, want: []bulk.Row{row(1, "ann", ""), row(3, "bob", "")}},
		{name: "names are not trimmed", text: "two words\n x\n", format: bulk.Names, want: []bulk.Row{row(1, "two words", ""), row(2, " x", "")}},
		{name: "byte order mark", text: "\uFEFFann\n", format: bulk.Names, want: []bulk.Row{row(1, "ann", "")}},
		{name: "a name like magic", text: "BZhang\nPAR1\n", format: bulk.Names, want: []bulk.Row{row(1, "BZhang", ""), row(2, "PAR1", "")}},
		{name: "as long as allowed", text: "\n" + big + "\r\n", format: bulk.Names, want: []bulk.Row{row(2, big, "")}},
		{
			name: "names with commas if one says so", text: "a,b\n", o: bulk.ReaderOptions{Format: bulk.Names},
			format: bulk.Names, want: []bulk.Row{row(1, "a,b", "")},
		},

		{name: "csv", text: "UserID,Nick\nann,Ann\nbob,\n", format: bulk.CSV, want: []bulk.Row{row(2, "ann", "Ann"), row(3, "bob", "")}},
		{name: "csv in any order and case", text: "\uFEFF\n nick , userid\r\nAnn,ann\r\n\r\n", format: bulk.CSV, want: []bulk.Row{row(3, "ann", "Ann")}},
		{name: "csv with a header only", text: "UserID", format: bulk.CSV},
		{name: "csv of one column", text: "UserID\nann\n\"a,\"\"b\"\n", format: bulk.CSV, want: []bulk.Row{row(2, "ann", ""), row(3, `a,"b`, "")}},
		{
			name: "csv, all quoted", text: "\"UserID\",\"Nick\"\n\"ann\",\"Ann, the\r\nfirst\"\n\"bob\",\"\"", format: bulk.CSV,
			want: []bulk.Row{row(2, "ann", "Ann, the\r\nfirst"), row(4, "bob", "")},
		},
		{
			name: "csv, all columns", format: bulk.CSV, o: bulk.ReaderOptions{KeepTinyIDs: true},
			text: "UserID,TinyID,Created,ValidFrom,Nick,FaceURL\nann,144115188075855873,17,18,Ann,http://x\nbob,,,,,\n",
			want: []bulk.Row{
				{Line: 2, UserID: "ann", TinyID: 144115188075855873, Created: 17, ValidFrom: 18, Nick: "Ann", FaceURL: "http://x"},
				{Line: 3, UserID: "bob"},
			},
		},
		{name: "csv, numbers not looked at", text: "UserID,TinyID\nann,x\n", format: bulk.CSV, want: []bulk.Row{row(2, "ann", "")}},
		{name: "csv if one says so", text: "Userid,Nick\n{,x\n", o: bulk.ReaderOptions{Format: bulk.CSV}, format: bulk.CSV, want: []bulk.Row{row(2, "{", "x")}},

		{
			name: "ndjson", text: "{\"UserID\":\"ann\"}\n\"bob\"\n \n{\"UserID\":\"eve\",\"Nick\":\"E\"}\r\n", format: bulk.NDJSON,
			want: []bulk.Row{row(1, "ann", ""), row(2, "bob", ""), row(4, "eve", "E")},
		},
		{
			name: "ndjson with everything", format: bulk.NDJSON, o: bulk.ReaderOptions{KeepTinyIDs: true},
			text: ` { "x" : [ { } ] , "User\u0049D" : "\u0061nn", "Nick":"\ud83d\ude00", "FaceUrl":null, "TinyID":"144115188075855873", "Created":17, "ValidFrom":18, "z":1.5e3 } ` + "\n" +
				`{"UserID":"bob","TinyID":144115188075855874,"Created":0}`,
			want: []bulk.Row{
				{Line: 1, UserID: "ann", TinyID: 144115188075855873, Created: 17, ValidFrom: 18, Nick: "😀"},
				{Line: 2, UserID: "bob", TinyID: 144115188075855874},
			},
		},
		{
			name: "ndjson, the last of a field counts", text: `{"UserID":"a","UserID":"b"}` + "\n" + `{"UserID":"a","Nick":"\u0041","UserID":"b","Nick":"C"}`,
			format: bulk.NDJSON, want: []bulk.Row{row(1, "b", ""), row(2, "b", "C")},
		},
		{
			name: "ndjson, numbers not looked at", text: `{"UserID":"a","TinyID":{},"Created":"x","ValidFrom":-1}` + "\n" + `{"UserID":"b","TinyID":"x","Created":"x"}`,
			format: bulk.NDJSON, want: []bulk.Row{row(1, "a", ""), row(2, "b", "")},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, tt.text, tt.o)
			got := drain(t, r, bulk.Position{}, 1000)
			if diff := cmp.Diff(tt.want, got.Rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if got.Rejects != nil || got.Err != "" {
				t.Errorf("rejects %+v, error %q", got.Rejects, got.Err)
			}
			if r.Format() != tt.format {
				t.Errorf("the format is %q, want %q", r.Format(), tt.format)
			}
		})
	}
}

// TestRejects shows for every kind of bad row that it is rejected alone, with its line.
func TestRejects(t *testing.T) {
	long := strings.Repeat("x", bulk.MaxRow+1)
	keep := bulk.ReaderOptions{KeepTinyIDs: true}
	for _, tt := range []struct {
		name, text string
		o          bulk.ReaderOptions
		want       []string // line code UserID: reason
		rows       string   // the names that are left
	}{
		{name: "name too long", text: "ann\n" + long + "\nbob\n", want: []string{"2 70402 : the row has more than 65536 bytes"}, rows: "ann bob"},
		{name: "name too long at the end", text: "ann\n" + long, want: []string{"2 70402 : the row has more than 65536 bytes"}, rows: "ann"},
		{name: "name far too long", text: "ann\n" + strings.Repeat(long, 20) + "\nbob\n", want: []string{"2 70402 : the row has more than 65536 bytes"}, rows: "ann bob"},
		{name: "name not UTF-8", text: "ann\n\xff\xfe\nb\x80b\n安\n", want: []string{"2 70402 \uFFFD: the row is not UTF-8", "3 70402 b\uFFFDb: the row is not UTF-8"}, rows: "ann 安"},
		{name: "name with NUL", text: "ann\nb\x00b\n", want: []string{"2 70402 b\x00b: the row has a NUL byte"}, rows: "ann"},
		{name: "character cut at the end", text: "ann\n\xe5\xae", want: []string{"2 70402 \uFFFD: the row is not UTF-8"}, rows: "ann"},

		{name: "csv row too long", text: "UserID,Nick\nann,\nbob," + long + "\neve,\n", want: []string{"3 70402 : the row has more than 65536 bytes"}, rows: "ann eve"},
		{
			name: "csv columns", text: "UserID,Nick\nann\na,b,c\n\"q\"\n,,\n\neve,\n",
			want: []string{
				"2 70402 : the row has 1 column, the header 2", "3 70402 a: the row has 3 columns, the header 2",
				"4 70402 q: the row has 1 column, the header 2", "5 70402 : the row has 3 columns, the header 2",
			}, rows: "eve",
		},
		{name: "csv without a name", text: "UserID,Nick\n,Ann\n\"\",x\neve,\n", want: []string{"2 70402 : UserID is empty", "3 70402 : UserID is empty"}, rows: "eve"},
		{
			name: "csv quotes", text: "UserID,Nick\na\"b,\n\"a\"b,\nc,\"d\" \neve,\n\"a\"\"b,\ncec,\"x\"\n",
			want: []string{
				"2 70402 : a quote stands inside a field that does not begin with one", "3 70402 : more follows after the quote that closes a field",
				"4 70402 : more follows after the quote that closes a field", "6 70402 : more follows after the quote that closes a field",
			}, rows: "eve cec",
		},
		{
			name: "csv quote open", text: "UserID,Nick\nann,\nbob,\"B\neve,\n", rows: "ann",
			want: []string{"3 70402 : a quoted field of the row is still open at the end of the input; nothing from here on was read"},
		},
		{
			name: "csv quote open and a long way to go", text: "UserID,Nick\nbob,\"B\n" + strings.Repeat("eve,\n", 20000), rows: strings.TrimSpace(strings.Repeat("eve ", 20000)),
			want: []string{"2 70402 : the row does not end within 65536 bytes, a quote may be missing"},
		},
		{
			name: "csv quoted field too long", text: "UserID,Nick\nbob,\"" + long + "\"\neve,\n", rows: "eve",
			want: []string{"2 70402 : the row has more than 65536 bytes"},
		},
		{
			name: "csv not UTF-8", text: "UserID,Nick\nann,M\xfcller\nbob,\"\xfc\"\neve,\n", rows: "eve",
			want: []string{"2 70402 ann: the row is not UTF-8", "3 70402 bob: the row is not UTF-8"},
		},
		{
			name: "csv numbers", text: "UserID,TinyID,Created,ValidFrom\na,x,,\nb,,-1,\nc,,,1.5\nd,18446744073709551616,,\ne,1,\"\",2\n", o: keep, rows: "e",
			want: []string{
				`2 70402 a: TinyID must be a whole number, not "x"`, `3 70402 b: Created must be a whole number, not "-1"`,
				`4 70402 c: ValidFrom must be a whole number, not "1.5"`, `5 70402 d: TinyID must be a whole number, not "18446744073709551616"`,
			},
		},

		{
			name: "ndjson broken", text: "{\"UserID\":\"a\n{}}\n{\"UserID\":\"a\"} x\n\"b\" \"c\"\n{\"UserID\":\"\\ud800\"}\n{\"UserID\":\"a\tb\"}\n\"eve\"\n{\"UserID\":\"a\",}", rows: "eve",
			want: []string{
				"1 60003 : the JSON is broken: ",
				"2 60003 : the JSON is broken: ", "3 60003 a: the JSON is broken: ", "4 60003 b: the JSON is broken: ",
				"5 60003 \uFFFD: the JSON is broken: ", "6 60003 : the JSON is broken: ", "8 60003 a: the JSON is broken: ",
			},
		},
		{
			name: "ndjson types", text: "{\"UserID\":5}\n[\"a\"]\n7\nnull\n{\"UserID\":\"a\",\"Nick\":true}\n{\"UserID\":\"a\",\"UserID\":[]}\n{}\n\"\"\n{\"UserID\":null}\n\"eve\"\n", rows: "eve",
			want: []string{
				"1 60015 : UserID must be a string", "2 70402 : a row must be a JSON string or object", "3 70402 : a row must be a JSON string or object",
				"4 70402 : a row must be a JSON string or object", "5 70402 a: Nick must be a string", "6 60015 : UserID must be a string",
				"7 70402 : UserID is empty or missing", "8 70402 : UserID is empty or missing", "9 70402 : UserID is empty or missing",
			},
		},
		{
			name: "ndjson numbers", text: "{\"UserID\":\"a\",\"TinyID\":\"x\"}\n{\"UserID\":\"a\",\"Created\":\"1\"}\n{\"UserID\":\"a\",\"ValidFrom\":1e3}\n{\"UserID\":\"a\",\"TinyID\":-1}\n\"eve\"\n", o: keep, rows: "eve",
			want: []string{
				`1 70402 a: TinyID must be a whole number, not "x"`, `2 70402 a: Created must be a whole number, not "1"`,
				`3 70402 a: ValidFrom must be a whole number, not "1e3"`, `4 70402 a: TinyID must be a whole number, not "-1"`,
			},
		},
		{
			name: "ndjson not UTF-8", text: "{\"UserID\":\"a\",\"Nick\":\"\xfc\"}\n\"b\x00\"\n{\"UserID\":\"\xfc\"}\n\"eve\"\n", rows: "eve",
			want: []string{"1 70402 : the row is not UTF-8", "2 70402 : the row has a NUL byte", "3 70402 : the row is not UTF-8"},
		},
		{name: "ndjson too long", text: "\"a\"\n\"" + long + "\"\n\"eve\"\n", rows: "a eve", want: []string{"2 70402 : the row has more than 65536 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, tt.text, tt.o)
			if got.Err != "" {
				t.Error(got.Err)
			}
			var names []string
			for _, row := range got.Rows {
				names = append(names, row.UserID)
			}
			if s := strings.Join(names, " "); s != tt.rows {
				t.Errorf("rows %.200q, want %.200q", s, tt.rows)
			}
			if len(got.Rejects) != len(tt.want) {
				t.Fatalf("%d rejects, want %d: %.2000v", len(got.Rejects), len(tt.want), got.Rejects)
			}
			for i, j := range got.Rejects {
				if s := fmt.Sprintf("%d %d %s: %s", j.Line, j.Code, j.UserID, j.Reason); s != tt.want[i] && (!strings.HasSuffix(tt.want[i], "broken: ") || !strings.HasPrefix(s, tt.want[i])) {
					t.Errorf("reject %q, want %q", s, tt.want[i])
				}
			}
		})
	}
}

// TestRefused shows which inputs are refused as a whole, and that it is said why.
func TestRefused(t *testing.T) {
	wide := func(text string, low, high int) string {
		b := make([]byte, 0, 2*len(text))
		for i := range len(text) {
			pair := [2]byte{}
			pair[low], pair[high] = text[i], 0
			b = append(b, pair[:]...)
		}
		return string(b)
	}
	noise := make([]byte, 10000)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	csv := bulk.ReaderOptions{Format: bulk.CSV}
	for _, tt := range []struct {
		name, text, want string
		o                bulk.ReaderOptions
	}{
		{name: "UTF-16LE", text: "\xff\xfe" + wide("UserID\nann\n", 0, 1), want: "in:1: the input is UTF-16, not UTF-8 text with a row a line"},
		{name: "UTF-16BE", text: "\xfe\xff" + wide("UserID\nann\n", 1, 0), want: "in:1: the input is UTF-16,"},
		{name: "UTF-16LE without mark", text: wide("UserID\nann\n", 0, 1), want: "in:1: the input is UTF-16,"},
		{name: "UTF-16BE without mark", text: wide("UserID\nann\n", 1, 0), o: csv, want: "in:1: the input is UTF-16,"},
		{name: "noise", text: string(noise), want: "in:1: the input is binary,"},
		{name: "spreadsheet", text: "PK\x03\x04\x14\x00\x06\x00", want: "in:1: the input is a zip archive or a spreadsheet,"},
		{name: "bzip2", text: "BZh91AY&SY\x00\x01\x02", want: "in:1: the input is bzip2 data,"},
		{name: "compressed twice", text: string(gzipped(t, []byte("ann\n"))), want: "in:1: the input is gzip data,"},
		{name: "unknown column", text: "\nUserID,E-Mail\n", want: `in:2: the header has an unknown column "E-Mail"; the columns are UserID, Nick, FaceUrl, TinyID, Created, ValidFrom`},
		{name: "column twice", text: "UserID,userid\n", want: "in:1: the header has the column UserID twice"},
		{name: "no UserID", text: "Nick,FaceUrl\n", o: csv, want: "in:1: the header has no column UserID; the columns are"},
		{name: "no UserID, not said that it is CSV", text: "name,mail\nann,x\n", want: "in:1: the line looks like columns, but none of them is UserID;"},
		{name: "semicolons", text: "UserID;Nick\nann;Ann\n", want: "in:1: the columns of the header are not separated by commas"},
		{name: "tabs", text: "UserID\tNick\n", want: "in:1: the columns of the header are not separated by commas"},
		{name: "header broken", text: "UserID,a\"b\n", want: "in:1: the header is broken: a quote stands inside"},
		{name: "header not UTF-8", text: "UserID,\xfc\n", want: "in:1: the header is broken: it is not UTF-8"},
		{name: "header open", text: "UserID,\"Nick\n", want: "in:1: the header does not end"},
		{name: "header endless", text: "UserID," + strings.Repeat("x", 1<<20), want: "in:1: the header does not end"},
		{name: "JSON array", text: "[\n{\"UserID\":\"ann\"}\n]", want: "in:1: the input is a JSON array;"},
		{name: "unknown format", text: "ann\n", o: bulk.ReaderOptions{Format: "xml"}, want: `bulk: unknown format "xml"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bulk.NewReader("in", strings.NewReader(tt.text), tt.o)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestReadError shows that the whole rows before an error are delivered, and no other.
func TestReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, tt := range []struct{ text, rows, want string }{
		{"ann\nbob\nev", "ann bob", "in:3: the disk is gone"},
		{"ann\nbob\n", "ann bob", "in:3: the disk is gone"},
		{"UserID,Nick\nann,Ann\nbob,\"B\nb", "ann", "in:3: the disk is gone"},
		{"UserID,Nick\nann,Ann\nbob,\"B\"", "ann", "in:3: the disk is gone"},
		{"\"ann\"\n\"bob\"", "ann", "in:2: the disk is gone"},
		{"ann\n" + strings.Repeat("x", 1<<20), "ann", "in:2: the disk is gone"},
	} {
		r, err := bulk.NewReader("in", io.MultiReader(strings.NewReader(tt.text), iotest.ErrReader(broken)), bulk.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := drain(t, r, bulk.Position{}, 1000)
		var names []string
		for _, row := range got.Rows {
			names = append(names, row.UserID)
		}
		if s := strings.Join(names, " "); s != tt.rows || got.Err != tt.want || got.Rejects != nil {
			t.Errorf("%.40q: rows %q, rejects %v, error %q; want %q, %q", tt.text, s, got.Rejects, got.Err, tt.rows, tt.want)
		}
		if err := r.Next(new(bulk.Chunk), 1); !errors.Is(err, broken) {
			t.Errorf("the error does not stay: %v", err)
		}
	}
	for _, text := range []string{"", "UserI", "\n\n"} {
		_, err := bulk.NewReader("in", io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), bulk.ReaderOptions{})
		if !errors.Is(err, broken) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestChunkIsBounded shows that rows of any length do not make a chunk of any size.
func TestChunkIsBounded(t *testing.T) {
	line := strings.Repeat("x", 60<<10) + "\n"
	r, err := bulk.NewReader("in", strings.NewReader(strings.Repeat(line, 300)+strings.Repeat("\n", 18<<20)), bulk.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := drain(t, r, bulk.Position{}, 1<<30)
	if len(got.Rows) != 300 || len(got.Ends) < 3 {
		t.Errorf("%d rows in %d chunks", len(got.Rows), len(got.Ends))
	}
}

// inputs generates texts that are mostly near the rules: with limits close by, quotes,
// escapes and broken bytes.
func inputs(format bulk.Format) *rapid.Generator[string] {
	pieces := []string{
		"ann", "b", "安娜", "", " ", "\t", "\r", "\n", "\r\n", "\n\n", ",", ",,", `"`, `""`, `"x"`, `\`, "\x00", "\xff", "\xe5\xae", "0", "17",
		"0123456789abcdef", "UserID", ",x\n", "a,b\n", "\"a\nb\",c\n",
	}
	if format == bulk.NDJSON {
		pieces = append(pieces, `{"UserID":"ann"}`+"\n", `{"UserID":"`, `"}`+"\n", "{", "}", "[", ":", `"UserID":`, `"Nick":`, `"TinyID":`, `"Created":`, `\u0041`, `\n`, "null", "true")
	}
	return rapid.Custom(func(t *rapid.T) string {
		head := ""
		if format == bulk.CSV {
			head = rapid.SampledFrom([]string{"UserID\n", "UserID,Nick\n", "\uFEFF\n\nnick,UserID,Created\r\n"}).Draw(t, "head")
		}
		return head + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, "pieces"), "")
	})
}

// fragments are readers that give the same bytes in other pieces.
func fragments(text string, seed uint64) map[string]io.Reader {
	return map[string]io.Reader{
		"one byte": iotest.OneByteReader(strings.NewReader(text)),
		"half":     iotest.HalfReader(strings.NewReader(text)),
		"data+EOF": iotest.DataErrReader(strings.NewReader(text)),
		"random":   &randomReader{r: strings.NewReader(text), rnd: rand.New(rand.NewPCG(seed, 0))},
	}
}

type randomReader struct {
	r   io.Reader
	rnd *rand.Rand
}

func (r *randomReader) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), r.rnd.IntN(20))])
}

// checkBoundaries checks that it does not matter in which pieces text is read and asked
// for, where a checkpoint stands, and that every position is exact.
func checkBoundaries(tb failer, text string, o bulk.ReaderOptions, limit, maxRows int, seed uint64) {
	tb.Helper()
	open := func(in io.Reader) (*bulk.Reader, error) { return bulk.NewReaderLimit("in", in, o, limit) }
	r, err := open(strings.NewReader(text))
	if err != nil {
		for name, in := range fragments(text, seed) {
			if _, other := open(in); other == nil || other.Error() != err.Error() {
				tb.Fatalf("%s: error %v, at once %v", name, other, err)
			}
		}
		return
	}
	want := drain(tb, r, bulk.Position{}, 1<<30)
	checkReading(tb, text, want, limit)
	r, _ = open(strings.NewReader(text))
	chunked := drain(tb, r, bulk.Position{}, maxRows)
	same(tb, "chunks", want, chunked)
	for name, in := range fragments(text, seed) {
		r, err := open(in)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		got := drain(tb, r, bulk.Position{}, maxRows)
		same(tb, name, want, got)
		if diff := cmp.Diff(chunked.Ends, got.Ends); diff != "" {
			tb.Fatalf("%s: ends (-want +got):\n%s", name, diff)
		}
	}
	for i, end := range append([]bulk.Position{{}}, chunked.Ends...) {
		r, err := open(iotest.HalfReader(strings.NewReader(text)))
		if err != nil {
			tb.Fatal(err)
		}
		if err := r.Resume(end); err != nil {
			tb.Fatalf("resume at %+v: %v", end, err)
		}
		got := drain(tb, r, end, maxRows)
		if diff := cmp.Diff(chunked.Ends[i:], got.Ends, equateEmpty); diff != "" {
			tb.Fatalf("resumed at %+v: ends (-want +got):\n%s", end, diff)
		}
		tail := reading{Rows: after(want.Rows, end.Line, func(r bulk.Row) int64 { return r.Line }), Rejects: after(want.Rejects, end.Line, func(r bulk.Reject) int64 { return r.Line })}
		same(tb, "resumed", tail, got)
	}
}

var equateEmpty = cmp.Transformer("empty", func(p []bulk.Position) []bulk.Position { return append([]bulk.Position{}, p...) })

func after[T any](list []T, line int64, of func(T) int64) []T {
	i := slices.IndexFunc(list, func(v T) bool { return of(v) > line })
	if i < 0 {
		return nil
	}
	return list[i:]
}

func same(tb failer, name string, want, got reading) {
	tb.Helper()
	if !slices.Equal(want.Rows, got.Rows) || !slices.Equal(want.Rejects, got.Rejects) || want.Err != got.Err {
		want.Ends, got.Ends = nil, nil
		tb.Fatalf("%s (-want +got):\n%s", name, cmp.Diff(want, got))
	}
}

// checkReading checks what holds for whatever was read out of text.
func checkReading(tb failer, text string, got reading, limit int) {
	tb.Helper()
	lines := make(map[int64]bool)
	last := int64(0)
	for _, row := range got.Rows {
		if row.Line <= last || row.UserID == "" || len(row.UserID)+len(row.Nick)+len(row.FaceURL) > limit {
			tb.Fatalf("row %+v after line %d", row, last)
		}
		last = row.Line
		lines[row.Line] = true
	}
	last = 0
	for _, j := range got.Rejects {
		if j.Line <= last || lines[j.Line] || j.Reason == "" || j.Code == 0 {
			tb.Fatalf("reject %+v after line %d", j, last)
		}
		last = j.Line
	}
	for _, end := range got.Ends {
		head := text[:end.Offset]
		n := int64(strings.Count(head, "\n"))
		if end.Offset == int64(len(text)) && !strings.HasSuffix(text, "\n") && text != "\uFEFF" {
			n++
		}
		if end.Sum != xxhash.Sum64String(head) || end.Line != n {
			tb.Fatalf("%+v is not exact: sum %d, line %d", end, xxhash.Sum64String(head), n)
		}
	}
	if n := len(got.Ends); n > 0 && got.Ends[n-1].Offset != int64(len(text)) || n == 0 && text != "" {
		tb.Fatalf("reading ended before the end: %+v of %d bytes", got.Ends, len(text))
	}
}

func TestBoundariesDoNotMatter(t *testing.T) {
	for _, format := range []bulk.Format{bulk.Names, bulk.CSV, bulk.NDJSON, ""} {
		t.Run("format "+string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				text := inputs(format).Draw(t, "text")
				o := bulk.ReaderOptions{Format: format, KeepTinyIDs: rapid.Bool().Draw(t, "keep")}
				limit := rapid.SampledFrom([]int{8, 20, 40, bulk.MaxRow}).Draw(t, "limit")
				checkBoundaries(t, text, o, limit, rapid.IntRange(1, 10).Draw(t, "chunk"), rapid.Uint64().Draw(t, "seed"))
			})
		})
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "\uFEFF", "ann\nbob\r\n\neve", "ann\n\xff\nb\x00b\n" + strings.Repeat("x", 300) + "\n",
		"UserID\nann\n\"b\nb\"\n", "UserID,Nick\nann,\"A, \"\"a\"\"\n\"\nbob,\"B\neve,\n", "\"UserID\",\"TinyID\"\r\n\"ann\",\"17\"\r\nbob,x",
		"UserID,Nick\n" + strings.Repeat("\"a,b\n", 20) + "a\"b\n,\n",
		"{\"UserID\":\"ann\"}\n\"bob\"\n{\"UserID\":\"a\\u0041\",\"Created\":17,\"TinyID\":\"5\"}\n{\"UserID\": 5}\n[]\n{", "[{\"UserID\":\"ann\"}]",
		"\xff\xfea\x00", "a\x00n\x00n\x00\n\x00", "PK\x03\x04", "UserID;Nick\n", "a,b\n",
	} {
		f.Add(seed, uint8(0), uint8(3), uint8(3))
		f.Add(seed, uint8(1), uint8(1), uint8(1))
		f.Add(seed, uint8(2), uint8(40), uint8(2))
		f.Add(seed, uint8(3), uint8(255), uint8(255))
	}
	formats := []bulk.Format{"", bulk.Names, bulk.CSV, bulk.NDJSON}
	f.Fuzz(func(t *testing.T, text string, format, limit, maxRows uint8) {
		if len(text) > 4<<10 {
			return // every chunk is resumed, which takes its time
		}
		o := bulk.ReaderOptions{Format: formats[format%4], KeepTinyIDs: format&4 != 0}
		checkBoundaries(t, text, o, 8+int(limit), int(maxRows)+1, uint64(len(text)))
	})
}

// TestNextAllocations holds the paths that most files take to nothing per row: one copy
// per block is all.
func TestNextAllocations(t *testing.T) {
	for _, in := range benchInputs {
		if strings.HasSuffix(in.name, "quoted") || strings.HasSuffix(in.name, "escapes") {
			continue
		}
		const rows = 100_000
		data := benchInput(in.head, in.row, rows)
		c := &bulk.Chunk{Rows: make([]bulk.Row, 0, 4096)}
		n := testing.AllocsPerRun(3, func() {
			readAll(t, bytes.NewReader(data), bulk.ReaderOptions{KeepTinyIDs: in.keep}, c, 4096)
		})
		if n > rows/1000 {
			t.Errorf("%s: %v allocations for %d rows", in.name, n, rows)
		}
	}
}
