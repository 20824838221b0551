package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd input may ask for. It is what the zstd command
// line accepts as well.
const maxWindow = 128 << 20

// Input is an open file or standard input. Reading gives the decompressed bytes.
type Input struct {
	name        string
	compression string
	size        int64
	raw         *rawReader
	decoded     io.Reader
	given       atomic.Int64 // decompressed bytes that were read
	close       func() error
}

// OpenInput opens the file name, or stdin if it is "-". Gzip and zstd are recognised by
// their first bytes, not by the name. Closing the Input leaves stdin open.
func OpenInput(name string, stdin io.Reader) (*Input, error) {
	in := &Input{name: name, close: func() error { return nil }}
	if name == "-" {
		in.name = "stdin"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("bulk: %w", err)
		}
		stdin, in.close = file, file.Close
	}
	if err := in.begin(stdin); err != nil {
		_ = in.Close() // only read
		return nil, err
	}
	return in, nil
}

// begin recognises how the bytes of r are compressed.
func (in *Input) begin(r io.Reader) error {
	if err := in.stat(r); err != nil {
		return err
	}
	in.raw = &rawReader{r: r}
	buf := bufio.NewReaderSize(in.raw, 128<<10)
	head, _ := buf.Peek(4) // an error is met again by whoever reads
	switch in.compression = compressionOf(string(head)); in.compression {
	case "gzip":
		z, err := gzip.NewReader(buf)
		if err != nil {
			return &ReadError{Name: in.name, Line: 1, Err: in.fault(err)}
		}
		in.decoded = z
	case "zstd":
		z, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return &ReadError{Name: in.name, Line: 1, Err: in.fault(err)}
		}
		file := in.close
		in.decoded, in.close = z, func() error { z.Close(); return file() }
	default:
		in.decoded = buf
	}
	return nil
}

// stat notes the size if r is a regular file, and refuses a directory.
func (in *Input) stat(r io.Reader) error {
	file, ok := r.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return nil
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("bulk: %w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory, not a file with a row a line", in.name)
	case info.Mode().IsRegular():
		in.size = info.Size()
	}
	return nil
}

// compressionOf tells by the first bytes.
func compressionOf(head string) string {
	switch {
	case strings.HasPrefix(head, "\x1f\x8b"):
		return "gzip"
	case head == "\x28\xb5\x2f\xfd":
		return "zstd"
	case len(head) == 4 && head[0]&0xf0 == 0x50 && head[1:] == "\x2a\x4d\x18": // a frame to be skipped
		return "zstd"
	default:
		return ""
	}
}

// Name returns the name of the file, "stdin" for standard input.
func (in *Input) Name() string { return in.name }

// Compression returns "gzip", "zstd" or "".
func (in *Input) Compression() string { return in.compression }

// Size returns how many bytes the file has, compressed as it is; 0 if that is unknown.
func (in *Input) Size() int64 { return in.size }

// Consumed returns how many of the bytes that Size counts have been read. It is safe for
// concurrent use.
func (in *Input) Consumed() int64 { return in.raw.n.Load() }

// Part returns which part of the input, from 0 to 1, its first so many decompressed bytes
// are, which must have been read; of a compressed one it is a guess. It returns false if
// the size is not known. It is safe for concurrent use.
func (in *Input) Part(decoded int64) (float64, bool) {
	given := in.given.Load()
	if in.size == 0 || given == 0 {
		return 0, false
	}
	read := min(float64(in.Consumed())/float64(in.size), 1)
	return read * min(float64(decoded)/float64(given), 1), true
}

// Read reads decompressed bytes.
func (in *Input) Read(p []byte) (int, error) {
	n, err := in.decoded.Read(p)
	in.given.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = in.fault(err)
	}
	return n, err
}

// Close closes the file, but not standard input.
func (in *Input) Close() error { return in.close() }

// fault says what an error of reading means.
func (in *Input) fault(err error) error {
	switch {
	case in.raw.err != nil && !errors.Is(in.raw.err, io.EOF), in.compression == "":
		if e, ok := errors.AsType[*os.PathError](err); ok {
			return fmt.Errorf("%s: %w", e.Op, e.Err) // the name is said elsewhere
		}
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the %s data ends too early, the file is truncated: %w", in.compression, io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the zstd data needs a window of more than %d MiB, compress it without --long: %w", maxWindow>>20, err)
	default:
		return fmt.Errorf("the %s data is broken: %w", in.compression, err)
	}
}

// rawReader counts what is read, and keeps the error apart from those of a decoder.
type rawReader struct {
	r   io.Reader
	n   atomic.Int64
	err error
}

func (r *rawReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n.Add(int64(n))
	if err != nil {
		r.err = err
	}
	return n, err
}
