package account

import (
	"context"
	"errors"

	"github.com/muster-im/muster/internal/errcode"
)

// Delete deletes accounts and returns one error for each name, in order: nil if it was
// deleted, 70107 if it is not imported, 70402 for an admin of the App.
//
// A deleted account counts as kicked: its UserSigs are dead for whoever imports the
// name again.
func (s *Service) Delete(ctx context.Context, p *Policy, ids []UserID) ([]*errcode.Error, error) {
	if err := checkBatch(len(ids)); err != nil {
		return nil, err
	}
	if p.DeleteLocked {
		return nil, errcode.New(errcode.DeleteLocked)
	}
	out := make([]*errcode.Error, len(ids))
	todo, at := planDelete(p, ids, out)
	if len(todo) == 0 {
		return out, nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	// Like a kick, a delete kills the UserSigs of its own second, and so of this one.
	second := s.clock.Now().Unix()
	found, err := s.store.Delete(storeCtx, p.SDKAppID, todo, second)
	s.revoke(p.SDKAppID, todo, Deleted, err)
	if err != nil {
		return nil, callError("delete", err)
	}
	for i, f := range found {
		if !f {
			out[at[i]] = errcode.New(errcode.NoAccount)
		}
	}
	return out, nil
}

// Kick is KickMany for one account; its error is that of the account or of the call.
func (s *Service) Kick(ctx context.Context, p *Policy, id UserID) error {
	out, err := s.KickMany(ctx, p, []UserID{id})
	if err != nil {
		return err
	}
	if out[0] != nil {
		return out[0]
	}
	return nil
}

// KickMany kills every UserSig that was made for 1 to MaxBatch accounts until now. It
// returns one error for each name, in order: nil if it was kicked, 70107 if it is not
// imported, 70402 if it could never be. A name that repeats is kicked once and each time
// answered alike. On error of the call all were kicked or none.
//
// If any was kicked, KickMany returns when the current second is over, because a UserSig's
// time has one-second grain: one made after KickMany has returned works.
func (s *Service) KickMany(ctx context.Context, p *Policy, ids []UserID) ([]*errcode.Error, error) {
	if err := checkBatch(len(ids)); err != nil {
		return nil, err
	}
	out := make([]*errcode.Error, len(ids))
	todo, at := planKick(ids, out)
	if len(todo) == 0 {
		return out, nil
	}
	second := s.clock.Now().Unix()
	storeCtx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	found, err := s.store.Kick(storeCtx, p.SDKAppID, todo, second)
	s.revoke(p.SDKAppID, todo, Kicked, err)
	if err != nil {
		return nil, callError("kick", err)
	}
	kicked := false
	for i, k := range at {
		switch {
		case k < 0:
		case found[k]:
			kicked = true
		default:
			out[i] = errcode.New(errcode.NoAccount)
		}
	}
	if !kicked {
		return out, nil
	}
	return out, s.awaitEndOf(ctx, second)
}

// revoke tells the Revoker of accounts that the store was asked to kick or delete. err is
// the store's; after ErrBusy their UserSigs are as good as before.
func (s *Service) revoke(app SDKAppID, ids []UserID, why Cause, err error) {
	if errors.Is(err, ErrBusy) {
		return
	}
	for _, id := range ids {
		s.revoker.Revoke(app, id, why)
	}
}

// ValidFrom returns the second up to which the UserSigs of an account are dead, 0 if
// it was never kicked.
func (s *Service) ValidFrom(ctx context.Context, app SDKAppID, id UserID) (int64, error) {
	accounts, err := s.Get(ctx, app, []UserID{id})
	if err != nil {
		return 0, err
	}
	return accounts[0].ValidFrom, nil
}
