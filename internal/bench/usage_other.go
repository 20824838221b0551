//go:build !unix

package bench

import (
	"io/fs"
	"math"
	"os"
)

// allocated returns the length of a file, where the system does not say what it takes.
func allocated(info fs.FileInfo) int64 { return info.Size() }

// peakOf returns the most memory that a process ever had; zero, since it is not known here.
func peakOf(*os.ProcessState) int64 { return 0 }

// maxSessions is how many connections a process may have; nobody says.
func maxSessions() int { return math.MaxInt32 }
