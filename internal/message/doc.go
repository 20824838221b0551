// Package message is one-to-one messages between accounts: their rules, who keeps a copy, what
// a device that was away has missed, how far a conversation was read, and what was recalled.
//
// Every account has a box: its copies of messages, numbered from 1 without gaps in the order in
// which they were stored. A device that knows the last number it has seen asks for what follows
// and so misses nothing and sees nothing twice. A message has up to two copies, one in the box
// of whom it is to and one in that of whom it is from.
//
// Policy is in Service alone; a Store only keeps boxes.
package message
