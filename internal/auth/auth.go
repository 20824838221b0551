// Package auth turns the credentials of a request into a Caller: which App, which account,
// and whether that is an admin of the App. What a Caller may do is for others to say.
//
// Verified UserSigs are remembered, so that the usual request costs one look-up. What is
// remembered is only that the App's Key signed the claims, and the account's valid-from;
// expiry is compared on every call. A remembered UserSig counts no longer as soon as
// anything of its App changes, or a signature of its account is revoked.
//
// The package logs nothing: what an operator should know travels in the error.
package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
)

// DefaultCacheSize is how many verified UserSigs are remembered unless Options says
// otherwise. At maxCachedSig bytes each that is some 10 MB, usually less than a third.
const DefaultCacheSize = 8192

// maxCachedSig is the length up to which a UserSig is remembered; one without a userbuf
// has about 200 to 400 bytes.
const maxCachedSig = 1 << 10

// Accounts knows since when the UserSigs of an account are good; *account.Service does.
type Accounts interface {
	// ValidFrom returns the second up to which the account's UserSigs are dead, 0 if none
	// are, also for an account that was never imported. It never moves back. After a
	// Revoke has returned, ValidFrom must tell what the Revoke was about.
	ValidFrom(ctx context.Context, app account.SDKAppID, id account.UserID) (int64, error)
}

// Lockout stops guessers; *limit.Lockout does.
type Lockout interface {
	// Locked reports whether source may not try UserSigs of app now.
	Locked(app account.SDKAppID, source string, now time.Time) bool
	// Fail counts a UserSig that source made up.
	Fail(app account.SDKAppID, source string, now time.Time)
}

// Options are what an Authenticator needs. Registry, Accounts, Revocations and Now must
// be given.
type Options struct {
	Registry *app.Registry
	Accounts Accounts
	// Revocations is told of kicks and deletes, and given to account.NewService also.
	Revocations *Revocations
	// Lockout may be nil, and then nobody is locked out.
	Lockout Lockout
	// Now returns the current time.
	Now func() time.Time
	// CacheSize is how many verified UserSigs are remembered; 0 means DefaultCacheSize.
	CacheSize int
}

func (o *Options) validate() error {
	var faults []error
	for _, need := range []struct {
		name  string
		given bool
	}{
		{"Registry", o.Registry != nil},
		{"Accounts", o.Accounts != nil},
		{"Revocations", o.Revocations != nil},
		{"Now", o.Now != nil},
	} {
		if !need.given {
			faults = append(faults, fmt.Errorf("%s is not given", need.name))
		}
	}
	if o.CacheSize < 0 {
		faults = append(faults, fmt.Errorf("CacheSize is %d", o.CacheSize))
	}
	return errors.Join(faults...)
}

// Authenticator authenticates requests. It is safe for concurrent use.
type Authenticator struct {
	registry    *app.Registry
	accounts    Accounts
	revocations *Revocations
	lockout     Lockout
	now         func() time.Time
	cache       *lru.Cache[cacheKey, *verified]
}

// New returns an Authenticator, or an error that names every option which is missing or
// wrong.
func New(o Options) (*Authenticator, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("auth: new: %w", err)
	}
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
	}
	if o.Lockout == nil {
		o.Lockout = noLockout{}
	}
	cache, err := lru.New[cacheKey, *verified](o.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("auth: new: %w", err)
	}
	return &Authenticator{
		registry:    o.Registry,
		accounts:    o.Accounts,
		revocations: o.Revocations,
		lockout:     o.Lockout,
		now:         o.Now,
		cache:       cache,
	}, nil
}

type noLockout struct{}

func (noLockout) Locked(account.SDKAppID, string, time.Time) bool { return false }
func (noLockout) Fail(account.SDKAppID, string, time.Time)        {}

// Credentials are what a request says of itself: the parameters of its URL, decoded but
// otherwise as they came, and the address it came from.
type Credentials struct {
	SDKAppID   string
	Identifier string
	UserSig    string
	Source     string // an IP address without a port, for the Lockout
}

// Caller is who makes an authenticated request.
type Caller struct {
	// App is the App as it was when the request was authenticated. It must not be changed.
	App *app.App
	// UserID is the identifier. The App's Key signed it, which does not make it the name
	// of an imported account, nor one that could be imported.
	UserID account.UserID
	// Admin says whether UserID is one of the App's admins.
	Admin bool
	// Signed is the second in which the UserSig was made, ExpiresAt that from which on it
	// has expired.
	Signed, ExpiresAt int64

	epoch epoch // of the account, when the UserSig was found good
}

// Current reports whether nothing has happened since Authenticate returned c that could make
// the answer another one, passing time apart: no kick, no delete, no change of the App. A
// false may be wrong, a true never is.
//
// Whoever acts on a Caller for longer than a request holds on to this order: note what is to
// be undone by a kick, then ask Current. A kick does it the other way round.
func (a *Authenticator) Current(c Caller) bool {
	of, ok := a.registry.Find(c.App.SDKAppID)
	return ok && of == c.App && a.revocations.epoch(c.App.SDKAppID, c.UserID) == c.epoch
}

// Authenticate returns who c belongs to. Its error is an *errcode.Error:
//
//	60012 60025 70020 60016  sdkappid is missing, not a number, of no App, of a disabled App
//	70050                    too many UserSigs that the source made up
//	70003                    the UserSig is empty or cannot be decoded
//	70014 70013              it is for another App, for another account
//	70009                    no Key of the App signed it
//	70052 70001              it was made before a kick, it has expired
//	70169 70202 70500        the account's valid-from could not be read
//
// The first that applies, in this order, is the answer, except that valid-from is read
// only once the Key is known to be right. ErrorInfo starts with the hosted service's
// sentence where that is known, and goes on with what exactly is wrong.
//
// Only 70009 counts toward 70050: it alone is the answer to a guess at a Key. The other
// refusals come from mistakes, which a lock of a minute would only make harder to find. A
// UserSig that was verified before is no guess, so it works from a locked source too:
// somebody who guesses behind the same proxy locks out nobody who is already at work.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (Caller, error) {
	of, err := a.findApp(c.SDKAppID)
	if err != nil {
		return Caller{}, err
	}
	now := a.now()
	v, err := a.verifyOnce(ctx, of, &c, now)
	if err != nil {
		return Caller{}, err
	}
	return v.callerAt(now.Unix())
}

// findApp returns the App that the sdkappid parameter names, unless it is disabled.
func (a *Authenticator) findApp(param string) (*app.App, error) {
	if param == "" {
		return nil, errcode.New(errcode.NoSDKAppID)
	}
	id, ok := parseSDKAppID(param)
	if !ok {
		return nil, refuse(errcode.BadURLParam, clip(param))
	}
	of, ok := a.registry.Find(id)
	if !ok {
		return nil, refuse(errcode.UnknownApp, clip(param))
	}
	if of.Disabled {
		return nil, refuse(errcode.AppDisabled, clip(param))
	}
	return of, nil
}
