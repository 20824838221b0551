//go:build unix

package pebblestore

import (
	"syscall"
	"unsafe"
)

// newTable returns n free slots, outside the heap. The index of ten million names has 200
// MB: on the heap the garbage collector would let half as much again pile up beside it,
// and a table that was outgrown would stay until the next collection.
func newTable(n int) []indexEntry {
	size := n * int(unsafe.Sizeof(indexEntry{}))
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]indexEntry, n) // the heap may still have room, or says clearly that it has not
	}
	return unsafe.Slice((*indexEntry)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// freeTable gives a table back. Nobody may hold a part of it.
func freeTable(t []indexEntry) {
	if len(t) == 0 {
		return
	}
	size := len(t) * int(unsafe.Sizeof(indexEntry{}))
	// Munmap knows its own mappings, and does nothing to a table from the heap.
	_ = syscall.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t))), size))
}
