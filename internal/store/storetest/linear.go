package storetest

import (
	"context"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
)

// Target is what a Workload drives: a store for one App, or a server through its API.
//
// An error that wraps account.ErrBusy or account.ErrQuota promises that nothing was
// done. After any other the call's fate is unknown: it may have been applied, or may
// still be at any later time. at and validFrom are Unix seconds; a Target that has its
// own clock ignores them and sets Blind.ValidFrom. detail asks for the TinyID of
// accounts that exist already.
type Target interface {
	Import(ctx context.Context, ids []account.UserID, at int64, detail bool) ([]account.Imported, error)
	Check(ctx context.Context, ids []account.UserID) ([]bool, error)
	Get(ctx context.Context, ids []account.UserID) ([]account.Account, error)
	Delete(ctx context.Context, ids []account.UserID, at int64) ([]bool, error)
	Kick(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error)
}

// StoreTarget returns the accounts of an App in a store as a Target.
func StoreTarget(st account.Store, app account.SDKAppID) Target { return storeTarget{st, app} }

type storeTarget struct {
	account.Store
	app account.SDKAppID
}

func (t storeTarget) Import(ctx context.Context, ids []account.UserID, at int64, detail bool) ([]account.Imported, error) {
	return t.Store.Import(ctx, t.app, account.Batch{Entries: entries(ids...), At: at, TinyIDs: detail})
}

func (t storeTarget) Check(ctx context.Context, ids []account.UserID) ([]bool, error) {
	return t.Store.Check(ctx, t.app, ids)
}

func (t storeTarget) Get(ctx context.Context, ids []account.UserID) ([]account.Account, error) {
	return t.Store.Get(ctx, t.app, ids)
}

func (t storeTarget) Delete(ctx context.Context, ids []account.UserID, at int64) ([]bool, error) {
	return t.Store.Delete(ctx, t.app, ids, at)
}

func (t storeTarget) Kick(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
	return t.Store.Kick(ctx, t.app, ids, validFrom)
}

// Op is a kind of call.
type Op uint8

// The calls of a Workload.
const (
	OpImport Op = iota
	OpCheck
	OpGet
	OpDelete
	OpKick
)

// String returns the name of the Target's method.
func (o Op) String() string {
	return [...]string{OpImport: "Import", OpCheck: "Check", OpGet: "Get", OpDelete: "Delete", OpKick: "Kick"}[o]
}

// Workload says how a History is made: which random calls, by how many clients.
type Workload struct {
	// Seed makes the choices repeatable, the schedule it cannot. It is part of the
	// accounts' names, which must be new to the Target.
	Seed     uint64
	Clients  int  // how many call at the same time
	Calls    int  // calls of each client in one Record
	Accounts int  // the names that they share, at least Batch
	Batch    int  // most names in one call
	Mix      []Op // each call is drawn from these; leave out what a Target cannot do
	// Abandon is the percentage of calls whose context is canceled around the time
	// they start.
	Abandon int
	Blind   Blind

	// long, if not nil, counts the imports of a History of which some are long batches.
	long *atomic.Int64
}

// Blind says what a Target does not show, so that it is not checked.
type Blind struct {
	Status    bool // whether an imported account was new
	TinyID    bool // the TinyID of a created account, unless it is not zero
	ValidFrom bool // any ValidFrom
}

// DefaultWorkload returns one small enough that its History is verified in
// milliseconds, and contended enough that races show.
func DefaultWorkload(seed uint64) Workload {
	return Workload{
		Seed: seed, Clients: 8, Calls: 25, Accounts: 6, Batch: 3,
		Mix: []Op{
			OpImport, OpImport, OpImport, OpImport, OpCheck, OpCheck, OpCheck, OpGet, OpGet, OpGet, OpDelete, OpDelete, OpKick, OpKick,
		},
	}
}
