package account

import (
	"context"
	"errors"
)

// Store keeps accounts. Every method is safe for concurrent use and linearizable per
// account; an effect is durable when the method returns, and nothing is answered on
// the strength of a write that is not yet durable.
//
// An error means that the call was applied fully or not at all, and that repeating it
// is safe. ErrBusy promises that nothing was done. If ctx ends first the call returns
// an error that wraps ctx.Err(); its fate is then unknown unless ctx had ended before
// the call. A Store does not keep the slices it is given after it has returned,
// except that a call abandoned through ctx may read them until it is through.
//
// Results are aligned with the input. The caller of Import, Delete, Kick and SetProfile
// passes valid UserIDs, none twice in one call; Check and Get take any names.
type Store interface {
	// Import creates the accounts of b that are not there and returns what became of
	// each. All or nothing: if the App would hold more than b.Quota accounts it returns
	// ErrQuota and has changed nothing, unless b.Fill asks for as many as there is room for.
	//
	// A batch may be of any length; one of many thousand entries in ascending order of UserID
	// is what a backend is free to treat as a sorted run. It is atomic like any other.
	Import(ctx context.Context, app SDKAppID, b Batch) ([]Imported, error)

	// Check reports for each name whether it is imported.
	Check(ctx context.Context, app SDKAppID, ids []UserID) ([]bool, error)

	// Get returns each account; see Account for names that are not imported.
	Get(ctx context.Context, app SDKAppID, ids []UserID) ([]Account, error)

	// List returns up to limit imported accounts of an App whose UserID is greater than
	// after, in byte order of UserID; fewer than limit means that there are no more. A
	// limit below 1 returns none. after is "", to start at the beginning, or a valid name
	// that need not be there. The Attrs of their profiles are left out, so that many accounts
	// have a bounded size. Pages are not one snapshot: an account that is imported or
	// deleted between two calls may be missed or met, every other is met exactly once.
	List(ctx context.Context, app SDKAppID, after UserID, limit int) ([]Account, error)

	// Delete removes accounts with their profiles and reports which of them were there.
	// The ValidFrom of a removed account becomes at least at (Unix seconds), and outlives
	// it; its TinyID is never used again.
	Delete(ctx context.Context, app SDKAppID, ids []UserID, at int64) ([]bool, error)

	// Kick raises the ValidFrom of accounts to at least validFrom (Unix seconds; never lowers
	// it) and reports which of them are imported; for one that is not nothing changes. As
	// long as it may be, it is all or nothing, also after a crash.
	Kick(ctx context.Context, app SDKAppID, ids []UserID, validFrom int64) ([]bool, error)

	// SetProfile applies a change to the account's profile and reports whether the
	// account is imported; if it is not, nothing changes.
	SetProfile(ctx context.Context, app SDKAppID, id UserID, c ProfileChange) (bool, error)
}

// Batch is the input of Store.Import.
type Batch struct {
	Entries []Entry
	At      int64 // Unix seconds, the Created of new accounts
	// Quota is the number of accounts that the App may hold; 0 means no limit.
	Quota int64
	// HeldSince holds names that were deleted at or after this second: their entry is
	// Held and nothing is done for it; 0 means no hold.
	HeldSince int64
	// Signed holds names likewise whose ValidFrom is at or after this second: those that a
	// UserSig made in it must not bring back; 0 means that there is none.
	Signed int64
	// Fill imports new accounts in the order of Entries as long as Quota has room; those
	// beyond are OverQuota and nothing is done for them.
	Fill bool
	// Restore, if not nil, is aligned with Entries. An entry with a TinyID is Taken, and
	// nothing is done for it, if its account exists with another TinyID, or if it does not
	// exist and the TinyID was given before: to whomever, in whatever App, deleted or not,
	// also by an earlier entry of this batch. A store that does not know whether a number
	// was given takes it as given.
	Restore []Restore
	// TinyIDs asks for the TinyID of entries that already exist; that of new ones is
	// always given. A backend may be much faster when it is false.
	TinyIDs bool
}

// Imported is what the store did with one Entry: Created, Existed, Updated, Held,
// OverQuota or Taken.
type Imported struct {
	Status Status
	TinyID TinyID
	// ValidFrom is that of a Created account whose name was there before or which was
	// restored with one, else 0.
	ValidFrom int64
}

// Errors that a Store returns, possibly wrapped.
var (
	ErrQuota  = errors.New("the App's number of accounts is used up")
	ErrBusy   = errors.New("the store's queue is full")
	ErrClosed = errors.New("the store is closed")
	// ErrFailed means that the store met a fault after which it cannot promise
	// durability any more (a failed write to its log); only a restart helps.
	ErrFailed = errors.New("the store has failed")
)
