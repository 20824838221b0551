//go:build !linux

package bench

// settleDisk does nothing, where the system cannot simply be asked.
func settleDisk() {}
