package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store"
)

// mainApp is the App that most tests use.
const mainApp account.SDKAppID = 1400000000

// client calls a store on behalf of a test, for one App, and fails the test at every
// error. Its methods also check what holds for every call: results are aligned with
// the input, a created account has a TinyID, no TinyID comes twice.
type client struct {
	testing.TB
	inst  Instance
	app   account.SDKAppID
	given map[account.TinyID]account.UserID // every TinyID of a Created account
	// restored holds those of given that the test chose.
	restored map[account.TinyID]bool
}

func newClient(tb testing.TB, h Harness) *client {
	tb.Helper()
	return &client{
		TB: tb, inst: h.Open(tb), app: mainApp,
		given: make(map[account.TinyID]account.UserID), restored: make(map[account.TinyID]bool),
	}
}

// of returns a client of another App.
func (c *client) of(app account.SDKAppID) *client {
	other := *c
	other.app = app
	return &other
}

func (c *client) store() store.Store { return c.inst.Store() }

func (c *client) reopen() {
	c.Helper()
	c.inst.Reopen(c.TB)
}

// importBatch imports b and checks what holds for each of its results.
func (c *client) importBatch(b account.Batch) []account.Imported {
	c.Helper()
	got, err := c.store().Import(c.Context(), c.app, b)
	if err != nil {
		c.Fatalf("Import(%d, %s): %v", c.app, brief(b), err)
	}
	c.checkAllImported(b, got)
	return got
}

// checkAllImported checks what holds for each result of b, and learns the TinyIDs.
func (c *client) checkAllImported(b account.Batch, got []account.Imported) {
	c.Helper()
	if len(got) != len(b.Entries) {
		c.Fatalf("Import gave %d results for %d entries", len(got), len(b.Entries))
	}
	var errs []error
	for i, im := range got {
		if r := restoreOf(b, i); r.TinyID != 0 && im.Status == account.Created {
			c.restored[r.TinyID] = true
		}
	}
	for i, im := range got {
		if err := c.learn(b.Entries[i].UserID, restoreOf(b, i), im); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		c.Errorf("%d results are impossible, the first are:\n%v", len(errs), errors.Join(errs[:min(5, len(errs))]...))
	}
}

// restoreOf returns what entry i brings along.
func restoreOf(b account.Batch, i int) account.Restore {
	if len(b.Restore) == 0 {
		return account.Restore{}
	}
	return b.Restore[i]
}

// brief describes a batch of any length.
func brief(b account.Batch) string {
	n := len(b.Entries)
	b.Entries, b.Restore = b.Entries[:min(n, 10)], b.Restore[:min(len(b.Restore), 10)]
	return fmt.Sprintf("%d entries: %+v", n, b)
}

// learn checks one result of Import and notes the TinyID of a new account.
func (c *client) learn(id account.UserID, r account.Restore, im account.Imported) error {
	switch im.Status {
	case account.Created:
		return c.learnCreated(id, r, im)
	case account.Existed, account.Updated:
		if im.ValidFrom != 0 {
			return fmt.Errorf("%q was there already and got ValidFrom %d; want 0", id, im.ValidFrom)
		}
		if r.TinyID != 0 && im.TinyID != 0 && im.TinyID != r.TinyID {
			return fmt.Errorf("%q has the TinyID %d and was accepted with %d", id, im.TinyID, r.TinyID)
		}
	case account.Held, account.OverQuota, account.Taken:
		if im.TinyID != 0 || im.ValidFrom != 0 {
			return fmt.Errorf("%q is %v and got TinyID %d and ValidFrom %d; want none", id, im.Status, im.TinyID, im.ValidFrom)
		}
	default:
		return fmt.Errorf("%q got the status %v, which no store gives", id, im.Status)
	}
	return nil
}

func (c *client) learnCreated(id account.UserID, r account.Restore, im account.Imported) error {
	if owner, taken := c.given[im.TinyID]; taken {
		return fmt.Errorf("%q got the TinyID %d, which %q had before", id, im.TinyID, owner)
	}
	c.given[im.TinyID] = id
	if im.ValidFrom < r.ValidFrom {
		return fmt.Errorf("%q got ValidFrom %d, it was restored with %d", id, im.ValidFrom, r.ValidFrom)
	}
	if r.TinyID != 0 {
		if im.TinyID != r.TinyID {
			return fmt.Errorf("%q got the TinyID %d, it was restored with %d", id, im.TinyID, r.TinyID)
		}
		return nil
	}
	last := account.TinyID(1e18 - 1)
	if len(c.restored) > 0 {
		last = math.MaxInt64 // the sequence may go on anywhere
	}
	if im.TinyID < account.FirstTinyID || im.TinyID > last {
		return fmt.Errorf("%q got the TinyID %d; want %d to %d", id, im.TinyID, account.FirstTinyID, last)
	}
	return nil
}

// importIDs imports names without a profile at a second and returns their TinyIDs.
func (c *client) importIDs(at int64, ids ...account.UserID) []account.TinyID {
	c.Helper()
	got := c.importBatch(account.Batch{Entries: entries(ids...), At: at, TinyIDs: true})
	out := make([]account.TinyID, len(got))
	for i, im := range got {
		out[i] = im.TinyID
	}
	return out
}

// importOne imports one entry and returns what became of it.
func (c *client) importOne(at int64, e account.Entry) account.Imported {
	c.Helper()
	return c.importBatch(account.Batch{Entries: []account.Entry{e}, At: at, TinyIDs: true})[0]
}

// statuses imports b and returns only what became of each entry.
func (c *client) statuses(b account.Batch) []account.Status {
	c.Helper()
	return statuses(c.importBatch(b))
}

func statuses(got []account.Imported) []account.Status {
	out := make([]account.Status, len(got))
	for i, im := range got {
		out[i] = im.Status
	}
	return out
}

// restoreBatch makes a batch of names at second 60, each with what it brings along.
func restoreBatch(ids []account.UserID, rs ...account.Restore) account.Batch {
	return account.Batch{Entries: entries(ids...), At: 60, Restore: rs}
}

// restoreOne imports one name at second 60 with what it brings along, and returns what
// became of it.
func (c *client) restoreOne(id account.UserID, r account.Restore) account.Status {
	c.Helper()
	return c.statuses(restoreBatch([]account.UserID{id}, r))[0]
}

func (c *client) check(ids ...account.UserID) []bool {
	c.Helper()
	got, err := c.store().Check(c.Context(), c.app, ids)
	if err != nil {
		c.Fatalf("Check(%d, %.1000q): %v", c.app, ids, err)
	}
	if len(got) != len(ids) {
		c.Fatalf("Check gave %d results for %d names", len(got), len(ids))
	}
	return got
}

func (c *client) get(ids ...account.UserID) []account.Account {
	c.Helper()
	got, err := c.store().Get(c.Context(), c.app, ids)
	if err != nil {
		c.Fatalf("Get(%d, %.1000q): %v", c.app, ids, err)
	}
	if len(got) != len(ids) {
		c.Fatalf("Get gave %d results for %d names", len(got), len(ids))
	}
	for i, a := range got {
		if a.UserID != ids[i] {
			c.Fatalf("Get gave %q in the place of %q", a.UserID, ids[i])
		}
	}
	return got
}

func (c *client) getOne(id account.UserID) account.Account {
	c.Helper()
	return c.get(id)[0]
}

func (c *client) del(at int64, ids ...account.UserID) []bool {
	c.Helper()
	got, err := c.store().Delete(c.Context(), c.app, ids, at)
	if err != nil {
		c.Fatalf("Delete(%d, %.1000q, %d): %v", c.app, ids, at, err)
	}
	if len(got) != len(ids) {
		c.Fatalf("Delete gave %d results for %d names", len(got), len(ids))
	}
	return got
}

// kick kicks one account and reports whether it was there.
func (c *client) kick(id account.UserID, validFrom int64) bool {
	c.Helper()
	return c.kickAll(validFrom, id)[0]
}

func (c *client) kickAll(validFrom int64, ids ...account.UserID) []bool {
	c.Helper()
	got, err := c.store().Kick(c.Context(), c.app, ids, validFrom)
	if err != nil {
		c.Fatalf("Kick(%d, %.1000q, %d): %v", c.app, ids, validFrom, err)
	}
	if len(got) != len(ids) {
		c.Fatalf("Kick gave %d results for %d names", len(got), len(ids))
	}
	return got
}

func (c *client) setProfile(id account.UserID, change account.ProfileChange) bool {
	c.Helper()
	got, err := c.store().SetProfile(c.Context(), c.app, id, change)
	if err != nil {
		c.Fatalf("SetProfile(%d, %q): %v", c.app, id, err)
	}
	return got
}

func (c *client) list(after account.UserID, limit int) []account.Account {
	c.Helper()
	got, err := c.store().List(c.Context(), c.app, after, limit)
	if err != nil {
		c.Fatalf("List(%d, %q, %d): %v", c.app, after, limit, err)
	}
	return got
}

// listAll returns every account by pages of a size.
func (c *client) listAll(page int) []account.Account {
	c.Helper()
	var all []account.Account
	for after := account.UserID(""); ; {
		got := c.list(after, page)
		if len(got) > page || len(got) > 0 && got[0].UserID <= after {
			c.Fatalf("List after %q with limit %d gave %d accounts from %q on", after, page, len(got), got[0].UserID)
		}
		all = append(all, got...)
		if len(got) < page {
			return all
		}
		after = got[len(got)-1].UserID
	}
}

func (c *client) count() int64 {
	c.Helper()
	got, err := c.store().Count(c.Context(), c.app)
	if err != nil {
		c.Fatalf("Count(%d): %v", c.app, err)
	}
	return got
}

// wantExactCount checks that Count, List and Get agree, and that there are n accounts.
func (c *client) wantExactCount(n int) {
	c.Helper()
	all := c.listAll(max(1000, n+1))
	if got := c.count(); got != int64(n) || len(all) != n {
		c.Errorf("App %d: Count is %d and List gives %d accounts, want %d", c.app, got, len(all), n)
	}
	ids := userIDs(all)
	if !slices.IsSorted(ids) {
		c.Errorf("List is not in byte order: %.1000q", ids)
	}
	sameEach(c.TB, "accounts of List as Get gives them", withoutAttrs(c.get(sample(ids)...)), sample(all))
}

// same compares; a nil and an empty slice are the same.
func same[T any](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if reflect.DeepEqual(got, want) {
		return // cmp takes a hundred times as long
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// sameEach is same for slices that may be very long.
func sameEach[T any](tb testing.TB, what string, got, want []T) {
	tb.Helper()
	if diff := differences(want, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// differences compares as cmp does. Of slices that are very long it shows only the first
// elements that differ.
func differences[T any](want, got []T) string {
	const long, shown = 1000, 3
	if equal(want, got) {
		return ""
	}
	if max(len(want), len(got)) < long {
		return cmp.Diff(want, got, cmpopts.EquateEmpty())
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d elements, want %d", len(got), len(want))
	}
	var diffs []string
	for i := 0; i < len(want) && len(diffs) < shown; i++ {
		if reflect.DeepEqual(want[i], got[i]) {
			continue
		}
		if diff := cmp.Diff(want[i], got[i], cmpopts.EquateEmpty()); diff != "" {
			diffs = append(diffs, fmt.Sprintf("%d of %d:\n%s", i, len(want), diff))
		}
	}
	return strings.Join(diffs, "\n")
}

// equal reports whether two slices are the same, without reflection where they may be long.
func equal[T any](want, got []T) bool {
	switch want := any(want).(type) {
	case []account.Account:
		return slices.EqualFunc(want, any(got).([]account.Account), func(x, y account.Account) bool {
			return x.UserID == y.UserID && x.TinyID == y.TinyID && x.Created == y.Created && x.ValidFrom == y.ValidFrom &&
				x.Profile.Nick == y.Profile.Nick && x.Profile.FaceURL == y.Profile.FaceURL && slices.Equal(x.Profile.Attrs, y.Profile.Attrs)
		})
	case []account.Imported:
		return slices.Equal(want, any(got).([]account.Imported))
	default:
		return reflect.DeepEqual(want, any(got))
	}
}

// entries makes an Entry without a profile of each name.
func entries(ids ...account.UserID) []account.Entry {
	out := make([]account.Entry, len(ids))
	for i, id := range ids {
		out[i].UserID = id
	}
	return out
}

// operation is one call of a store, for tests that put every one through the same.
type operation struct {
	name string
	call func(ctx context.Context) error
}

// operations are all the calls that a store has but Close, on the given account.
func (c *client) operations(id account.UserID) []operation {
	st, app, ids := c.store(), c.app, []account.UserID{id}
	nick := "changed"
	return append(c.messageOperations(id), []operation{
		{"Import", func(ctx context.Context) error {
			_, err := st.Import(ctx, app, account.Batch{Entries: []account.Entry{{UserID: id, Nick: nick}, {UserID: "new"}}, At: 90})
			return err
		}},
		{"Check", func(ctx context.Context) error { _, err := st.Check(ctx, app, ids); return err }},
		{"Get", func(ctx context.Context) error { _, err := st.Get(ctx, app, ids); return err }},
		{"Delete", func(ctx context.Context) error { _, err := st.Delete(ctx, app, ids, 90); return err }},
		{"Kick", func(ctx context.Context) error { _, err := st.Kick(ctx, app, ids, 90); return err }},
		{"SetProfile", func(ctx context.Context) error {
			_, err := st.SetProfile(ctx, app, id, account.ProfileChange{Nick: &nick})
			return err
		}},
		{"List", func(ctx context.Context) error { _, err := st.List(ctx, app, "", 10); return err }},
		{"Count", func(ctx context.Context) error { _, err := st.Count(ctx, app); return err }},
		{"SavePush", func(ctx context.Context) error {
			return st.SavePush(ctx, []presence.PushDevice{c.device(id, presence.IPhone, "i", 90)}, nil)
		}},
		{"LoadPush", func(ctx context.Context) error { _, err := loadPush(ctx, st); return err }},
	}...)
}
