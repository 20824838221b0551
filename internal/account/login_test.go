package account_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// watchedStore calls before ahead of every call that creates or reads records.
type watchedStore struct {
	account.Store
	before func(op string)
}

func (w *watchedStore) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	w.before("import")
	return w.Store.Import(ctx, app, b)
}

func (w *watchedStore) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	w.before("get")
	return w.Store.Get(ctx, app, ids)
}

// watch has before called ahead of the store calls of f.
func (f *fixture) watch(before func(op string)) {
	f.Service = account.NewService(&watchedStore{f.store, before}, f.clock, f.revoked)
}

func (f *fixture) mustDelete(t *testing.T, id account.UserID) {
	t.Helper()
	out, err := f.Delete(t.Context(), f.policy, []account.UserID{id})
	if err != nil || out[0] != nil {
		t.Fatalf("delete %s: %v, %v", id, out, err)
	}
}

// wantLogin logs in and checks what comes of it: created, or a code, 0 for "was there".
func (f *fixture) wantLogin(t *testing.T, id account.UserID, signed int64, created bool, code errcode.Code) {
	t.Helper()
	got, err := f.Login(t.Context(), f.policy, id, signed)
	if got != created || errcode.Of(err) != code {
		t.Errorf("login of %s: %v, %v; want %v, %d", id, got, err, created, code)
	}
}

func (f *fixture) wantImported(t *testing.T, id account.UserID, want bool) {
	t.Helper()
	got, err := f.Exist(t.Context(), f.policy.SDKAppID, []account.UserID{id})
	if err != nil || got[0] != want {
		t.Errorf("%s is imported: %v, %v; want %v", id, got, err, want)
	}
}

func TestLoginMakesTheAccountOnce(t *testing.T) {
	f := newFixture()
	now := f.clock.now
	f.wantLogin(t, "a", now.Unix(), true, errcode.OK)
	f.wantImported(t, "a", true)
	var calls []string
	f.watch(func(op string) { calls = append(calls, op) })
	f.wantLogin(t, "a", now.Unix(), false, errcode.OK)
	if len(calls) > 0 {
		t.Errorf("the login of an account that is there made the calls %v", calls)
	}
	if got, err := f.Get(t.Context(), f.policy.SDKAppID, []account.UserID{"a"}); err != nil || got[0].Created != now.Unix() {
		t.Errorf("created at %d, %v; want %d", got[0].Created, err, now.Unix())
	}
	if !f.clock.now.Equal(now) || len(*f.revoked) > 0 {
		t.Errorf("logging in took %v and revoked %v", f.clock.now.Sub(now), *f.revoked)
	}
}

func TestLoginHoldsTheRules(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("administrator"))
	f.policy.Quota = 1
	now := f.clock.now.Unix()
	for _, id := range []account.UserID{"", "not valid", "@TIM#SYSTEM", account.UserID(strings.Repeat("a", 33))} {
		f.wantLogin(t, id, now, false, errcode.BadParam)
	}
	f.wantLogin(t, "a", now, true, errcode.OK)
	f.wantLogin(t, "b", now, false, errcode.QuotaExceeded)
	f.wantImported(t, "b", false)
	f.wantLogin(t, "a", now, false, errcode.OK)
}

// TestLoginAfterDelete: only a UserSig from after the deletion's second brings a name back,
// and that one at once.
func TestLoginAfterDelete(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	deleted := f.clock.now.Unix()
	f.mustDelete(t, "a")
	for _, signed := range []int64{deleted, deleted - 1, 1, 0, -1} {
		f.wantLogin(t, "a", signed, false, errcode.SigKicked)
		f.wantImported(t, "a", false)
	}
	f.clock.now = time.Unix(deleted+1, 0)
	f.wantLogin(t, "a", deleted, false, errcode.SigKicked)
	f.wantLogin(t, "a", deleted+1, true, errcode.OK)
	if now := f.clock.now.Unix(); now != deleted+1 {
		t.Errorf("the login waited until %d", now)
	}
	if got, err := f.ValidFrom(t.Context(), f.policy.SDKAppID, "a"); err != nil || got != deleted {
		t.Errorf("UserSigs are dead up to %d, %v; want %d", got, err, deleted)
	}
}

// TestLoginAfterKickIntoTheFuture: the clock was ahead at the kick and set right before the
// delete, whose second tells nothing about the kick's.
func TestLoginAfterKickIntoTheFuture(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	if err := f.Kick(t.Context(), f.policy, "a"); err != nil {
		t.Fatal(err)
	}
	kicked := f.clock.now.Unix() - 1
	f.clock.now = f.clock.now.Add(-time.Hour)
	f.mustDelete(t, "a")
	f.wantLogin(t, "a", kicked, false, errcode.SigKicked)
	f.wantImported(t, "a", false)
	f.wantLogin(t, "a", kicked+1, true, errcode.OK)
}

func TestLoginHeld(t *testing.T) {
	tests := []struct {
		name   string
		after  time.Duration // of the login after the delete
		signed int64         // seconds after the delete
		want   errcode.Code
	}{
		{"held and dead", time.Minute, 0, errcode.SigKicked},
		{"held, signed since", time.Minute, 30, errcode.DeletedRecently},
		{"at the end of the hold", time.Hour, 30, errcode.DeletedRecently},
		{"after the hold", time.Hour + time.Second, 30, errcode.OK},
		{"after the hold, dead", 24 * time.Hour, 0, errcode.SigKicked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			f.policy.DeleteHold = time.Hour
			mustImport(t, f, plain("a"))
			deleted := f.clock.now.Unix()
			f.mustDelete(t, "a")
			f.clock.now = time.Unix(deleted, 0).Add(tt.after)
			f.wantLogin(t, "a", deleted+tt.signed, tt.want == errcode.OK, tt.want)
			f.wantImported(t, "a", tt.want == errcode.OK)
		})
	}
}

// TestDeleteHoldForEver: a hold longer than there has been time holds every name.
func TestDeleteHoldForEver(t *testing.T) {
	f := newFixture()
	f.policy.DeleteHold = 200 * 365 * 24 * time.Hour
	mustImport(t, f, plain("a"))
	f.mustDelete(t, "a")
	f.clock.now = f.clock.now.Add(time.Hour)
	if diff := cmp.Diff([]string{"a Failed 70399"}, fates(mustImport(t, f, plain("a")))); diff != "" {
		t.Error(diff)
	}
	f.wantLogin(t, "a", f.clock.now.Unix(), false, errcode.DeletedRecently)
}

// TestLoginRaces has something happen between the calls of a login to the store.
func TestLoginRaces(t *testing.T) {
	const now = 1_800_000_000 // of the fixture, and of every UserSig here
	importIt := func(t *testing.T, f *fixture) { t.Helper(); mustImport(t, f, plain("a")) }
	deleteIt := func(t *testing.T, f *fixture) { t.Helper(); f.mustDelete(t, "a") }
	comeAndGo := func(t *testing.T, f *fixture) { t.Helper(); importIt(t, f); deleteIt(t, f) }
	tests := []struct {
		name   string
		before func(t *testing.T, f *fixture) // the login
		at     string                         // the store call that act comes ahead of
		act    func(t *testing.T, f *fixture)
		want   errcode.Code
		there  bool
	}{
		{"imported meanwhile", nil, "import", importIt, errcode.OK, true},
		{"imported and deleted meanwhile", nil, "import", comeAndGo, errcode.SigKicked, false},
		{"back again when the reason is looked for", comeAndGo, "get", importIt, errcode.SigKicked, true},
		{"back and gone again when the reason is looked for", comeAndGo, "get", comeAndGo, errcode.SigKicked, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			plainService := f.Service
			if tt.before != nil {
				tt.before(t, f)
			}
			did := false
			f.watch(func(op string) {
				if op == tt.at && !did {
					did = true
					g := *f
					g.Service = plainService
					tt.act(t, &g)
				}
			})
			f.wantLogin(t, "a", now, false, tt.want)
			f.wantImported(t, "a", tt.there)
			if !did {
				t.Errorf("the login made no %s", tt.at)
			}
		})
	}
	t.Run("imported after the hold when the reason is looked for", func(t *testing.T) {
		f := newFixture()
		f.policy.DeleteHold = time.Hour
		comeAndGo(t, f)
		f.clock.now = f.clock.now.Add(time.Hour)
		plainService := f.Service
		f.watch(func(op string) {
			if op == "get" {
				f.clock.now = f.clock.now.Add(time.Second)
				g := *f
				g.Service = plainService
				mustImport(t, &g, plain("a"))
			}
		})
		f.wantLogin(t, "a", now+1, false, errcode.OK)
	})
}
