// Package store is what holds accounts and messages: the interface that every backend offers.
// Backends live in packages beside this one and each must pass storetest; which one
// a server uses is decided where it is opened, and nothing above can tell them apart.
package store

import (
	"context"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/presence"
)

// Store is everything that a backend offers: what account.Service, presence.Table and message.Service
// need, and what operators' tools need. Delete takes with an account, in the same step, its box,
// and what it and its devices have read and seen; its copies in the boxes of others stay, and its
// box never gives a number twice. Once Close has been called every other call returns an
// error that wraps account.ErrClosed.
type Store interface {
	account.Store
	presence.Store
	message.Store

	// Count returns the exact number of imported accounts of an App.
	Count(ctx context.Context, app account.SDKAppID) (int64, error)

	// Close waits for the calls that are under way and releases what the store holds.
	// Calling it again does nothing and returns nil.
	Close() error
}
