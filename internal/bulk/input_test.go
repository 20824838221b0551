package bulk_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-im/muster/internal/bulk"
)

func writeFile(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestInput(t *testing.T) {
	text := benchInput("", "user_%016x\n", 20000)
	half := len(text) / 2
	skippable := "\x50\x2a\x4d\x18\x02\x00\x00\x00ab"
	for name, tt := range map[string]struct {
		raw         []byte
		compression string
	}{
		"plain":                       {text, ""},
		"gzip":                        {gzipped(t, text), "gzip"},
		"gzip of two members":         {append(gzipped(t, text[:half]), gzipped(t, text[half:])...), "gzip"},
		"zstd":                        {zstded(t, text), "zstd"},
		"zstd of two frames":          {append(zstded(t, text[:half]), zstded(t, text[half:])...), "zstd"},
		"zstd, first a frame to skip": {append([]byte(skippable), zstded(t, text)...), "zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "accounts", tt.raw)
			in, err := bulk.OpenInput(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if in.Name() != path || in.Size() != int64(len(tt.raw)) {
				t.Errorf("name %s, size %d", in.Name(), in.Size())
			}
			checkInput(t, in, text, tt.compression, len(tt.raw))

			in, err = bulk.OpenInput("-", iotest.HalfReader(bytes.NewReader(tt.raw)))
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if in.Name() != "stdin" || in.Size() != 0 {
				t.Errorf("name %s, size %d", in.Name(), in.Size())
			}
			checkInput(t, in, text, tt.compression, len(tt.raw))
		})
	}
}

func checkInput(t *testing.T, in *bulk.Input, text []byte, compression string, size int) {
	t.Helper()
	r, err := bulk.NewReader(in.Name(), in, bulk.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if in.Compression() != compression || r.Compression() != compression {
		t.Errorf("compression %q and %q, want %q", in.Compression(), r.Compression(), compression)
	}
	got := drain(t, r, bulk.Position{}, 1000)
	if len(got.Rows) != 20000 || got.Err != "" || got.Ends[len(got.Ends)-1].Offset != int64(len(text)) {
		t.Errorf("%d rows, error %q", len(got.Rows), got.Err)
	}
	if in.Consumed() != int64(size) {
		t.Errorf("consumed %d of %d bytes", in.Consumed(), size)
	}
}

// TestTruncated shows that the whole rows of a truncated file are read, that the last one,
// which may be cut, is not, and that the error says where that is.
func TestTruncated(t *testing.T) {
	text := benchInput("", "user_%016x\n", 20000)
	for name, packed := range map[string][]byte{"gzip": gzipped(t, text), "zstd": zstded(t, text)} {
		t.Run(name, func(t *testing.T) {
			for cut := 0; cut < len(packed); cut += 1 + len(packed)/50 {
				in, err := bulk.OpenInput(writeFile(t, "cut", packed[:cut]), nil)
				if err == nil {
					var r *bulk.Reader
					if r, err = bulk.NewReader("cut", in, bulk.ReaderOptions{}); err == nil {
						err = readTruncated(t, r, text)
					}
					in.Close()
				}
				if cut < 4 { // it is not known what it is
					continue
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "the "+name+" data ends too early, the file is truncated") {
					t.Errorf("cut at %d: %v", cut, err)
				}
			}
		})
	}
}

func readTruncated(t *testing.T, r *bulk.Reader, text []byte) error {
	t.Helper()
	var c bulk.Chunk
	rows := int64(0)
	for {
		err := r.Next(&c, 1000)
		if err != nil {
			if e, ok := errors.AsType[*bulk.ReadError](err); ok && e.Line != rows+1 {
				t.Errorf("%d rows, but the error is %v", rows, err)
			}
			return err
		}
		for _, row := range c.Rows {
			if rows++; row.Line != rows || len(row.UserID) != 21 {
				t.Fatalf("row %d is %+v", rows, row)
			}
		}
		if !bytes.HasSuffix(text[:c.End.Offset], []byte("\n")) {
			t.Fatalf("%+v is inside a row", c.End)
		}
	}
}

func TestInputErrors(t *testing.T) {
	text := benchInput("", "user_%016x\n", 20000)
	flipped := gzipped(t, text)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"gzip checksum", flipped, "in:20001: the gzip data is broken: gzip: invalid checksum"},
		{"gzip header", []byte("\x1f\x8b\x07aaaaaaaaaaaaaaaa"), "in:1: the gzip data is broken: gzip: invalid header"},
		{"garbage after gzip", append(gzipped(t, text), "more garbage than a header"...), "in:20001: the gzip data is broken: gzip: invalid header"},
		{"zstd broken", append([]byte("\x28\xb5\x2f\xfd"), bytes.Repeat([]byte{0xff}, 100)...), "in:1: the zstd data is broken: "},
		{"zstd window", []byte("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00"), // of 256 MiB
			"in:1: the zstd data needs a window of more than 128 MiB, compress it without --long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, err := bulk.OpenInput("-", bytes.NewReader(tt.raw))
			if err == nil {
				var r *bulk.Reader
				if r, err = bulk.NewReader("in", in, bulk.ReaderOptions{}); err == nil {
					err = readTruncated(t, r, text)
				}
			}
			if err == nil || !strings.HasPrefix(strings.Replace(err.Error(), "stdin:", "in:", 1), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}

	dir := t.TempDir()
	if _, err := bulk.OpenInput(dir, nil); err == nil || err.Error() != dir+" is a directory, not a file with a row a line" {
		t.Errorf("directory: %v", err)
	}
	if _, err := bulk.OpenInput(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("missing: %v", err)
	}
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := bulk.OpenInput("-", file); err == nil || err.Error() != "stdin is a directory, not a file with a row a line" {
		t.Errorf("directory on stdin: %v", err)
	}
	in, err := bulk.OpenInput("-", iotest.ErrReader(&fs.PathError{Op: "read", Path: "x", Err: fs.ErrPermission}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bulk.NewReader("stdin", in, bulk.ReaderOptions{}); err == nil || err.Error() != "stdin:1: read: permission denied" {
		if err == nil || err.Error() != "stdin:1: read: "+fs.ErrPermission.Error() {
			t.Errorf("unreadable: %v", err)
		}
	}
}
