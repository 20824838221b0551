package pebblestore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatFile stands in the store's directory beside Pebble's files. It holds the format
// version as decimal text and is read before anything else is touched.
const formatFile = "MUSTER-FORMAT"

// Errors of Open, wrapped with the directory and the cause.
var (
	ErrInUse       = errors.New("the directory is in use by another process")
	ErrNewerFormat = errors.New("the directory was written by a newer version of Muster")
	ErrNotAStore   = errors.New("the directory is not empty and holds no Muster store")
	ErrCorrupted   = errors.New("the store is damaged; restore it from a backup")
)

const defaultQueueLen = 1024

// Open opens the store in dir, creating it if dir is missing or empty. The index of
// names is built in the background; the store serves at once.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: open %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		log: o.Logger, loaded: make(chan struct{}), runLength: o.RunLength,
		index: newNameIndex(o.HashKey[0], o.HashKey[1]),
	}
	s.failure = newFailure(o.OnFailure)
	s.barrier.failed = s.failure.ch
	var err error
	if s.db, s.lock, err = openDB(dir, o, s.failure); err != nil {
		return nil, err
	}
	ids, err := loadIDs(s.db)
	ids.restored = &s.restored
	if err == nil {
		s.runs, err = openRunFiles(dir, o, s.db, s.lock, s.failure)
	}
	if err != nil {
		return nil, errors.Join(explainOpen(err), s.db.Close(), s.lock.Close())
	}
	s.start(o, ids)
	return s, nil
}

// openDB opens the database in dir for this process alone. f is told of faults after
// which nothing can be made durable any more.
func openDB(dir string, o Options, f *failure) (*pebble.DB, *pebble.Lock, error) {
	if err := prepareDir(dir, o); err != nil {
		return nil, nil, err
	}
	lock, err := lockDir(dir, o.FS)
	if err != nil {
		return nil, nil, err
	}
	if err := checkFormat(dir, o); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	po := pebbleOptions(o, lock, f)
	defer po.Cache.Unref() // the database holds its own reference
	var db *pebble.DB
	err = f.guard(func() (err error) {
		db, err = pebble.Open(dir, po)
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(explainOpen(err), lock.Close())
	}
	return db, lock, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.QueueLen == 0 {
		o.QueueLen = defaultQueueLen
	}
	if o.RunLength == 0 {
		o.RunLength = defaultRunLength
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.HashKey == [2]uint64{} {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		o.HashKey = [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
	}
	return o
}

// prepareDir makes sure that dir exists.
func prepareDir(dir string, o Options) error {
	if o.readOnly {
		_, err := o.FS.Stat(dir)
		return err
	}
	return mkdirAllSync(o.FS, dir)
}

// mkdirAllSync makes dir and the directories above it that are missing, durably.
func mkdirAllSync(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := fsys.PathDir(dir)
	if parent != dir {
		if err := mkdirAllSync(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fsys, parent)
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func lockDir(dir string, fsys vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES) && !errors.Is(err, fs.ErrPermission),
		strings.Contains(err.Error(), "lock held"):
		return nil, fmt.Errorf("%w (%w)", ErrInUse, err)
	default:
		return nil, fmt.Errorf("lock: %w", err)
	}
}

// checkFormat refuses a directory that this program must not touch, and marks a new one.
func checkFormat(dir string, o Options) error {
	path := o.FS.PathJoin(dir, formatFile)
	text, err := readFile(o.FS, path)
	if errors.Is(err, fs.ErrNotExist) {
		return markNew(dir, path, o)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", formatFile, err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || version < 1 {
		return fmt.Errorf("%w: %s holds %q instead of a format version", ErrCorrupted, formatFile, text)
	}
	if version > formatVersion {
		return fmt.Errorf("%w: its format is %d, this program knows %d", ErrNewerFormat, version, formatVersion)
	}
	return nil
}

func markNew(dir, path string, o Options) error {
	names, err := o.FS.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != "LOCK" {
			return fmt.Errorf("%w: it has %s", ErrNotAStore, name)
		}
	}
	if o.readOnly {
		return fmt.Errorf("%w: it is empty", ErrNotAStore)
	}
	return writeFile(o.FS, dir, path, strconv.Itoa(formatVersion)+"\n")
}

func readFile(fsys vfs.FS, path string) (string, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, 64))
	return string(b), errors.Join(err, f.Close())
}

// writeFile creates a file durably: it is there with its whole content or not at all.
func writeFile(fsys vfs.FS, dir, path, text string) error {
	tmp := path + ".tmp"
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// explainOpen says in our words what Pebble found.
func explainOpen(err error) error {
	switch {
	case pebble.IsCorruptionError(err), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrCorrupted, err)
	case strings.Contains(err.Error(), "written in format major version"):
		return fmt.Errorf("%w: %w", ErrNewerFormat, err)
	default:
		return err
	}
}
