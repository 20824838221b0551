//go:build unix

package bench

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// allocated returns the bytes that a file takes on disk, as du counts: a log that was
// preallocated takes more than its length.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// settleDisk waits until the system has written what is still to be written: else the
// next measurement's syncs would wait for the files of the one before.
func settleDisk() { unix.Sync() }
