//go:build unix

package bench

import (
	"io/fs"
	"syscall"
)

// allocated returns the bytes that a file takes on disk, as du counts: a log that was
// preallocated takes more than its length.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
