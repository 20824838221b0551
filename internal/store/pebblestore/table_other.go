//go:build !unix

package pebblestore

// newTable returns n free slots.
func newTable(n int) []indexEntry { return make([]indexEntry, n) }

// freeTable gives a table back.
func freeTable([]indexEntry) {}
