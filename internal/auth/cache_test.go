package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/usersig"
)

func TestVerifiedUserSigsAreRemembered(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "administrator", now)
	for range 10 {
		f.mustPass(t, "again and again", c)
	}
	if got := f.accounts.timesAsked(); got != 1 {
		t.Errorf("valid-from was read %d times, want once", got)
	}

	// A remembered UserSig is good for its own App and identifier only.
	other := c
	other.Identifier = "xiaojun"
	f.mustFail(t, "another identifier", other, errcode.SigOtherUser)
	other = c
	other.SDKAppID = fmt.Sprint(otherApp)
	f.mustFail(t, "another App", other, errcode.SigOtherApp)
	shifted := auth.Credentials{SDKAppID: c.SDKAppID, Identifier: c.Identifier + c.UserSig[:1], UserSig: c.UserSig[1:]}
	f.mustFail(t, "the same bytes, cut elsewhere", shifted, errcode.SigUndecodable)
}

func TestCacheIsBounded(t *testing.T) {
	f := newFixture(t, func(o *auth.Options) { o.CacheSize = 2 })
	pass := func(identifiers ...string) (asked int) {
		before := f.accounts.timesAsked()
		for _, id := range identifiers {
			f.mustPass(t, id, credentials(t, id, now))
		}
		return f.accounts.timesAsked() - before
	}
	if got := pass("a", "b", "a", "b"); got != 2 {
		t.Errorf("%d verifications for 2 UserSigs, want 2", got)
	}
	if got := pass("c"); got != 1 {
		t.Errorf("%d verifications for a new UserSig, want 1", got)
	}
	if got := pass("a"); got != 1 {
		t.Errorf("%d verifications for one that must have made room, want 1", got)
	}
}

func TestLongUserSigsAreNotRemembered(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "administrator", now)
	c.UserSig = sign(t, key, usersig.Claims{
		Identifier: "administrator", SDKAppID: uint64(thisApp), Time: now, Expire: lifetime, UserBuf: make([]byte, 1000),
	})
	f.mustPass(t, "first", c)
	f.mustPass(t, "again", c)
	if got := f.accounts.timesAsked(); got != 2 {
		t.Errorf("valid-from was read %d times, want 2", got)
	}
}

func TestChangesOfTheAppTakeEffectAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		change func(*app.App)
		code   errcode.Code
	}{
		{"nothing", func(*app.App) {}, errcode.OK},
		{"Key replaced", func(a *app.App) { a.Keys = []app.Key{newKey} }, errcode.SigBadMAC},
		{"Key added in front", func(a *app.App) { a.Keys = []app.Key{newKey, key} }, errcode.OK},
		{"disabled", func(a *app.App) { a.Disabled = true }, errcode.AppDisabled},
		{"gone", func(a *app.App) { a.SDKAppID = 1 }, errcode.UnknownApp},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			c := credentials(t, "administrator", now)
			f.mustPass(t, "before", c)
			f.swap(t, tt.change)
			if _, err := f.Authenticate(t.Context(), c); errcode.Of(err) != tt.code {
				t.Errorf("after: %v, want %d", err, tt.code)
			}
			f.swap(t)
			f.mustPass(t, "after the change was taken back", c)
		})
	}
}

func TestAdminsChange(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "xiaojun", now)
	for _, admin := range []bool{false, true, false} {
		f.swap(t, func(a *app.App) {
			if admin {
				a.Admins = append(a.Admins, "xiaojun")
			}
		})
		caller, err := f.Authenticate(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if caller.Admin != admin {
			t.Errorf("Admin = %v, want %v", caller.Admin, admin)
		}
	}
}

func TestKickTakesEffectAtOnce(t *testing.T) {
	f := newFixture(t)
	before, after := credentials(t, "xiaojun", now), credentials(t, "xiaojun", now+1)
	bystander := credentials(t, "administrator", now)
	f.mustPass(t, "before the kick", before)
	f.mustPass(t, "made ahead", after)
	f.mustPass(t, "bystander", bystander)

	f.accounts.kick("xiaojun", now)
	f.revocations.Revoke(thisApp, "xiaojun", account.Kicked)

	f.mustFail(t, "made before the kick", before, errcode.SigKicked)
	f.mustFail(t, "made before the kick, again", before, errcode.SigKicked)
	f.mustPass(t, "made after the kick", after)
	f.mustPass(t, "bystander", bystander)
}

// TestKickDuringVerification holds a verification between its reading of valid-from and
// its end, lets a kick happen, and checks that what it read is not used after the kick.
func TestKickDuringVerification(t *testing.T) {
	for _, laterFirst := range []bool{false, true} {
		t.Run(fmt.Sprintf("another verification ends first: %v", laterFirst), func(t *testing.T) {
			f := newFixture(t)
			c := credentials(t, "xiaojun", now)
			finish := f.startVerification(t, c)

			f.accounts.kick("xiaojun", now)
			f.revocations.Revoke(thisApp, "xiaojun", account.Kicked)
			if laterFirst {
				f.mustFail(t, "started after the kick", c, errcode.SigKicked)
			}
			if err := finish(); err != nil {
				t.Errorf("the verification that began before the kick: %v", err)
			}
			f.mustFail(t, "after both", c, errcode.SigKicked)
		})
	}
}

// TestSwapDuringVerification is the same for a change of the Key.
func TestSwapDuringVerification(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "xiaojun", now)
	finish := f.startVerification(t, c)
	f.swap(t, func(a *app.App) { a.Keys = []app.Key{newKey} })
	if err := finish(); err != nil {
		t.Errorf("the verification that began before the change: %v", err)
	}
	f.mustFail(t, "after the change", c, errcode.SigBadMAC)
}

// startVerification starts an Authenticate and returns once it has read valid-from; finish
// lets it end and returns its error. Others are not held up.
func (f *fixture) startVerification(t *testing.T, c auth.Credentials) (finish func() error) {
	t.Helper()
	read, resume, done := make(chan struct{}), make(chan struct{}), make(chan error)
	f.accounts.set(func(a *accounts) {
		a.pause = func() {
			f.accounts.set(func(a *accounts) { a.pause = nil })
			close(read)
			<-resume
		}
	})
	go func() {
		_, err := f.Authenticate(t.Context(), c)
		done <- err
	}()
	<-read
	return func() error {
		close(resume)
		return <-done
	}
}

// TestKicksUnderLoad kicks again and again while others authenticate. Whoever starts after
// a kick must not get in with a UserSig made before.
func TestKicksUnderLoad(t *testing.T) {
	const kicks = 200
	f := newFixture(t)
	sigs := make([]auth.Credentials, kicks+1)
	for i := range sigs {
		sigs[i] = credentials(t, "xiaojun", now+int64(i))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = f.Authenticate(t.Context(), sigs[i%len(sigs)])
				}
			}
		})
	}
	for i := range kicks {
		f.accounts.kick("xiaojun", now+int64(i))
		f.revocations.Revoke(thisApp, "xiaojun", account.Kicked)
		f.mustFail(t, fmt.Sprintf("UserSig %d after kick %d", i, i), sigs[i], errcode.SigKicked)
		f.mustPass(t, fmt.Sprintf("UserSig %d after kick %d", i+1, i), sigs[i+1])
	}
	close(stop)
	wg.Wait()
}

// TestCurrent has a Caller be current until something happens to its account or App.
func TestCurrent(t *testing.T) {
	for _, id := range []string{"xiaojun", strings.Repeat("x", 100)} { // the other is never remembered
		f := newFixture(t)
		caller, err := f.Authenticate(t.Context(), credentials(t, id, now))
		if err != nil || !f.Current(caller) {
			t.Fatalf("%s: %v, and not current", id, err)
		}
		f.revocations.Revoke(thisApp, account.UserID(id), account.Kicked)
		if f.Current(caller) {
			t.Errorf("%s: current after it was revoked", id)
		}
		if caller, err = f.Authenticate(t.Context(), credentials(t, id, now)); err != nil || !f.Current(caller) {
			t.Errorf("%s: %v, and not current again", id, err)
		}
		f.swap(t, func(a *app.App) { a.Rate++ })
		if f.Current(caller) {
			t.Errorf("%s: current after its App changed", id)
		}
	}
}

func TestRevokeOfOthersOnlyCostsTime(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "administrator", now)
	f.mustPass(t, "before", c)
	for i := range 20000 {
		f.revocations.Revoke(thisApp, account.UserID(fmt.Sprint(i)), account.Kicked)
	}
	f.mustPass(t, "after", c)
}

func TestCachedDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	c := credentials(t, "administrator", now)
	f.mustPass(t, "first", c)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Authenticate(ctx, c) }); n != 0 {
		t.Errorf("%v allocations for a remembered UserSig", n)
	}
}

func BenchmarkAuthenticateCached(b *testing.B) {
	f := newFixture(b)
	c := credentials(b, "administrator", now)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticateNew(b *testing.B) {
	f := newFixture(b)
	c := credentials(b, "administrator", now)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		f.revocations.Revoke(thisApp, "administrator", account.Kicked)
		if _, err := f.Authenticate(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}
