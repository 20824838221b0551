package bench

import "syscall"

// settleDisk waits until the system has written what is still to be written: else the
// next measurement's syncs would wait for the files of the one before.
func settleDisk() { syscall.Sync() }
