package bulk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/muster-im/muster/imclient"
)

// Exporter is what accounts are exported from; *imclient.Client is one.
type Exporter interface {
	BulkExport(ctx context.Context, o imclient.BulkExportOptions, each func(line []byte) error) (rows int64, err error)
}

// ExportOptions say what is exported and how. Service is needed.
type ExportOptions struct {
	Service Exporter
	Format  Format // CSV or NDJSON
	After   string // the last name that is not wanted; "" for all
	Limit   int64  // 0 for all
	// NoHeader leaves the header of a CSV out, for what is appended to one.
	NoHeader bool
	// OnProgress, if set, is told now and then how many accounts are written.
	OnProgress func(rows int64)
	Notice     func(string)
	// Wait waits for a time, or returns ctx's error when that ends; nil means real time.
	Wait func(ctx context.Context, d time.Duration) error
}

// Exported says how far an export has come.
type Exported struct {
	Rows int64  `json:"rows"`
	Last string `json:"last"` // the name of the last account; go on with After
}

// progressRows is after how many rows OnProgress is called.
const progressRows = 1 << 14

// csvHeader names the columns of an exported CSV, which NewReader reads.
const csvHeader = "UserID,TinyID,Created,ValidFrom,Nick,FaceUrl\n"

// Export writes all accounts of an App in the order of UserID to w, each on one line. Should
// the connection break it goes on behind the last account. All that is written is whole
// lines, also if there is an error, unless it is w's.
func Export(ctx context.Context, w io.Writer, o ExportOptions) (Exported, error) {
	e := &exporter{o: o, out: bufio.NewWriterSize(w, 256<<10), done: Exported{Last: o.After}}
	if o.Notice == nil {
		e.o.Notice = func(string) {}
	}
	if o.Wait == nil {
		e.o.Wait = wait
	}
	if o.Format == CSV && !o.NoHeader {
		_, _ = e.out.WriteString(csvHeader) // an error stays, and Flush returns it
	}
	err := e.run(ctx)
	err = errors.Join(err, e.out.Flush())
	if nameErr := e.nameLast(); nameErr != nil {
		err = errors.Join(err, nameErr)
	}
	if err != nil {
		return e.done, fmt.Errorf("bulk: export: %w", err)
	}
	return e.done, nil
}

type exporter struct {
	o     ExportOptions
	out   *bufio.Writer
	done  Exported
	line  []byte // of the last account
	fault error  // of writing
}

// run makes calls until one comes to the end.
func (e *exporter) run(ctx context.Context) error {
	for try := 0; ; try++ {
		before := e.done.Rows
		err := e.call(ctx)
		if err == nil || e.fault != nil || ctx.Err() != nil || !worthRepeating(err) {
			return err
		}
		if e.done.Rows > before {
			try = 0
		}
		if try == streamTries {
			return fmt.Errorf("given up after %d tries that came no further: %w", try, err)
		}
		e.o.Notice(fmt.Sprintf("the stream broke behind %d accounts, trying again: %v", e.done.Rows, err))
		if err := e.o.Wait(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

func (e *exporter) call(ctx context.Context) error {
	if err := e.nameLast(); err != nil {
		return err
	}
	o := imclient.BulkExportOptions{After: e.done.Last}
	if e.o.Limit > 0 {
		if o.Limit = e.o.Limit - e.done.Rows; o.Limit <= 0 {
			return nil
		}
	}
	_, err := e.o.Service.BulkExport(ctx, o, e.write)
	return err
}

// write writes one account. Which one it was is looked up only when it has to be known.
func (e *exporter) write(line []byte) error {
	if e.o.Format == CSV {
		e.fault = e.writeCSV(line)
	} else {
		_, _ = e.out.Write(line)
		e.fault = e.out.WriteByte('\n') // an error before stays
	}
	if e.fault != nil {
		return e.fault
	}
	e.line = append(e.line[:0], line...)
	e.done.Rows++
	if e.done.Rows%progressRows == 0 && e.o.OnProgress != nil {
		e.o.OnProgress(e.done.Rows)
	}
	return nil
}

func (e *exporter) writeCSV(line []byte) error {
	a, err := imclient.DecodeExported(line)
	if err != nil {
		return err
	}
	buf := appendCSV(e.out.AvailableBuffer(), a.UserID)
	buf = strconv.AppendUint(append(buf, ','), a.TinyID, 10)
	buf = strconv.AppendInt(append(buf, ','), a.Created, 10)
	buf = strconv.AppendInt(append(buf, ','), a.ValidFrom, 10)
	buf = appendCSV(append(buf, ','), a.Nick)
	buf = appendCSV(append(buf, ','), a.FaceURL)
	_, err = e.out.Write(append(buf, '\n'))
	return err
}

// appendCSV appends a field, in quotes where it needs them.
func appendCSV(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") && !strings.HasPrefix(s, " ") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}

// nameLast finds out the name of the last account.
func (e *exporter) nameLast() error {
	if len(e.line) == 0 {
		return nil
	}
	a, err := imclient.DecodeExported(e.line)
	if err != nil {
		return err
	}
	e.done.Last, e.line = a.UserID, e.line[:0]
	return nil
}

// ExportEnd looks at what an export that was broken off has written to f, and returns where
// its last whole line ends and the name on it; "" if there is none. It leaves f there. What
// cannot have been written by Export is an error, lest somebody else's file be cut off.
func ExportEnd(f *os.File, format Format) (offset int64, last string, err error) {
	if format == CSV {
		whole, err := hasHeader(f)
		if err != nil || !whole {
			return 0, "", err
		}
	}
	in, err := NewReader(f.Name(), f, ReaderOptions{Format: format})
	if err != nil {
		return 0, "", err
	}
	offset, last, err = exportEnd(in)
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return 0, "", err
	}
	return offset, last, nil
}

// hasHeader reports whether f begins with the whole header of an exported CSV. It is an error
// if it begins with anything but a part of that.
func hasHeader(f *os.File) (bool, error) {
	head := make([]byte, len(csvHeader))
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if !strings.HasPrefix(csvHeader, string(head[:n])) {
		return false, fmt.Errorf("%s: it does not begin with the header of an exported CSV", f.Name())
	}
	return n == len(csvHeader), nil
}

// exportEnd reads lines to the last whole one.
func exportEnd(in *Reader) (offset int64, last string, err error) {
	var c Chunk
	var before int64 // where the last line begins
	lastBefore, broken := "", false
	for err = in.Next(&c, 1); err == nil; err = in.Next(&c, 1) {
		// The line that is broken off is the last one. Before it may be one whose Nick cannot
		// be read, but its name can.
		if broken && last == "" {
			return 0, "", fmt.Errorf("%s:%d: it is not the line of an exported account", in.name, c.Start.Line)
		}
		before, lastBefore = offset, last
		offset, broken = c.End.Offset, len(c.Rejects) > 0
		switch {
		case broken:
			last = c.Rejects[0].UserID
		case len(c.Rows) > 0:
			last = c.Rows[0].UserID
		}
	}
	if !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	if broken || !in.endsInLineBreak() {
		return before, lastBefore, nil
	}
	return offset, last, nil
}
