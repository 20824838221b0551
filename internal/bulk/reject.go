package bulk

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// rejectFile is the file of the rows that were not imported: CSV with the columns Row,
// UserID, Code, Reason, in the order of the input. A nil one is none.
type rejectFile struct {
	file  *os.File
	buf   *bufio.Writer
	csv   *csv.Writer
	begun bool
	size  int64 // from which to go on
}

// openRejects opens the file, or creates it. With the first write or sync it is cut off at
// size, to go on from a checkpoint: what was written after that is going to be written
// again. An import that does not even begin leaves it as it is.
func openRejects(path string, size int64) (*rejectFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("rejects: %w", err)
	}
	r := &rejectFile{file: f, buf: bufio.NewWriterSize(f, 64<<10), size: size}
	r.csv = csv.NewWriter(r.buf)
	if err := r.checkSize(); err != nil {
		return nil, errors.Join(fmt.Errorf("rejects: %w", err), f.Close())
	}
	return r, nil
}

func (r *rejectFile) checkSize() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < r.size {
		return fmt.Errorf("%s has %d bytes, with the checkpoint it had %d: it is another file", r.file.Name(), info.Size(), r.size)
	}
	return nil
}

// begin makes the file ready to be gone on with, the first time that it is called.
func (r *rejectFile) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	if err := r.file.Truncate(r.size); err != nil {
		return err
	}
	if _, err := r.file.Seek(r.size, io.SeekStart); err != nil {
		return err
	}
	if r.size > 0 {
		return nil
	}
	return r.csv.Write([]string{"Row", "UserID", "Code", "Reason"})
}

func (r *rejectFile) write(reject Reject) error {
	if r == nil {
		return nil
	}
	err := r.begin()
	if err == nil {
		err = r.csv.Write([]string{strconv.FormatInt(reject.Line, 10), reject.UserID, strconv.Itoa(reject.Code), reject.Reason})
	}
	if err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	return nil
}

// sync makes what was written durable and returns how many bytes that are.
func (r *rejectFile) sync() (size int64, err error) {
	if r == nil {
		return 0, nil
	}
	if err = r.begin(); err == nil {
		r.csv.Flush()
		err = errors.Join(r.csv.Error(), r.buf.Flush(), r.file.Sync())
	}
	if err == nil {
		size, err = r.file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return 0, fmt.Errorf("rejects: %w", err)
	}
	return size, nil
}

// close closes the file. What is to stay in it must have been synced.
func (r *rejectFile) close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}
