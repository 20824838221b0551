package auth

import (
	"context"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/usersig"
)

// cacheKey is all of a request that verification depends on, apart from the state of the
// App and of the account. The parts are kept apart, so that no two requests can be
// spelled alike.
type cacheKey struct {
	app        account.SDKAppID
	identifier string
	userSig    string
}

// verified is a UserSig that a Key of the App signed. It is good while the App in the
// Registry is caller.App and the account's epoch is epoch. It may be dead or expired:
// that is for callerAt.
type verified struct {
	caller    Caller
	claims    usersig.Claims
	validFrom int64
	epoch     epoch
}

// callerAt returns the Caller if the UserSig is valid at the second now, else the refusal.
func (v *verified) callerAt(now int64) (Caller, error) {
	if err := v.claims.CheckTimes(usersig.Expect{Now: now, ValidFrom: v.validFrom}); err != nil {
		return Caller{}, refuseSig(err, v.caller.App.SDKAppID, string(v.caller.UserID), v.claims)
	}
	c := v.caller
	c.epoch = v.epoch
	return c, nil
}

// verifyOnce returns the verified UserSig of c, remembered or new.
func (a *Authenticator) verifyOnce(ctx context.Context, of *app.App, c *Credentials, now time.Time) (*verified, error) {
	// The epoch is read before valid-from. If the account is revoked in between, what
	// verify finds is stored under an epoch that is over, and so is never used.
	current := a.revocations.epoch(of.SDKAppID, account.UserID(c.Identifier))
	if len(c.UserSig) > maxCachedSig || len(c.Identifier) > account.MaxUserID {
		v, err := a.verifyGuess(ctx, of, c, now)
		if err == nil {
			v.epoch = current
		}
		return v, err
	}
	key := cacheKey{of.SDKAppID, c.Identifier, c.UserSig}
	if v, ok := a.cache.Get(key); ok && v.caller.App == of && v.epoch == current {
		return v, nil
	}
	v, err := a.verifyGuess(ctx, of, c, now)
	if err != nil {
		return nil, err
	}
	v.epoch = current
	// The strings of c are cut from the request's URL, which the cache must not keep.
	key.identifier, key.userSig = v.claims.Identifier, strings.Clone(c.UserSig)
	a.cache.Add(key, v)
	return v, nil
}

// verifyGuess verifies a UserSig that may be a guess at a Key: not from a locked source,
// and a wrong one counts.
func (a *Authenticator) verifyGuess(ctx context.Context, of *app.App, c *Credentials, now time.Time) (*verified, error) {
	if a.lockout.Locked(of.SDKAppID, c.Source, now) {
		return nil, errcode.New(errcode.TooManyBadSigs)
	}
	v, err := a.verify(ctx, of, c)
	if errcode.Of(err) == errcode.SigBadMAC {
		a.lockout.Fail(of.SDKAppID, c.Source, now)
	}
	return v, err
}

// verify decodes the UserSig of c, checks everything but the times, and reads valid-from.
func (a *Authenticator) verify(ctx context.Context, of *app.App, c *Credentials) (*verified, error) {
	sig, err := usersig.Parse(c.UserSig)
	if err != nil {
		return nil, refuseSig(err, of.SDKAppID, c.Identifier, sig.Claims)
	}
	// Times are left to callerAt: at the very second it was made, and without a
	// valid-from, every UserSig is in time.
	want := usersig.Expect{SDKAppID: uint64(of.SDKAppID), Identifier: c.Identifier, Now: sig.Time}
	if err := sig.Check(keys(of), want); err != nil {
		return nil, refuseSig(err, of.SDKAppID, c.Identifier, sig.Claims)
	}
	id := account.UserID(sig.Identifier)
	validFrom, err := a.accounts.ValidFrom(ctx, of.SDKAppID, id)
	if err != nil {
		return nil, unavailable(err)
	}
	sig.UserBuf = nil // of no use any more, and long
	return &verified{
		caller: Caller{
			App: of, UserID: id, Admin: of.Policy().IsAdmin(id),
			Signed: sig.Time, ExpiresAt: sig.ExpiresAt(),
		},
		claims:    sig.Claims,
		validFrom: validFrom,
	}, nil
}

// keys returns the App's Keys as package usersig takes them.
func keys(of *app.App) [][]byte {
	out := make([][]byte, len(of.Keys))
	for i, k := range of.Keys {
		out[i] = []byte(k.Reveal())
	}
	return out
}
