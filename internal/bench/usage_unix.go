//go:build unix

package bench

import (
	"io/fs"
	"math"
	"os"
	"runtime"
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

// peakOf returns the most memory that a process that has ended ever had, in bytes.
func peakOf(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss << 10
}

// spareFiles are what a process has open beside the connections of its sessions.
const spareFiles = 200

// maxSessions is how many connections a process may have.
func maxSessions() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return max(int(limit.Cur)-spareFiles, 1)
}
