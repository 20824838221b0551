package bulk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/muster-im/muster/internal/bulk"
)

const benchRows = 1_000_000

// benchInputs are files of benchRows rows as they are written by most programs.
var benchInputs = []struct {
	name, head, row string
	keep            bool
}{
	{name: "names", row: "user_%016x\n"},
	{name: "names/cjk-nick.csv", head: "UserID,Nick\n", row: "user_%016x,安娜\n"},
	{name: "csv/1", head: "UserID\n", row: "user_%016x\n"},
	{name: "csv/3", head: "UserID,Nick,FaceUrl\n", row: "user_%016x,Ann,http://example.com/a.png\n"},
	{name: "csv/quoted", head: "UserID,Nick\n", row: "user_%016x,\"Ann, the \"\"first\"\"\"\n"},
	{name: "ndjson/name", row: `{"UserID":"user_%016x"}` + "\n"},
	{name: "ndjson/string", row: `"user_%016x"` + "\n"},
	{name: "ndjson/python", row: `{"UserID": "user_%016x", "Nick": "Ann"}` + "\n"},
	{name: "ndjson/export", row: `{"UserID":"user_%016x","TinyID":"144115188075855873","Created":1700000000,"Nick":"Ann"}` + "\n", keep: true},
	{name: "ndjson/escapes", row: `{"UserID":"user_%016x","Nick":"A\u006en"}` + "\n"},
}

func benchInput(head, row string, n int) []byte {
	b := []byte(head)
	for i := range n {
		b = fmt.Appendf(b, row, uint64(i)*0x9e3779b97f4a7c15)
	}
	return b
}

func readAll(tb testing.TB, in io.Reader, o bulk.ReaderOptions, c *bulk.Chunk, maxRows int) (rows, rejects int) {
	tb.Helper()
	r, err := bulk.NewReader("bench", in, o)
	if err != nil {
		tb.Fatal(err)
	}
	for {
		err := r.Next(c, maxRows)
		if errors.Is(err, io.EOF) {
			return rows, rejects
		}
		if err != nil {
			tb.Fatal(err)
		}
		rows += len(c.Rows)
		rejects += len(c.Rejects)
	}
}

func BenchmarkReader(b *testing.B) {
	for _, in := range benchInputs {
		b.Run(in.name, func(b *testing.B) {
			data := benchInput(in.head, in.row, benchRows)
			c := &bulk.Chunk{Rows: make([]bulk.Row, 0, 16384)}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if rows, _ := readAll(b, bytes.NewReader(data), bulk.ReaderOptions{KeepTinyIDs: in.keep}, c, 16384); rows != benchRows {
					b.Fatal(rows)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}

func gzipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func zstded(tb testing.TB, data []byte) []byte {
	tb.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(data, nil)
}

func BenchmarkCompressed(b *testing.B) {
	data := benchInput("", "user_%016x\n", benchRows)
	for name, packed := range map[string][]byte{"gzip": gzipped(b, data), "zstd": zstded(b, data)} {
		b.Run(name, func(b *testing.B) {
			c := &bulk.Chunk{Rows: make([]bulk.Row, 0, 16384)}
			b.ReportAllocs()
			for b.Loop() {
				in, err := bulk.OpenInput("-", bytes.NewReader(packed))
				if err != nil {
					b.Fatal(err)
				}
				if rows, _ := readAll(b, in, bulk.ReaderOptions{}, c, 16384); rows != benchRows {
					b.Fatal(rows)
				}
				in.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}
