// Package exampletest runs the examples of the examples directory, as a developer would who
// tries them, against the built server: the Node scripts, and the pages in
// browsers. It has no code of its own to ship.
//
// It needs node, npm and chromium, and skips with a sentence what it lacks; scripts/test.sh
// installs them where it may. The packages that the examples depend on come through npm.
package exampletest
