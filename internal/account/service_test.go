package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/store/memstore"
)

// manualClock is a Clock that tests move; waiting moves it too.
type manualClock struct{ now time.Time }

func (c *manualClock) Now() time.Time { return c.now }

func (c *manualClock) WaitUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.After(c.now) {
		c.now = t
	}
	return nil
}

// revocations records whose UserSigs were revoked.
type revocations []string

func (r *revocations) Revoke(app account.SDKAppID, id account.UserID, why account.Cause) {
	verb := map[account.Cause]string{account.Kicked: "kicked", account.Deleted: "deleted"}[why]
	*r = append(*r, fmt.Sprintf("%s %d:%s", verb, app, id))
}

type fixture struct {
	*account.Service
	store   account.Store
	clock   *manualClock
	revoked *revocations
	policy  *account.Policy
}

func newFixture() *fixture {
	f := &fixture{
		store:   memstore.New(),
		clock:   &manualClock{now: time.Unix(1_800_000_000, 500_000_000)},
		revoked: &revocations{},
		policy:  &account.Policy{SDKAppID: 1400000001, Admins: []account.UserID{"administrator"}},
	}
	f.Service = account.NewService(f.store, f.clock, f.revoked)
	return f
}

func plain(names ...string) []account.Entry {
	out := make([]account.Entry, len(names))
	for i, n := range names {
		out[i].UserID = account.UserID(n)
	}
	return out
}

func numbered(n int) []account.Entry {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user%d", i)
	}
	return plain(names...)
}

func mustImport(t *testing.T, f *fixture, entries []account.Entry) []account.Outcome {
	t.Helper()
	out, err := f.Import(t.Context(), f.policy, entries, true)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fates(out []account.Outcome) []string {
	var s []string
	for _, o := range out {
		fate := fmt.Sprintf("%s %s", o.UserID, o.Status)
		if o.Err != nil {
			fate += fmt.Sprintf(" %d", o.Err.Code)
		}
		s = append(s, fate)
	}
	return s
}

func TestImportOutcomesAlignWithEntries(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("old"))
	long := strings.Repeat("n", account.MaxProfileValue+1)
	out := mustImport(t, f, []account.Entry{
		{UserID: "new"},
		{UserID: ""},
		{UserID: "old"},
		{UserID: account.UserID(strings.Repeat("x", 33))},
		{UserID: "new"},
		{UserID: "@TIM#SYSTEM"},
		{UserID: "has space"},
		{UserID: "nick", Nick: long},
		{UserID: "old", Nick: "Old"},
	})
	want := []string{
		"new Created", " Failed 70402", "old Updated", strings.Repeat("x", 33) + " Failed 70402",
		"new Duplicate", "@TIM#SYSTEM Failed 70402", "has space Failed 70402", "nick Failed 40601", "old Duplicate",
	}
	if diff := cmp.Diff(want, fates(out)); diff != "" {
		t.Error(diff)
	}
	if out[0].TinyID == 0 || out[0].TinyID != out[4].TinyID {
		t.Errorf("a name and its repeat have the TinyIDs %d and %d", out[0].TinyID, out[4].TinyID)
	}
}

func TestImportRepeatedNameTakesLastNonEmptyProfile(t *testing.T) {
	f := newFixture()
	mustImport(t, f, []account.Entry{
		{UserID: "a", Nick: "first", FaceURL: "face"},
		{UserID: "a", Nick: "last"},
		{UserID: "a"},
	})
	got, err := f.Get(t.Context(), f.policy.SDKAppID, []account.UserID{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(account.Profile{Nick: "last", FaceURL: "face"}, got[0].Profile); diff != "" {
		t.Error(diff)
	}
}

func TestImportBatchLimits(t *testing.T) {
	f := newFixture()
	for _, n := range []int{0, 101} {
		if _, err := f.Import(t.Context(), f.policy, numbered(n), false); errcode.Of(err) != errcode.BadParam {
			t.Errorf("%d entries: %v, want 70402", n, err)
		}
	}
	if got := fates(mustImport(t, f, numbered(100))); got[99] != "user99 Created" {
		t.Errorf("the 100th account is %q", got[99])
	}
}

// TestPlanDropsRepeats holds against the obvious way to do it that repeats are found,
// whatever the names.
func TestPlanDropsRepeats(t *testing.T) {
	name := rapid.StringMatching(`[ab]{1,3}|[!-~]{1,32}`)
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture()
		entries := plain(rapid.SliceOfN(name, 1, account.MaxBatch).Draw(t, "names")...)
		out, err := f.Import(context.Background(), f.policy, entries, true)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[account.UserID]account.TinyID{}
		for i, o := range out {
			first, repeated := seen[o.UserID]
			switch {
			case o.UserID != entries[i].UserID:
				t.Fatalf("outcome %d is of %q, want %q", i, o.UserID, entries[i].UserID)
			case o.Status == account.Failed:
				if o.UserID.Validate() == nil {
					t.Fatalf("%q failed: %v", o.UserID, o.Err)
				}
			case repeated != (o.Status == account.Duplicate), repeated && o.TinyID != first:
				t.Fatalf("outcome %d of %q is %s with TinyID %d (repeated: %v, first %d)", i, o.UserID, o.Status, o.TinyID, repeated, first)
			}
			if o.Status != account.Failed {
				seen[o.UserID] = o.TinyID
			}
		}
	})
}

func TestTrialQuota(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("administrator")) // as the server does; it does not count
	f.policy.Quota = 100
	mustImport(t, f, numbered(100))
	if _, err := f.Import(t.Context(), f.policy, plain("user1", "one-too-many"), false); errcode.Of(err) != errcode.QuotaExceeded {
		t.Fatalf("the 101st account: %v, want 70398", err)
	}
	mustImport(t, f, numbered(100)) // existing names still work
	found, err := f.Check(t.Context(), f.policy, []account.UserID{"one-too-many"})
	if err != nil || found[0].Imported {
		t.Errorf("the refused account is imported (%v)", err)
	}
	if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"user1"}); err != nil {
		t.Fatal(err)
	}
	mustImport(t, f, plain("one-too-many")) // there is room again
}

func TestDeleteHold(t *testing.T) {
	f := newFixture()
	f.policy.DeleteHold = time.Hour
	mustImport(t, f, plain("a"))
	if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"a"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a Failed 70399", "a Failed 70399"}, fates(mustImport(t, f, plain("a", "a")))); diff != "" {
		t.Error(diff)
	}
	f.clock.now = f.clock.now.Add(time.Hour + time.Second)
	if diff := cmp.Diff([]string{"a Created"}, fates(mustImport(t, f, plain("a")))); diff != "" {
		t.Error(diff)
	}
}

// TestReimportAfterDelete: UserSigs of the deletion's second are dead, so an account that
// is back within it must not be reported before one could work.
func TestReimportAfterDelete(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"a"}); err != nil {
		t.Fatal(err)
	}
	mustImport(t, f, plain("a"))
	dead, err := f.ValidFrom(t.Context(), f.policy.SDKAppID, "a")
	if err != nil {
		t.Fatal(err)
	}
	if now := f.clock.now.Unix(); now <= dead {
		t.Errorf("the import returned at %d, UserSigs are dead until %d", now, dead)
	}
}

func TestSetProfileBoundsAttrs(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("a"))
	set := func(from, to int) error {
		var c account.ProfileChange
		for i := from; i < to; i++ {
			c.Attrs = append(c.Attrs, account.Attr{Tag: fmt.Sprintf("Tag_Profile_Custom_%d", i), Value: "1"})
		}
		return f.SetProfile(t.Context(), f.policy.SDKAppID, "a", c)
	}
	if err := errors.Join(set(0, 60), set(40, account.MaxAttrs), set(0, account.MaxAttrs)); err != nil {
		t.Fatal(err)
	}
	if err := set(account.MaxAttrs, account.MaxAttrs+1); errcode.Of(err) != errcode.ProfileBadParam {
		t.Errorf("one tag too many: %v, want 40001", err)
	}
	for _, id := range []account.UserID{"nobody", "", "not valid"} {
		if err := f.SetProfile(t.Context(), f.policy.SDKAppID, id, account.ProfileChange{}); errcode.Of(err) != errcode.NoAccount {
			t.Errorf("profile of %q: %v, want 70107", id, err)
		}
	}
}

// brokenStore fails every call with err.
type brokenStore struct {
	account.Store
	err error
}

func (b brokenStore) Import(context.Context, account.SDKAppID, account.Batch) ([]account.Imported, error) {
	return nil, b.err
}

func TestStoreErrorsGetTheirCodes(t *testing.T) {
	tests := []struct {
		err  error
		want errcode.Code
	}{
		{account.ErrQuota, errcode.QuotaExceeded},
		{account.ErrBusy, errcode.Busy},
		{context.DeadlineExceeded, errcode.StoreTimeout},
		{account.ErrFailed, errcode.Internal},
		{errors.New("anything else"), errcode.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			f := newFixture()
			f.Service = account.NewService(brokenStore{err: fmt.Errorf("store: %w", tt.err)}, f.clock, f.revoked)
			_, err := f.Import(t.Context(), f.policy, plain("a"), false)
			if errcode.Of(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("%v has lost its cause", err)
			}
		})
	}
}

func TestUserIDValidate(t *testing.T) {
	tests := []struct {
		id account.UserID
		ok bool
	}{
		{"a", true},
		{"!~", true},
		{"@RBT#1", true},
		{"@", true},
		{account.UserID(strings.Repeat("a", 32)), true},
		{"", false},
		{account.UserID(strings.Repeat("a", 33)), false},
		{"a b", false},
		{"a\n", false},
		{"\x7f", false},
		{"é", false},
		{"a\x00", false},
		{"@TLS#NOT_FOUND", false},
		{"@TIM#SYSTEM", false},
		{"@TGS#1", false},
		{"a@TGS#1", true},
	}
	for _, tt := range tests {
		if err := tt.id.Validate(); (err == nil) != tt.ok {
			t.Errorf("%q: %v, want ok %v", tt.id, err, tt.ok)
		}
	}
}
