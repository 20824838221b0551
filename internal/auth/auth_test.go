package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/usersig"
)

var _ account.Revoker = (*auth.Revocations)(nil)

const (
	thisApp  account.SDKAppID = 1400000000
	otherApp account.SDKAppID = 1400000001
	key      app.Key          = "5bd2850fff3ecb11d7c805251c51ee46"
	newKey   app.Key          = "253f7c1ec21a1d2a3b18c98a60e9cd0b"
	now      int64            = 1700000000
	lifetime int64            = 86400
)

// accounts is a fake of account.Service: what was kicked, and how often it was asked.
type accounts struct {
	mu        sync.Mutex
	validFrom map[account.UserID]int64
	asked     int
	err       error
	// pause, if set, is called by every ValidFrom after it has read its answer.
	pause func()
}

func (a *accounts) ValidFrom(_ context.Context, _ account.SDKAppID, id account.UserID) (int64, error) {
	a.mu.Lock()
	a.asked++
	validFrom, err, pause := a.validFrom[id], a.err, a.pause
	a.mu.Unlock()
	if pause != nil {
		pause()
	}
	return validFrom, err
}

func (a *accounts) set(change func(a *accounts)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *accounts) kick(id account.UserID, at int64) {
	a.set(func(a *accounts) { a.validFrom[id] = at })
}

func (a *accounts) timesAsked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// fixture is an Authenticator with a clock, Apps and accounts that a test can change.
type fixture struct {
	*auth.Authenticator
	registry    *app.Registry
	accounts    *accounts
	revocations *auth.Revocations
	now         int64
}

func apps(change ...func(*app.App)) []app.App {
	a := app.App{SDKAppID: thisApp, Keys: []app.Key{key}, Admins: []account.UserID{"administrator"}, Edition: app.Pro}
	for _, c := range change {
		c(&a)
	}
	b := app.App{SDKAppID: otherApp, Keys: []app.Key{newKey}, Admins: []account.UserID{"administrator"}, Edition: app.Pro}
	return []app.App{a, b, {SDKAppID: 1400000002, Keys: []app.Key{key}, Disabled: true}}
}

func newFixture(t testing.TB, change ...func(*auth.Options)) *fixture {
	t.Helper()
	registry, err := app.NewRegistry(apps())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		registry:    registry,
		accounts:    &accounts{validFrom: make(map[account.UserID]int64)},
		revocations: auth.NewRevocations(),
		now:         now,
	}
	o := auth.Options{
		Registry:    registry,
		Accounts:    f.accounts,
		Revocations: f.revocations,
		Now:         func() time.Time { return time.Unix(f.now, 0) },
	}
	for _, c := range change {
		c(&o)
	}
	if f.Authenticator, err = auth.New(o); err != nil {
		t.Fatal(err)
	}
	return f
}

// swap replaces the Apps.
func (f *fixture) swap(t testing.TB, change ...func(*app.App)) {
	t.Helper()
	if err := f.registry.Swap(apps(change...)); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) mustPass(t testing.TB, what string, c auth.Credentials) {
	t.Helper()
	if _, err := f.Authenticate(t.Context(), c); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (f *fixture) mustFail(t testing.TB, what string, c auth.Credentials, want errcode.Code) *errcode.Error {
	t.Helper()
	caller, err := f.Authenticate(t.Context(), c)
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Code != want {
		t.Fatalf("%s: the error is %v, want %d", what, err, want)
	}
	if caller != (auth.Caller{}) {
		t.Errorf("%s: refused, yet there is a Caller: %v", what, caller)
	}
	return e
}

func sign(t testing.TB, k app.Key, c usersig.Claims) string {
	t.Helper()
	sig, err := usersig.Sign([]byte(k.Reveal()), c)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// credentials are good ones of an identifier, signed at a second.
func credentials(t testing.TB, identifier string, at int64) auth.Credentials {
	t.Helper()
	return auth.Credentials{
		SDKAppID:   fmt.Sprint(thisApp),
		Identifier: identifier,
		UserSig:    sign(t, key, usersig.Claims{Identifier: identifier, SDKAppID: uint64(thisApp), Time: at, Expire: lifetime}),
		Source:     "192.0.2.1",
	}
}

func TestAuthenticate(t *testing.T) {
	for _, tt := range []struct {
		identifier string
		admin      bool
	}{
		{"administrator", true},
		{"Administrator", false},
		{"xiaojun", false},
		{"小军", false},
		{strings.Repeat("x", 100), false},
	} {
		t.Run(tt.identifier, func(t *testing.T) {
			f := newFixture(t)
			of, _ := f.registry.Find(thisApp)
			want := auth.Caller{App: of, UserID: account.UserID(tt.identifier), Admin: tt.admin, Signed: now, ExpiresAt: now + lifetime}
			c := credentials(t, tt.identifier, now)
			for _, what := range []string{"first", "again"} {
				got, err := f.Authenticate(t.Context(), c)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(auth.Caller{})); diff != "" || got.App != of {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const kickedAt = now - 100
	good := usersig.Claims{Identifier: "administrator", SDKAppID: uint64(thisApp), Time: now, Expire: lifetime}
	with := func(change func(*usersig.Claims)) usersig.Claims {
		c := good
		change(&c)
		return c
	}
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name   string
		change func(*auth.Credentials)
		code   errcode.Code
		info   string // how ErrorInfo starts
		more   string // what it says also
	}{
		{"no sdkappid", func(c *auth.Credentials) { c.SDKAppID = "" }, 60012, "the sdkappid parameter is missing", ""},
		{"sdkappid not a number", func(c *auth.Credentials) { c.SDKAppID = "14e8" }, 60025, "the sdkappid parameter of the URL is not a number", `"14e8"`},
		{"sdkappid with a sign", func(c *auth.Credentials) { c.SDKAppID = "+1400000000" }, 60025, "", ""},
		{"sdkappid with a space", func(c *auth.Credentials) { c.SDKAppID = "1400000000 " }, 60025, "", ""},
		{"sdkappid in other digits", func(c *auth.Credentials) { c.SDKAppID = "١" }, 60025, "", ""},
		{"absurd sdkappid", func(c *auth.Credentials) { c.SDKAppID = long }, 60025, "", "(1048576 bytes)"},
		{"unknown App", func(c *auth.Credentials) { c.SDKAppID = "1500000000" }, 70020, "the SDKAppID does not exist", `"1500000000"`},
		{"App 0", func(c *auth.Credentials) { c.SDKAppID = "0" }, 70020, "", ""},
		{"sdkappid over 32 bits", func(c *auth.Credentials) { c.SDKAppID = fmt.Sprint(uint64(thisApp) + 1<<32) }, 70020, "", ""},
		{"sdkappid over 64 bits", func(c *auth.Credentials) { c.SDKAppID = strings.Repeat("9", 1<<20) }, 70020, "", ""},
		{"disabled App", func(c *auth.Credentials) { c.SDKAppID = "1400000002" }, 60016, "the SDKAppID is disabled", ""},

		{"no usersig", func(c *auth.Credentials) { c.UserSig = "" }, 70003, "The UserSig in use is illegal. Please regenerate UserSig through official API.", "base64: the UserSig is empty"},
		{"usersig not base64", func(c *auth.Credentials) { c.UserSig = "eJ%2A" }, 70003, "The UserSig in use is illegal.", "base64"},
		{"usersig not zlib", func(c *auth.Credentials) { c.UserSig = "AAAA" }, 70003, "The UserSig in use is illegal.", "zlib"},
		{"usersig cut off", func(c *auth.Credentials) { c.UserSig = c.UserSig[:40] }, 70003, "The UserSig in use is illegal.", "cut off"},
		{"absurd usersig", func(c *auth.Credentials) { c.UserSig = long }, 70003, "The UserSig in use is illegal.", "1048576 bytes"},

		{"another App's usersig", func(c *auth.Credentials) {
			c.UserSig = sign(t, newKey, with(func(c *usersig.Claims) { c.SDKAppID++ }))
		}, 70014, "The requested SDKAppID(1400000000) does not match the Usersig(1400000001).", ""},
		{"another user's usersig", func(c *auth.Credentials) {
			c.UserSig = sign(t, key, with(func(c *usersig.Claims) { c.Identifier = "xiaojun" }))
		}, 70013, "The requested UserID(administrator) does not match the Usersig(xiaojun).", ""},
		{"another case", func(c *auth.Credentials) { c.Identifier = "Administrator" }, 70013, "The requested UserID(Administrator)", ""},
		{"no identifier", func(c *auth.Credentials) { c.Identifier = "" }, 70013, `The requested UserID("") does not match the Usersig(administrator).`, ""},
		{"absurd identifier", func(c *auth.Credentials) { c.Identifier = long }, 70013, `The requested UserID("xxxx`, "(1048576 bytes)"},
		{"identifier with a newline", func(c *auth.Credentials) { c.Identifier = "a\nb" }, 70013, `The requested UserID("a\nb")`, ""},
		{"another key's usersig", func(c *auth.Credentials) { c.UserSig = sign(t, newKey, good) }, 70009, "UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID.", "not signed with a key of SDKAppID 1400000000"},

		{"made in the second of the kick", func(c *auth.Credentials) {
			c.Identifier = "kicked"
			c.UserSig = sign(t, key, usersig.Claims{Identifier: "kicked", SDKAppID: uint64(thisApp), Time: kickedAt, Expire: lifetime})
		}, 70052, "the UserSig was invalidated by a kick", "the signer's clock is 100 s behind"},
		{"expired", func(c *auth.Credentials) {
			c.UserSig = sign(t, key, with(func(c *usersig.Claims) { c.Time = now - lifetime - 35 }))
		}, 70001, "The UserSig in use is expired", "since 2023-11-14T22:12:45Z: the UserSig expired 35 s ago"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.accounts.kick("kicked", kickedAt)
			c := credentials(t, "administrator", now)
			f.mustPass(t, "before it is spoilt", c)
			tt.change(&c)
			for _, what := range []string{"first", "again"} {
				e := f.mustFail(t, what, c, tt.code)
				if !strings.HasPrefix(e.Info, tt.info) || !strings.Contains(e.Info, tt.more) {
					t.Errorf("%s: ErrorInfo is %q, want %q and %q", what, e.Info, tt.info, tt.more)
				}
				if len(e.Info) > 500 || len(e.Error()) > 1000 {
					t.Errorf("%s: ErrorInfo has %d bytes, the error %d", what, len(e.Info), len(e.Error()))
				}
			}
		})
	}
}

// TestOrderOfChecks spoils credentials further and further up the order: each time the
// code is that of the earliest fault.
func TestOrderOfChecks(t *testing.T) {
	f := newFixture(t)
	claims := usersig.Claims{Identifier: "xiaojun", SDKAppID: uint64(thisApp), Time: now - lifetime - 1, Expire: lifetime}
	signed := func(k app.Key) auth.Credentials {
		c := credentials(t, "xiaojun", now)
		c.UserSig = sign(t, k, claims)
		return c
	}
	f.mustFail(t, "expired", signed(key), errcode.SigExpired)
	f.accounts.kick("xiaojun", now-10)
	f.revocations.Revoke(thisApp, "xiaojun", account.Kicked)
	f.mustFail(t, "and kicked", signed(key), errcode.SigKicked)
	f.mustFail(t, "and of another key", signed(newKey), errcode.SigBadMAC)
	claims.Identifier = "someone"
	f.mustFail(t, "and another identifier", signed(newKey), errcode.SigOtherUser)
	claims.SDKAppID = uint64(otherApp)
	f.mustFail(t, "and another App", signed(newKey), errcode.SigOtherApp)
	c := signed(newKey)
	c.UserSig = c.UserSig[1:]
	f.mustFail(t, "and undecodable", c, errcode.SigUndecodable)
}

func TestExpiryIsComparedOnEveryCall(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "administrator", now)
	f.mustPass(t, "when made", c)
	f.now = now + lifetime
	f.mustPass(t, "in its last second", c)
	f.now++
	f.mustFail(t, "after it", c, errcode.SigExpired)
	f.now = now - 365*86400
	f.mustPass(t, "with a signer whose clock is ahead", c)
	if got := f.accounts.timesAsked(); got != 1 {
		t.Errorf("valid-from was read %d times, want once: the UserSig is not remembered", got)
	}
}

func TestValidFromCannotBeRead(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code errcode.Code
	}{
		{"slow store", errcode.Wrap(errcode.StoreTimeout, context.DeadlineExceeded), 70169},
		{"busy store", fmt.Errorf("wrapped: %w", errcode.New(errcode.Busy)), 70202},
		{"broken store", errcode.Wrap(errcode.Internal, io.ErrUnexpectedEOF), 70500},
		{"foreign error", io.ErrUnexpectedEOF, 70500},
		{"foreign deadline", context.DeadlineExceeded, 70169},
		{"the caller went away", context.Canceled, 70169},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(o *auth.Options) { o.Lockout = limit.NewLockout(1, time.Unix(now, 0)) })
			c := credentials(t, "administrator", now)
			f.accounts.set(func(a *accounts) { a.err = tt.err })
			e := f.mustFail(t, "first", c, tt.code)
			if !errors.Is(e, tt.err) {
				t.Errorf("the cause is lost: %v", e)
			}
			if e.Info != tt.code.Info() {
				t.Errorf("ErrorInfo = %q, want %q", e.Info, tt.code.Info())
			}
			f.accounts.set(func(a *accounts) { a.err = nil })
			f.mustPass(t, "when the store is back", c)
		})
	}
}

func TestLockout(t *testing.T) {
	f := newFixture(t, func(o *auth.Options) { o.Lockout = limit.NewLockout(3, time.Unix(now, 0)) })
	good := credentials(t, "administrator", now)
	forged := good
	forged.UserSig = sign(t, newKey, usersig.Claims{Identifier: "administrator", SDKAppID: uint64(thisApp), Time: now, Expire: lifetime})

	// Mistakes do not count.
	for i, c := range []struct {
		change func(*auth.Credentials)
		code   errcode.Code
	}{
		{func(c *auth.Credentials) { c.UserSig = "" }, errcode.SigUndecodable},
		{func(c *auth.Credentials) { c.SDKAppID = fmt.Sprint(otherApp) }, errcode.SigOtherApp},
		{func(c *auth.Credentials) { c.Identifier = "xiaojun" }, errcode.SigOtherUser},
	} {
		for range 5 {
			bad := good
			c.change(&bad)
			f.mustFail(t, fmt.Sprintf("mistake %d", i), bad, c.code)
		}
	}
	f.mustFail(t, "1st forgery", forged, errcode.SigBadMAC)
	f.mustFail(t, "2nd forgery", forged, errcode.SigBadMAC)
	f.mustPass(t, "a good UserSig in between", good)
	f.mustFail(t, "3rd forgery", forged, errcode.SigBadMAC)
	f.mustFail(t, "4th forgery", forged, errcode.TooManyBadSigs)
	f.mustPass(t, "the good UserSig, verified before the lock", good)
	fresh := credentials(t, "administrator", now-1)
	f.mustFail(t, "another good UserSig, locked out", fresh, errcode.TooManyBadSigs)

	elsewhere := good
	elsewhere.Source = "192.0.2.2"
	f.mustPass(t, "another source", elsewhere)
	unknown := good
	unknown.SDKAppID = "1"
	f.mustFail(t, "an unknown App comes before the lock", unknown, errcode.UnknownApp)

	f.now += 60
	f.mustPass(t, "after a minute", fresh)
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := auth.New(auth.Options{CacheSize: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Registry", "Accounts", "Revocations", "Now", "CacheSize"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
}
