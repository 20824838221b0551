package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

func TestDelete(t *testing.T) {
	f := newFixture()
	first := mustImport(t, f, plain("administrator", "a", "b"))
	got, err := f.Delete(t.Context(), f.policy, []account.UserID{"a", "nobody", "administrator", "a", "not valid"})
	if err != nil {
		t.Fatal(err)
	}
	want := []errcode.Code{errcode.OK, errcode.NoAccount, errcode.BadParam, errcode.NoAccount, errcode.NoAccount}
	for i, e := range got {
		code := errcode.OK
		if e != nil {
			code = e.Code
		}
		if code != want[i] {
			t.Errorf("item %d: %d, want %d", i, code, want[i])
		}
	}
	if !slices.Contains(*f.revoked, "deleted 1400000001:a") {
		t.Errorf("revoked %v, want a", *f.revoked)
	}
	again := mustImport(t, f, plain("a"))
	if again[0].Status != account.Created || again[0].TinyID == first[1].TinyID {
		t.Errorf("the deleted name came back as %s with TinyID %d, had %d", again[0].Status, again[0].TinyID, first[1].TinyID)
	}
}

func TestDeleteLocked(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	f.policy.DeleteLocked = true
	if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"a"}); errcode.Of(err) != errcode.DeleteLocked {
		t.Errorf("delete: %v, want 71000", err)
	}
}

func TestKickEndsWithItsSecond(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	before := f.clock.now.Unix()
	if err := f.Kick(t.Context(), f.policy, "a"); err != nil {
		t.Fatal(err)
	}
	dead, err := f.ValidFrom(t.Context(), f.policy.SDKAppID, "a")
	if err != nil || dead != before {
		t.Errorf("UserSigs are dead until %d (%v), want %d", dead, err, before)
	}
	if now := f.clock.now.Unix(); now <= dead {
		t.Errorf("kick returned at %d, when new UserSigs are still dead", now)
	}
	if diff := cmp.Diff(revocations{"kicked 1400000001:a"}, *f.revoked); diff != "" {
		t.Error(diff)
	}
	if err := f.Kick(t.Context(), f.policy, "nobody"); errcode.Of(err) != errcode.NoAccount {
		t.Errorf("kick of nobody: %v, want 70107", err)
	}
	if err := f.Kick(t.Context(), f.policy, ""); errcode.Of(err) != errcode.BadParam {
		t.Errorf("kick of an empty name: %v, want 70402", err)
	}
}

// codes are the codes of results; 0 for nil.
func codes(results []*errcode.Error) []errcode.Code {
	out := make([]errcode.Code, len(results))
	for i, e := range results {
		if e != nil {
			out[i] = e.Code
		}
	}
	return out
}

func TestKickMany(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("administrator", "a", "b", "c"))
	before := f.clock.now.Unix()
	got, err := f.KickMany(t.Context(), f.policy, []account.UserID{"b", "nobody", "a", "", "b", "@TIM#1", "nobody", "administrator"})
	if err != nil {
		t.Fatal(err)
	}
	want := []errcode.Code{0, errcode.NoAccount, 0, errcode.BadParam, 0, errcode.BadParam, errcode.NoAccount, 0}
	if diff := cmp.Diff(want, codes(got)); diff != "" {
		t.Error(diff)
	}
	accounts, err := f.Get(t.Context(), f.policy.SDKAppID, []account.UserID{"a", "b", "c", "administrator", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	var dead []int64
	for _, a := range accounts {
		dead = append(dead, a.ValidFrom)
	}
	if diff := cmp.Diff([]int64{before, before, 0, before, 0}, dead); diff != "" {
		t.Errorf("UserSigs are dead until (-want +got):\n%s", diff)
	}
	if now := f.clock.now.Unix(); now != before+1 {
		t.Errorf("the kick of several took until %d, it began at %d", now, before)
	}
	slices.Sort(*f.revoked)
	told := revocations{"kicked 1400000001:a", "kicked 1400000001:administrator", "kicked 1400000001:b", "kicked 1400000001:nobody"}
	if diff := cmp.Diff(told, *f.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
}

func TestKickManyOfNobodyDoesNotWait(t *testing.T) {
	f := newFixture()
	now := f.clock.now
	got, err := f.KickMany(t.Context(), f.policy, []account.UserID{"nobody", "not valid"})
	if diff := cmp.Diff([]errcode.Code{errcode.NoAccount, errcode.BadParam}, codes(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if !f.clock.now.Equal(now) {
		t.Errorf("it waited for %v", f.clock.now.Sub(now))
	}
}

func TestKickManyLimits(t *testing.T) {
	f := newFixture()
	mustImport(t, f, numbered(100))
	for _, n := range []int{0, 1, 100, 101} {
		ids := make([]account.UserID, n)
		for i, e := range numbered(n) {
			ids[i] = e.UserID
		}
		got, err := f.KickMany(t.Context(), f.policy, ids)
		want := errcode.OK
		if n == 0 || n > account.MaxBatch {
			want = errcode.BadParam
		}
		if errcode.Of(err) != want || err == nil && len(got) != n {
			t.Errorf("%d names: %d results, %v; want the code %d", n, len(got), err, want)
		}
	}
}

// orderedStore, orderedClock and orderedRevoker write down in which order they are called.
type orderedStore struct {
	account.Store
	events *[]string
	err    error
}

func (s orderedStore) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	*s.events = append(*s.events, fmt.Sprintf("kick %q", ids))
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Kick(ctx, app, ids, validFrom)
}

func (s orderedStore) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	*s.events = append(*s.events, fmt.Sprintf("delete %q", ids))
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Delete(ctx, app, ids, at)
}

type orderedClock struct {
	*manualClock
	events *[]string
}

func (c orderedClock) WaitUntil(ctx context.Context, t time.Time) error {
	*c.events = append(*c.events, "wait")
	return c.manualClock.WaitUntil(ctx, t)
}

type orderedRevoker struct{ events *[]string }

func (r orderedRevoker) Revoke(_ account.SDKAppID, id account.UserID, why account.Cause) {
	*r.events = append(*r.events, fmt.Sprintf("revoke %s %d", id, why))
}

// TestRevokedOnceDurable: sessions end when the store has it, and not only after the wait.
func TestRevokedOnceDurable(t *testing.T) {
	ids := []account.UserID{"a", "b"}
	kick := func(s *account.Service, p *account.Policy) error {
		_, err := s.KickMany(context.Background(), p, ids)
		return err
	}
	del := func(s *account.Service, p *account.Policy) error {
		_, err := s.Delete(context.Background(), p, ids)
		return err
	}
	tests := []struct {
		name string
		call func(*account.Service, *account.Policy) error
		err  error
		want []string
	}{
		{"kick", kick, nil, []string{`kick ["a" "b"]`, "revoke a 0", "revoke b 0", "wait"}},
		{"delete", del, nil, []string{`delete ["a" "b"]`, "revoke a 1", "revoke b 1"}},
		{"a kick of unknown fate", kick, context.DeadlineExceeded, []string{`kick ["a" "b"]`, "revoke a 0", "revoke b 0"}},
		{"a delete of unknown fate", del, account.ErrFailed, []string{`delete ["a" "b"]`, "revoke a 1", "revoke b 1"}},
		{"a kick that was not done", kick, account.ErrBusy, []string{`kick ["a" "b"]`}},
		{"a delete that was not done", del, account.ErrBusy, []string{`delete ["a" "b"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			mustImport(t, f, plain("a", "b"))
			var events []string
			s := account.NewService(orderedStore{f.store, &events, tt.err}, orderedClock{f.clock, &events}, orderedRevoker{&events})
			if err := tt.call(s, f.policy); !errors.Is(err, tt.err) {
				t.Errorf("%v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, events); diff != "" {
				t.Error(diff)
			}
		})
	}
}
