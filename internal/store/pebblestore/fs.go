package pebblestore

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardedFS turns faults of the disk at which Pebble panics, on whatever goroutine they
// happen, into a failure of the store: a directory that cannot be synced, and a log that
// cannot be made, written, synced or closed. The goroutine that meets one is parked.
type guardedFS struct {
	vfs.FS
	failure *failure
}

// Unwrap implements vfs.FS.
func (g guardedFS) Unwrap() vfs.FS { return g.FS }

// OpenDir implements vfs.FS.
func (g guardedFS) OpenDir(name string) (vfs.File, error) {
	d, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return guardedDir{guardedFile{File: d, failure: g.failure, name: name}}, nil
}

// Create implements vfs.FS.
func (g guardedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	return g.guardLog(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (g guardedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	return g.guardLog(newname, f, err)
}

// guardLog guards f if its name is that of a log.
func (g guardedFS) guardLog(name string, f vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") {
		return f, err
	}
	guarded := guardedFile{File: f, failure: g.failure, name: name}
	guarded.check("create", err)
	return guardedLog{guarded}, nil
}

// guardedFile is a file whose faults are failures of the store.
type guardedFile struct {
	vfs.File
	failure *failure
	name    string
}

// check does not return if err is not nil.
func (f guardedFile) check(op string, err error) {
	if err != nil {
		f.failure.park(fmt.Errorf("%s %s: %w", op, f.name, err))
	}
}

type guardedDir struct{ guardedFile }

// Sync implements vfs.File; it does not return if the sync fails.
func (d guardedDir) Sync() error {
	d.check("sync directory", d.File.Sync())
	return nil
}

// guardedLog is a log; none of its methods that write returns an error.
type guardedLog struct{ guardedFile }

// Write implements vfs.File.
func (l guardedLog) Write(p []byte) (int, error) {
	n, err := l.File.Write(p)
	l.check("write", err)
	return n, nil
}

// Preallocate implements vfs.File.
func (l guardedLog) Preallocate(offset, length int64) error {
	l.check("preallocate", l.File.Preallocate(offset, length))
	return nil
}

// Sync implements vfs.File.
func (l guardedLog) Sync() error {
	l.check("sync", l.File.Sync())
	return nil
}

// SyncData implements vfs.File.
func (l guardedLog) SyncData() error {
	l.check("sync", l.File.SyncData())
	return nil
}

// SyncTo implements vfs.File.
func (l guardedLog) SyncTo(length int64) (bool, error) {
	full, err := l.File.SyncTo(length)
	l.check("sync", err)
	return full, nil
}

// Close implements vfs.File.
func (l guardedLog) Close() error {
	l.check("close", l.File.Close())
	return nil
}
