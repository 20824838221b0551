package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is what a process has of the machine's memory, in bytes; zero if the system
// does not say.
type Memory struct {
	RSS  int64 `json:"rss_bytes"`
	Peak int64 `json:"peak_rss_bytes"`
}

// memoryOf reads the memory of a process from /proc, which only Linux has.
func memoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return Memory{}, nil
	}
	if err != nil {
		return Memory{}, fmt.Errorf("bench: memory: %w", err)
	}
	return parseStatus(string(text)), nil
}

// parseStatus picks VmRSS and VmHWM out of a /proc/PID/status; lines that are not as
// expected count as zero.
func parseStatus(text string) Memory {
	var m Memory
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		value, isKB := strings.CutSuffix(strings.TrimSpace(value), " kB")
		kb, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || !isKB {
			continue
		}
		switch name {
		case "VmRSS":
			m.RSS = kb << 10
		case "VmHWM":
			m.Peak = kb << 10
		}
	}
	return m
}

// diskUsage returns how many bytes the files under dir take on disk.
func diskUsage(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		total += allocated(info)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("bench: disk usage: %w", err)
	}
	return total, nil
}
