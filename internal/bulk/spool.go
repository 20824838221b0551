package bulk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
)

const (
	spoolParts  = 64        // temporary files, so that the names of one fit into memory
	spoolBuffer = 16 << 10  // of each file
	spoolRecord = 17        // two hashes and whether the account exists
	spoolAtOnce = 512 << 10 // records of a file that are looked at in one pass; it takes more passes, not more memory
)

// Spool counts how many different names there are among any number of them in a bounded
// amount of memory: hashes of the names wait in temporary files until all are there, and
// are counted file by file. Two names are the same if 128 bits of hash are, with seeds
// that nobody knows; among a billion names the odds of a mistake are below 10^-20.
//
// A Spool is for one goroutine.
type Spool struct {
	dir   string
	seeds [2]maphash.Seed
	parts [spoolParts]spoolPart

	record [spoolRecord]byte // the one at hand
}

type spoolPart struct {
	file *os.File
	buf  *bufio.Writer
	n    int // records
}

// NewSpool returns an empty Spool that keeps its files in a new directory in dir, or in
// the system's for temporary files if dir is "". It must be closed.
func NewSpool(dir string) (*Spool, error) {
	dir, err := os.MkdirTemp(dir, "muster-spool-")
	if err != nil {
		return nil, fmt.Errorf("bulk: spool: %w", err)
	}
	s := &Spool{dir: dir, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	for i := range s.parts {
		file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("part-%02d", i)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			_ = s.Close() // what went wrong first is told
			return nil, fmt.Errorf("bulk: spool: %w", err)
		}
		s.parts[i] = spoolPart{file: file, buf: bufio.NewWriterSize(file, spoolBuffer)}
	}
	return s, nil
}

// Add takes a name, and whether its account exists.
func (s *Spool) Add(userID string, existing bool) error {
	record := &s.record
	high := maphash.String(s.seeds[0], userID)
	binary.LittleEndian.PutUint64(record[:8], high)
	binary.LittleEndian.PutUint64(record[8:], maphash.String(s.seeds[1], userID))
	record[16] = 0
	if existing {
		record[16] = 1
	}
	part := &s.parts[high%spoolParts]
	part.n++
	if _, err := part.buf.Write(record[:]); err != nil {
		return fmt.Errorf("bulk: spool: %w", err)
	}
	return nil
}

// Finish counts the names that were added. A name that was added several times counts
// once, as existing if it ever was, and the rest of the times as repeated. Nothing can be
// added afterwards.
func (s *Spool) Finish() (newAccounts, existing, repeated int64, err error) {
	seen := make(map[[2]uint64]bool)
	for i := range s.parts {
		part := &s.parts[i]
		repeated += int64(part.n)
		passes := uint64(part.n/spoolAtOnce + 1)
		for pass := range passes {
			clear(seen)
			err := part.each(s.record[:], func(key [2]uint64, exists bool) {
				if key[1]%passes == pass {
					seen[key] = seen[key] || exists
				}
			})
			if err != nil {
				return 0, 0, 0, fmt.Errorf("bulk: spool: %w", err)
			}
			repeated -= int64(len(seen))
			for _, exists := range seen {
				if exists {
					existing++
				} else {
					newAccounts++
				}
			}
		}
	}
	return newAccounts, existing, repeated, nil
}

// each reads all records of a part. record is memory to work in.
func (p *spoolPart) each(record []byte, visit func(key [2]uint64, exists bool)) error {
	if err := p.buf.Flush(); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(p.file, 256<<10)
	for range p.n {
		if _, err := io.ReadFull(in, record); err != nil {
			return err
		}
		visit([2]uint64{binary.LittleEndian.Uint64(record), binary.LittleEndian.Uint64(record[8:])}, record[16] != 0)
	}
	return nil
}

// Close removes the files. It may be called at any time, and more than once.
func (s *Spool) Close() error {
	var errs []error
	for i := range s.parts {
		if file := s.parts[i].file; file != nil {
			errs = append(errs, file.Close())
			s.parts[i].file = nil
		}
	}
	if err := errors.Join(append(errs, os.RemoveAll(s.dir))...); err != nil {
		return fmt.Errorf("bulk: spool: %w", err)
	}
	return nil
}
