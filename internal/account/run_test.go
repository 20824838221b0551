package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

func mustRun(t *testing.T, f *fixture, r account.Run) account.RunResult {
	t.Helper()
	got, err := f.ImportRun(t.Context(), f.policy, r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// counts returns the statuses of a run that are not zero.
func counts(r account.RunResult) map[string]int64 {
	out := map[string]int64{}
	for status, n := range r.Count {
		if n != 0 {
			out[account.Status(status).String()] = n
		}
	}
	return out
}

// faults returns the failures of a run, one line each.
func faults(r account.RunResult) (out []string) {
	for _, f := range r.Failures {
		out = append(out, fmt.Sprintf("%d %v", f.Index, f.Err))
	}
	return out
}

func wantRun(t *testing.T, got account.RunResult, count map[string]int64, failures ...string) {
	t.Helper()
	if diff := cmp.Diff(count, counts(got)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(failures, faults(got), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func (f *fixture) accounts(tb rapid.TB) []account.Account {
	tb.Helper()
	all, err := f.List(context.Background(), f.policy.SDKAppID, "", 10_000)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestImportRunLimits(t *testing.T) {
	f := newFixture()
	for name, r := range map[string]account.Run{
		"none":                {},
		"too many":            {Entries: make([]account.Entry, account.MaxRun+1)},
		"Restore misaligned":  {Entries: plain("a", "b"), Restore: make([]account.Restore, 1)},
		"Restore of nothing":  {Entries: plain("a"), Restore: []account.Restore{}},
		"Restore, no entries": {Restore: make([]account.Restore, 1)},
	} {
		if _, err := f.ImportRun(t.Context(), f.policy, r); errcode.Of(err) != errcode.BadParam {
			t.Errorf("%s: %v, want 70402", name, err)
		}
	}
	if got := f.accounts(t); len(got) != 0 {
		t.Errorf("%v were imported", got)
	}
}

func TestImportRunOutcomes(t *testing.T) {
	f := newFixture()
	mustImport(t, f, []account.Entry{{UserID: "old", Nick: "Old"}, {UserID: "same", Nick: "Same"}})
	long := strings.Repeat("n", account.MaxProfileValue+1)
	got := mustRun(t, f, account.Run{Entries: []account.Entry{
		{UserID: "new", Nick: "first", FaceURL: "face"},
		{UserID: ""},
		{UserID: "old", Nick: "Newer"},
		{UserID: "same"},
		{UserID: "new"},
		{UserID: "two words"},
		{UserID: "new", Nick: long},
		{UserID: "@TLS#1"},
		{UserID: "new", Nick: "last"},
		{UserID: "new"},
		{UserID: "nick", FaceURL: long},
		{UserID: "same", Nick: "Same"},
	}})
	wantRun(t, got, map[string]int64{"Created": 1, "Existed": 1, "Updated": 1, "Duplicate": 4, "Failed": 5},
		"1 70402 the UserID is empty",
		"5 70402 the UserID has the byte 0x20 at 3; only printable ASCII without spaces is allowed",
		"6 40601 Nick has 501 bytes, the limit is 500",
		"7 70402 the UserID starts with the reserved prefix @TLS#",
		"10 40601 FaceUrl has 501 bytes, the limit is 500",
	)
	want := map[account.UserID]account.Profile{"new": {Nick: "last", FaceURL: "face"}, "old": {Nick: "Newer"}, "same": {Nick: "Same"}}
	stored := map[account.UserID]account.Profile{}
	for _, a := range f.accounts(t) {
		stored[a.UserID] = a.Profile
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestImportRunOfNothingValid must not trouble the store.
func TestImportRunOfNothingValid(t *testing.T) {
	f := newFixture()
	f.Service = account.NewService(brokenStore{err: errors.New("it was asked")}, f.clock, f.revoked)
	got := mustRun(t, f, account.Run{Entries: plain("", "a b")})
	wantRun(t, got, map[string]int64{"Failed": 2},
		"0 70402 the UserID is empty", "1 70402 the UserID has the byte 0x20 at 1; only printable ASCII without spaces is allowed")
}

func TestImportRunStoreErrors(t *testing.T) {
	for err, want := range map[error]errcode.Code{
		account.ErrBusy: errcode.Busy, context.DeadlineExceeded: errcode.StoreTimeout, context.Canceled: errcode.StoreTimeout, account.ErrFailed: errcode.Internal,
	} {
		f := newFixture()
		f.Service = account.NewService(brokenStore{err: fmt.Errorf("store: %w", err)}, f.clock, f.revoked)
		got, err2 := f.ImportRun(t.Context(), f.policy, account.Run{Entries: plain("a", "")})
		if errcode.Of(err2) != want || !errors.Is(err2, err) || !cmp.Equal(got, account.RunResult{}, cmpopts.EquateEmpty()) {
			t.Errorf("%v became %v, want %d; the result is %+v", err, err2, want, got)
		}
	}
}

// hangingStore answers when its caller does not want to know any more.
type hangingStore struct{ account.Store }

func (hangingStore) Import(ctx context.Context, _ account.SDKAppID, _ account.Batch) ([]account.Imported, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestImportRunTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.Service = account.NewService(hangingStore{}, f.clock, f.revoked)
		begin := time.Now()
		_, err := f.ImportRun(t.Context(), f.policy, account.Run{Entries: plain("a")})
		if took := time.Since(begin); errcode.Of(err) != errcode.StoreTimeout || took != account.RunTimeout {
			t.Errorf("%v after %v, want 70169 after %v", err, took, account.RunTimeout)
		}
	})
}

// TestImportRunQuota: who comes first has the room, not who is first in the order of names.
func TestImportRunQuota(t *testing.T) {
	f := newFixture()
	mustImport(t, f, plain("administrator", "old")) // the first does not count
	f.policy.Quota = 4
	got := mustRun(t, f, account.Run{Entries: plain("z", "old", "y", "", "y", "x", "a", "a", "administrator", "x")})
	const quota = " 70398 The number of accounts exceeds the limit. To create more than 100 accounts, upgrade your app to the professional edition."
	wantRun(t, got, map[string]int64{"Created": 3, "Existed": 2, "Duplicate": 2, "Failed": 3}, "3 70402 the UserID is empty", "6"+quota, "7"+quota)
	got = mustRun(t, f, account.Run{Entries: []account.Entry{{UserID: "b"}, {UserID: "z", Nick: "Z"}}})
	wantRun(t, got, map[string]int64{"Updated": 1, "Failed": 1}, "0"+quota)
}

func TestImportRunHold(t *testing.T) {
	f := newFixture()
	f.policy.DeleteHold = time.Hour
	mustImport(t, f, plain("gone", "stays"))
	if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"gone"}); err != nil {
		t.Fatal(err)
	}
	r := account.Run{Entries: plain("new", "gone", "stays", "gone")}
	const hold = " 70399 the UserID was deleted recently and cannot be imported again yet"
	wantRun(t, mustRun(t, f, r), map[string]int64{"Created": 1, "Existed": 1, "Failed": 2}, "1"+hold, "3"+hold)
	f.clock.now = f.clock.now.Add(time.Hour + time.Second)
	wantRun(t, mustRun(t, f, r), map[string]int64{"Created": 1, "Existed": 2, "Duplicate": 1})
}

// TestImportRunRestores walks through what may be wrong with what an entry brings along.
func TestImportRunRestores(t *testing.T) {
	f := newFixture()
	first := mustImport(t, f, plain("there"))[0].TinyID
	now := f.clock.now.Unix()
	const id = account.FirstTinyID + 1000
	steps := []struct {
		name    string
		entry   account.Entry
		restore account.Restore
		fault   string // without its index
	}{
		{"restored", account.Entry{UserID: "z"}, account.Restore{TinyID: id, Created: 1600000000, ValidFrom: 1600000001}, ""},
		{"again", account.Entry{UserID: "z", Nick: "Z"}, account.Restore{TinyID: id, Created: 1, ValidFrom: 2}, ""},
		{"again, whatever its TinyID is", account.Entry{UserID: "z"}, account.Restore{}, ""},
		{"again with another", account.Entry{UserID: "z", Nick: "not this"}, account.Restore{TinyID: id + 1}, taken(id + 1)},
		{"a TinyID of this run", account.Entry{UserID: "a"}, account.Restore{TinyID: id}, taken(id)},
		{"no TinyID", account.Entry{UserID: "b"}, account.Restore{Created: 1600000000}, ""},
		{"nothing", account.Entry{UserID: "c"}, account.Restore{}, ""},
		{"a TinyID of before", account.Entry{UserID: "d"}, account.Restore{TinyID: first}, taken(first)},
		{"the same after that", account.Entry{UserID: "d"}, account.Restore{}, taken(first)},
		{"another TinyID than it has", account.Entry{UserID: "there"}, account.Restore{TinyID: id + 2}, taken(id + 2)},
		{"too small", account.Entry{UserID: "e"}, account.Restore{TinyID: account.FirstTinyID - 1}, fmt.Sprintf("70402 the TinyID is %d, it must be %d to %d", account.FirstTinyID-1, account.FirstTinyID, account.MaxTinyID)},
		{"too large", account.Entry{UserID: "e"}, account.Restore{TinyID: account.MaxTinyID + 1}, fmt.Sprintf("70402 the TinyID is %d, it must be %d to %d", account.MaxTinyID+1, account.FirstTinyID, account.MaxTinyID)},
		{"the largest, of a name that failed before", account.Entry{UserID: "e"}, account.Restore{TinyID: account.MaxTinyID}, ""},
		{"created in the future", account.Entry{UserID: "f"}, account.Restore{Created: now + 1}, fmt.Sprintf("70402 Created is %d, it must be a time in the past", now+1)},
		{"created before 1970", account.Entry{UserID: "f"}, account.Restore{Created: -1}, "70402 Created is -1, it must be a time in the past"},
		{"valid from the future", account.Entry{UserID: "f"}, account.Restore{ValidFrom: now + 1}, fmt.Sprintf("70402 ValidFrom is %d, it must be a time in the past", now+1)},
		{"valid from before 1970", account.Entry{UserID: "f"}, account.Restore{ValidFrom: -1}, "70402 ValidFrom is -1, it must be a time in the past"},
		{"created now", account.Entry{UserID: "g"}, account.Restore{Created: now, TinyID: id + 3}, ""},
		{"a bad name", account.Entry{UserID: ""}, account.Restore{TinyID: id + 4}, "70402 the UserID is empty"},
	}
	var r account.Run
	var want []string
	for i, s := range steps {
		r.Entries, r.Restore = append(r.Entries, s.entry), append(r.Restore, s.restore)
		if s.fault != "" {
			want = append(want, fmt.Sprintf("%d %s", i, s.fault))
		}
	}
	wantRun(t, mustRun(t, f, r), map[string]int64{"Created": 5, "Duplicate": 2, "Failed": 12}, want...)
	var got []string
	given := map[account.TinyID]bool{}
	for _, a := range f.accounts(t) {
		got = append(got, fmt.Sprintf("%s %d %d %s", a.UserID, a.Created, a.ValidFrom, a.Profile.Nick))
		given[a.TinyID] = true
	}
	stored := []string{
		"b 1600000000 0 ", fmt.Sprintf("c %d 0 ", now), fmt.Sprintf("e %d 0 ", now), fmt.Sprintf("g %d 0 ", now),
		fmt.Sprintf("there %d 0 ", now), "z 1600000000 1600000001 Z",
	}
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if len(given) != len(stored) || !given[id] || !given[id+3] || !given[account.MaxTinyID] || given[0] {
		t.Errorf("the TinyIDs are %v", given)
	}
	if diff := cmp.Diff(revocations{"kicked 1400000001:z"}, *f.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	if f.clock.now.Unix() != now {
		t.Error("it waited, although every ValidFrom is over")
	}
}

func taken(id account.TinyID) string {
	return fmt.Sprintf("70402 the TinyID %d cannot be this account's: it was given before, or the account has another", id)
}

// TestImportRunRestoresInOrder: the first entry has the TinyID, whatever the names are.
func TestImportRunRestoresInOrder(t *testing.T) {
	f := newFixture()
	const id = account.FirstTinyID // the one that would be given next
	r := account.Run{Entries: plain("z", "y", "a"), Restore: []account.Restore{{TinyID: id}, {}, {TinyID: id}}}
	wantRun(t, mustRun(t, f, r), map[string]int64{"Created": 2, "Failed": 1}, "2 "+taken(id))
	if all := f.accounts(t); all[1].UserID != "z" || all[1].TinyID != id || all[0].TinyID == id {
		t.Errorf("stored: %+v", all)
	}
}

// TestImportRunAwaitsValidity: when it has returned, a UserSig that is made then works.
func TestImportRunAwaitsValidity(t *testing.T) {
	for _, tc := range []struct {
		name    string
		before  func(t *testing.T, f *fixture)
		restore func(now int64) []account.Restore
	}{
		{"restored with a kick of now", func(*testing.T, *fixture) {}, func(now int64) []account.Restore {
			return []account.Restore{{ValidFrom: now}, {}}
		}},
		{"back within the second of its deletion", func(t *testing.T, f *fixture) {
			mustImport(t, f, plain("a"))
			if _, err := f.Delete(t.Context(), f.policy, []account.UserID{"a"}); err != nil {
				t.Fatal(err)
			}
		}, func(int64) []account.Restore { return nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture()
			tc.before(t, f)
			now := f.clock.now.Unix()
			mustRun(t, f, account.Run{Entries: plain("a", "b"), Restore: tc.restore(now)})
			dead, err := f.ValidFrom(t.Context(), f.policy.SDKAppID, "a")
			if err != nil || dead != now || f.clock.now.Unix() <= dead {
				t.Errorf("it returned at %d, UserSigs are dead until %d (%v)", f.clock.now.Unix(), dead, err)
			}
		})
	}
	t.Run("and says so if it cannot", func(t *testing.T) {
		f := newFixture()
		ctx, cancel := context.WithCancel(t.Context())
		f.Service = account.NewService(leavingStore{leave: cancel}, f.clock, f.revoked)
		_, err := f.ImportRun(ctx, f.policy, account.Run{Entries: plain("a"), Restore: []account.Restore{{ValidFrom: f.clock.now.Unix()}}})
		if errcode.Of(err) != errcode.StoreTimeout {
			t.Errorf("%v, want 70169", err)
		}
	})
}

// leavingStore creates everything, and its caller leaves meanwhile.
type leavingStore struct {
	account.Store
	leave func()
}

func (s leavingStore) Import(_ context.Context, _ account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	s.leave()
	out := make([]account.Imported, len(b.Entries))
	for i := range out {
		out[i] = account.Imported{Status: account.Created, TinyID: 1, ValidFrom: b.Restore[i].ValidFrom}
	}
	return out, nil
}

// runCase is what a run meets: what was imported and deleted before it, and what it brings.
type runCase struct {
	before  []account.Entry
	deleted []account.UserID
	hold    time.Duration
	quota   int64
	entries []account.Entry
}

func drawRun(t *rapid.T) runCase {
	name := rapid.OneOf(rapid.StringMatching(`[ab]{1,3}`), rapid.StringMatching(`aaaaaaaa[ab]{0,2}`), rapid.SampledFrom([]string{"", "a b", "administrator", strings.Repeat("x", 33)}))
	nick := rapid.SampledFrom([]string{"", "", "A", "B", strings.Repeat("n", account.MaxProfileValue+1)})
	entry := rapid.Custom(func(t *rapid.T) account.Entry {
		return account.Entry{UserID: account.UserID(name.Draw(t, "name")), Nick: nick.Draw(t, "nick"), FaceURL: nick.Draw(t, "face")}
	})
	return runCase{
		before:  rapid.SliceOfN(entry, 0, 10).Draw(t, "before"),
		deleted: rapid.SliceOfN(rapid.Map(rapid.StringMatching(`[ab]{1,3}`), func(s string) account.UserID { return account.UserID(s) }), 0, 5).Draw(t, "deleted"),
		hold:    rapid.SampledFrom([]time.Duration{0, 5 * time.Second, time.Hour}).Draw(t, "hold"),
		quota:   rapid.SampledFrom([]int64{0, 0, 1, 5, 12}).Draw(t, "quota"),
		entries: rapid.SliceOfN(entry, 1, 60).Draw(t, "entries"),
	}
}

// open returns a service in which all has happened that was before the run.
func (c runCase) open(t *rapid.T) *fixture {
	f := newFixture()
	for _, e := range c.before {
		if _, err := f.Import(context.Background(), f.policy, []account.Entry{e}, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range c.deleted {
		if _, err := f.Delete(context.Background(), f.policy, []account.UserID{id}); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.now = f.clock.now.Add(10 * time.Second)
	f.policy.DeleteHold, f.policy.Quota = c.hold, c.quota
	return f
}

// TestImportRunIsTheSumOfImports holds a run against importing its entries one by one: the
// same entries fail for the same reason, the same accounts are there afterwards.
func TestImportRunIsTheSumOfImports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawRun(t)
		run, single := c.open(t), c.open(t)
		profiles := map[account.UserID]account.Profile{}
		for _, a := range single.accounts(t) {
			profiles[a.UserID] = a.Profile
		}
		got, err := run.ImportRun(context.Background(), run.policy, account.Run{Entries: c.entries})
		if err != nil {
			t.Fatal(err)
		}
		var failures []string
		var want [account.NumStatuses]int64
		seen := map[account.UserID]bool{}
		for i, e := range c.entries {
			out, err := single.Import(context.Background(), single.policy, []account.Entry{e}, false)
			if err == nil && out[0].Err != nil {
				err = out[0].Err
			}
			switch {
			case err != nil:
				failures = append(failures, fmt.Sprintf("%d %d", i, errcode.Of(err)))
				want[account.Failed]++
			case seen[e.UserID]:
				want[account.Duplicate]++
			case out[0].Status == account.Created:
				want[account.Created]++
			default:
				want[account.Existed]++ // or Updated, as will be seen at the end
			}
			seen[e.UserID] = seen[e.UserID] || err == nil
		}
		for _, a := range single.accounts(t) {
			if old, existed := profiles[a.UserID]; existed && !cmp.Equal(old, a.Profile) {
				want[account.Existed]--
				want[account.Updated]++
			}
		}
		var gotFailures []string
		for _, f := range got.Failures {
			gotFailures = append(gotFailures, fmt.Sprintf("%d %d", f.Index, f.Err.Code))
		}
		if diff := cmp.Diff(failures, gotFailures); diff != "" {
			t.Fatalf("failures (-one by one +run):\n%s", diff)
		}
		if diff := cmp.Diff(want, got.Count); diff != "" {
			t.Fatalf("counts (-one by one +run):\n%s", diff)
		}
		if diff := cmp.Diff(single.accounts(t), run.accounts(t), cmpopts.IgnoreFields(account.Account{}, "TinyID")); diff != "" {
			t.Fatalf("accounts (-one by one +run):\n%s", diff)
		}
	})
}

// TestImportRunIsImport holds a run against the same entries in one Import, status by status.
func TestImportRunIsImport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawRun(t)
		c.quota = 0 // which is all or nothing for Import
		run, batch := c.open(t), c.open(t)
		got, err := run.ImportRun(context.Background(), run.policy, account.Run{Entries: c.entries})
		if err != nil {
			t.Fatal(err)
		}
		out, err := batch.Import(context.Background(), batch.policy, c.entries, false)
		if err != nil {
			t.Fatal(err)
		}
		var want account.RunResult
		for i, o := range out {
			want.Count[o.Status]++
			if o.Err != nil {
				want.Failures = append(want.Failures, account.RunFailure{Index: i, Err: o.Err})
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(errcode.Error{}, "Err")); diff != "" {
			t.Fatalf("result (-Import +ImportRun):\n%s", diff)
		}
		if diff := cmp.Diff(batch.accounts(t), run.accounts(t), cmpopts.IgnoreFields(account.Account{}, "TinyID")); diff != "" {
			t.Fatalf("accounts (-Import +ImportRun):\n%s", diff)
		}
	})
}

// TestImportRunDoesNotChangeTheRun: a caller may look at it, and use it again, afterwards.
func TestImportRunDoesNotChangeTheRun(t *testing.T) {
	f := newFixture()
	r := account.Run{
		Entries: []account.Entry{{UserID: "b", Nick: "1"}, {UserID: "a"}, {UserID: "b", Nick: "2"}},
		Restore: []account.Restore{{TinyID: account.FirstTinyID + 5}, {}, {}},
	}
	entries, restore := append([]account.Entry(nil), r.Entries...), append([]account.Restore(nil), r.Restore...)
	mustRun(t, f, r)
	if !cmp.Equal(r.Entries, entries) || !cmp.Equal(r.Restore, restore) {
		t.Errorf("the run is now %+v", r)
	}
}

// TestImportRunOfManyEntries has more of them than are sorted by comparing.
func TestImportRunOfManyEntries(t *testing.T) {
	f := newFixture()
	const n = 5000
	var entries []account.Entry
	for i := range 2 * n {
		e := account.Entry{UserID: account.UserID(fmt.Sprintf("common-prefix-%d", i*7919%n))}
		if i >= n {
			e.Nick = fmt.Sprint(i)
		}
		entries = append(entries, e)
	}
	wantRun(t, mustRun(t, f, account.Run{Entries: entries}), map[string]int64{"Created": n, "Duplicate": n})
	all := f.accounts(t)
	for _, a := range all {
		if a.Profile.Nick == "" {
			t.Fatalf("%+v has not the last Nick", a)
		}
	}
	if len(all) != n {
		t.Errorf("%d accounts, want %d", len(all), n)
	}
}
