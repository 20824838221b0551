package account

import (
	"context"

	"github.com/muster-im/muster/internal/errcode"
)

// Login makes the account of a first login. The caller has found the UserSig of id good; it
// was made in the second signed. created says that there was no such account before.
//
// For an account that is there Login writes nothing and looks at no valid-from: a caller
// that lets somebody in asks afterwards whether the UserSig is good still, as
// auth.Authenticator.Current does. A new account counts towards the quota (70398), its name
// has to keep the rules (70402), and a hold after its deletion holds (70399).
//
// A UserSig that has died meanwhile makes no account (70052). It dies by a delete, since a
// name that is not imported cannot be kicked; whether it has is decided in the store, in one
// with the creation. So if an account is created whose name was there before, its valid-from
// lies before signed, and there is no second to wait for as in Import.
func (s *Service) Login(ctx context.Context, p *Policy, id UserID, signed int64) (created bool, err error) {
	if err := nameError(id); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	found, err := s.store.Check(ctx, p.SDKAppID, []UserID{id})
	if err != nil {
		return false, callError("login", err)
	}
	if found[0] {
		return false, nil
	}
	return s.firstLogin(ctx, p, id, signed)
}

// firstLogin is Login for an account that was not there a moment ago.
func (s *Service) firstLogin(ctx context.Context, p *Policy, id UserID, signed int64) (created bool, err error) {
	now := s.clock.Now()
	done, err := s.store.Import(ctx, p.SDKAppID, Batch{
		Entries: []Entry{{UserID: id}}, At: now.Unix(), Quota: p.storeQuota(), HeldSince: p.heldSince(now),
		Signed: max(signed, 1), // one from before 1970 is older than any delete
	})
	if err != nil {
		return false, callError("login", err)
	}
	if done[0].Status != Held {
		return done[0].Status == Created, nil
	}
	return false, s.heldError(ctx, p.SDKAppID, id, signed)
}

// heldError returns why a first login found its name held: its UserSig is dead, or else the
// App's policy holds the name. nil means that the account has come back meanwhile, with the
// UserSig still good.
func (s *Service) heldError(ctx context.Context, app SDKAppID, id UserID, signed int64) error {
	accounts, err := s.store.Get(ctx, app, []UserID{id})
	switch {
	case err != nil:
		return callError("login", err)
	case accounts[0].ValidFrom >= signed:
		return errcode.New(errcode.SigKicked)
	case !accounts[0].Exists():
		return errcode.New(errcode.DeletedRecently)
	default:
		return nil
	}
}
