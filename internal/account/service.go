package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/errcode"
)

// StoreTimeout is how long a command waits for the store before it answers 70169
// (im-rest-api.md, section 1.6: the backend's processing time is 3 seconds).
const StoreTimeout = 3 * time.Second

// Policy is what an App allows its accounts; package app makes it from an Edition.
type Policy struct {
	SDKAppID SDKAppID
	// Quota is the number of accounts, admins not counted; 0 means no limit.
	Quota int64
	// Admins are the App's admins. They are accounts themselves and cannot be deleted.
	Admins []UserID
	// DeleteLocked refuses every delete with 71000.
	DeleteLocked bool
	// DeleteHold is how long a deleted name cannot be imported again; 0 means at once.
	DeleteHold time.Duration
}

// IsAdmin reports whether id is one of the App's admins.
func (p *Policy) IsAdmin(id UserID) bool { return slices.Contains(p.Admins, id) }

// storeQuota is the quota as the store counts, which counts admins like any account.
func (p *Policy) storeQuota() int64 {
	if p.Quota == 0 {
		return 0
	}
	return p.Quota + int64(len(p.Admins))
}

// heldSince is the HeldSince of a Batch at a time: 1 if the hold reaches back before any delete.
func (p *Policy) heldSince(now time.Time) int64 {
	if p.DeleteHold <= 0 {
		return 0
	}
	return max(now.Add(-p.DeleteHold).Unix(), 1)
}

// Clock is the time, injected so that tests own it.
type Clock interface {
	Now() time.Time
	// WaitUntil returns nil once Now is at or after t, or ctx.Err().
	WaitUntil(ctx context.Context, t time.Time) error
}

// Cause says why UserSigs of an account are good no longer.
type Cause uint8

// The causes.
const (
	Kicked  Cause = iota // the account was kicked, or restored with a valid-from
	Deleted              // the account was deleted
)

// Revoker is told when UserSigs of an account that were good are so no longer. It is
// called once the store has made that durable, and before the command waits for the end
// of a second and answers. It is told too of a command whose fate is unknown, and of
// accounts that turned out not to be there: a command repeated after a lost answer must
// end what the first one did not. It must not block, and be safe for concurrent use.
type Revoker interface {
	Revoke(app SDKAppID, id UserID, why Cause)
}

// Service carries out the account commands. Its errors are *errcode.Error values for
// the whole call; what concerns one account travels in the results.
type Service struct {
	store   Store
	clock   Clock
	revoker Revoker
}

// NewService returns a Service over a store.
func NewService(store Store, clock Clock, revoker Revoker) *Service {
	return &Service{store: store, clock: clock, revoker: revoker}
}

// Outcome is what became of one account of a call. Err is nil unless Status is Failed.
type Outcome struct {
	UserID UserID
	Status Status
	TinyID TinyID
	Err    *errcode.Error
}

// Import imports entries, in the order given, and returns one Outcome for each.
//
// A name that breaks the rules fails alone; a repeated name is one account, whose last
// non-empty Nick and FaceURL win. If the quota does not suffice for all new names the
// call fails with 70398 and nothing is imported. detail asks for the TinyID of every
// account, also of those that existed.
func (s *Service) Import(ctx context.Context, p *Policy, entries []Entry, detail bool) ([]Outcome, error) {
	if len(entries) == 0 || len(entries) > MaxBatch {
		return nil, errcode.Newf(errcode.BadParam, "1 to %d accounts can be imported at a time, the request has %d", MaxBatch, len(entries))
	}
	out := make([]Outcome, len(entries))
	plan := planImport(entries, out)
	if len(plan.unique) == 0 {
		return out, nil
	}
	now := s.clock.Now()
	b := Batch{
		Entries: plan.unique, At: now.Unix(), Quota: p.storeQuota(), HeldSince: p.heldSince(now), TinyIDs: detail,
	}
	storeCtx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	done, err := s.store.Import(storeCtx, p.SDKAppID, b)
	if err != nil {
		return nil, callError("import", err)
	}
	plan.fill(out, done)
	var deadUntil int64
	for _, d := range done {
		deadUntil = max(deadUntil, d.ValidFrom)
	}
	return out, s.awaitValidity(ctx, now.Unix(), deadUntil)
}

// awaitValidity waits until UserSigs signed now are good for accounts whose UserSigs are
// dead up to the second deadUntil.
func (s *Service) awaitValidity(ctx context.Context, now, deadUntil int64) error {
	if deadUntil < now {
		return nil
	}
	return s.awaitEndOf(ctx, min(deadUntil, now+1))
}

// awaitEndOf waits until a second is over.
func (s *Service) awaitEndOf(ctx context.Context, second int64) error {
	if err := s.clock.WaitUntil(ctx, time.Unix(second+1, 0)); err != nil {
		return errcode.Wrap(errcode.StoreTimeout, fmt.Errorf("account: wait for the end of a second: %w", err))
	}
	return nil
}

// Checked is the answer for one name of Check.
type Checked struct {
	UserID   UserID
	Imported bool
	Err      *errcode.Error // the name could never be imported
}

// Check reports for each name, in order, whether it is imported.
func (s *Service) Check(ctx context.Context, p *Policy, ids []UserID) ([]Checked, error) {
	if err := checkBatch(len(ids)); err != nil {
		return nil, err
	}
	found, err := s.Exist(ctx, p.SDKAppID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Checked, len(ids))
	for i, id := range ids {
		out[i] = Checked{UserID: id, Imported: found[i]}
		if !found[i] {
			out[i].Err = nameError(id)
		}
	}
	return out, nil
}

// Exist reports for each name whether it is imported; names may repeat or break the
// rules, and there is no limit on how many there are.
func (s *Service) Exist(ctx context.Context, app SDKAppID, ids []UserID) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	found, err := s.store.Check(ctx, app, ids)
	if err != nil {
		return nil, callError("check", err)
	}
	return found, nil
}

// Get returns the accounts of ids, in order; names may repeat or break the rules.
func (s *Service) Get(ctx context.Context, app SDKAppID, ids []UserID) ([]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	accounts, err := s.store.Get(ctx, app, ids)
	if err != nil {
		return nil, callError("get", err)
	}
	return accounts, nil
}

// List returns up to limit accounts of an App in the order of UserID, those after a name;
// fewer mean that there are no more. See Store.List.
func (s *Service) List(ctx context.Context, app SDKAppID, after UserID, limit int) ([]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	accounts, err := s.store.List(ctx, app, after, limit)
	if err != nil {
		return nil, callError("list", err)
	}
	return accounts, nil
}

// SetProfile changes the profile of one account; 70107 if it is not imported, 40001 if it
// would have more than MaxAttrs attributes. The change has been checked by package profile.
func (s *Service) SetProfile(ctx context.Context, app SDKAppID, id UserID, c ProfileChange) error {
	if id.Validate() != nil {
		return errcode.New(errcode.NoAccount)
	}
	if err := s.checkAttrs(ctx, app, id, c); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	found, err := s.store.SetProfile(ctx, app, id, c)
	if err != nil {
		return callError("set profile", err)
	}
	if !found {
		return errcode.New(errcode.NoAccount)
	}
	return nil
}

// checkAttrs bounds what an account can collect over many calls. Calls for one account at
// the same moment may together pass the bound by what they bring; the next one is refused.
func (s *Service) checkAttrs(ctx context.Context, app SDKAppID, id UserID, c ProfileChange) error {
	if len(c.Attrs) == 0 {
		return nil
	}
	accounts, err := s.Get(ctx, app, []UserID{id})
	if err != nil {
		return err
	}
	tags := make(map[string]struct{}, MaxAttrs)
	for _, attrs := range [][]Attr{accounts[0].Profile.Attrs, c.Attrs} {
		for _, a := range attrs {
			tags[a.Tag] = struct{}{}
		}
	}
	if len(tags) > MaxAttrs {
		return errcode.Newf(errcode.ProfileBadParam, "an account can have %d profile tags, this would make %d", MaxAttrs, len(tags))
	}
	return nil
}

func checkBatch(n int) error {
	if n == 0 || n > MaxBatch {
		return errcode.Newf(errcode.BadParam, "1 to %d accounts are allowed at a time, the request has %d", MaxBatch, n)
	}
	return nil
}

func nameError(id UserID) *errcode.Error {
	if err := id.Validate(); err != nil {
		return errcode.Newf(errcode.BadParam, "%v", err)
	}
	return nil
}

// callError gives a store's error its public code.
func callError(op string, err error) *errcode.Error {
	err = fmt.Errorf("account: %s: %w", op, err)
	switch {
	case errors.Is(err, ErrQuota):
		return errcode.Wrap(errcode.QuotaExceeded, err)
	case errors.Is(err, ErrBusy):
		return errcode.Wrap(errcode.Busy, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errcode.Wrap(errcode.StoreTimeout, err)
	default:
		return errcode.Wrap(errcode.Internal, err)
	}
}
