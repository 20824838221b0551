// Package faulttest holds the tests in which a pebblestore meets faults that it does not
// survive: writes to the log that fail, tables that are damaged. A store that has failed
// is abandoned with its goroutines, because Pebble may be stuck, so these tests stand
// apart from those that insist on no goroutine being left.
package faulttest
