// Package crashtest kills a real server process under load, again and again, and checks
// after each restart that everything it acknowledged is there: every account with its
// first TinyID, every deletion, every batch whole or not at all. It drives the built
// binary through its public door and has no code of its own to ship.
//
// make soak runs more cycles than make test does.
package crashtest
