package storetest

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-im/muster/internal/account"
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
}

func newClient(tb testing.TB, h Harness) *client {
	tb.Helper()
	return &client{TB: tb, inst: h.Open(tb), app: mainApp, given: make(map[account.TinyID]account.UserID)}
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
		c.Fatalf("Import(%d, %+v): %v", c.app, b, err)
	}
	if len(got) != len(b.Entries) {
		c.Fatalf("Import gave %d results for %d entries", len(got), len(b.Entries))
	}
	for i, im := range got {
		c.checkImported(b.Entries[i].UserID, im)
	}
	return got
}

func (c *client) checkImported(id account.UserID, im account.Imported) {
	c.Helper()
	switch im.Status {
	case account.Created:
		if im.TinyID < account.FirstTinyID || im.TinyID >= 1e18 {
			c.Errorf("%q got the TinyID %d; want 18 digits, from %d upward", id, im.TinyID, account.FirstTinyID)
		}
		if owner, taken := c.given[im.TinyID]; taken {
			c.Errorf("%q got the TinyID %d, which %q had before", id, im.TinyID, owner)
		}
		c.given[im.TinyID] = id
	case account.Existed, account.Updated:
		if im.ValidFrom != 0 {
			c.Errorf("%q was there already and got ValidFrom %d; want 0", id, im.ValidFrom)
		}
	case account.Held:
		if im.TinyID != 0 || im.ValidFrom != 0 {
			c.Errorf("%q is held and got TinyID %d and ValidFrom %d; want none", id, im.TinyID, im.ValidFrom)
		}
	default:
		c.Errorf("%q got the status %v, which no store gives", id, im.Status)
	}
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
	var out []account.Status
	for _, im := range c.importBatch(b) {
		out = append(out, im.Status)
	}
	return out
}

func (c *client) check(ids ...account.UserID) []bool {
	c.Helper()
	got, err := c.store().Check(c.Context(), c.app, ids)
	if err != nil {
		c.Fatalf("Check(%d, %q): %v", c.app, ids, err)
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
		c.Fatalf("Get(%d, %q): %v", c.app, ids, err)
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
		c.Fatalf("Delete(%d, %q, %d): %v", c.app, ids, at, err)
	}
	if len(got) != len(ids) {
		c.Fatalf("Delete gave %d results for %d names", len(got), len(ids))
	}
	return got
}

func (c *client) kick(id account.UserID, validFrom int64) bool {
	c.Helper()
	got, err := c.store().Kick(c.Context(), c.app, id, validFrom)
	if err != nil {
		c.Fatalf("Kick(%d, %q, %d): %v", c.app, id, validFrom, err)
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
	all := c.listAll(1000)
	if got := c.count(); got != int64(n) || len(all) != n {
		c.Errorf("App %d: Count is %d and List gives %d accounts, want %d", c.app, got, len(all), n)
	}
	var ids []account.UserID
	for _, a := range all {
		ids = append(ids, a.UserID)
	}
	if !slices.IsSorted(ids) {
		c.Errorf("List is not in byte order: %q", ids)
	}
	same(c.TB, "accounts of List as Get gives them", c.get(ids...), all)
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
	return []operation{
		{"Import", func(ctx context.Context) error {
			_, err := st.Import(ctx, app, account.Batch{Entries: []account.Entry{{UserID: id, Nick: nick}, {UserID: "new"}}, At: 90})
			return err
		}},
		{"Check", func(ctx context.Context) error { _, err := st.Check(ctx, app, ids); return err }},
		{"Get", func(ctx context.Context) error { _, err := st.Get(ctx, app, ids); return err }},
		{"Delete", func(ctx context.Context) error { _, err := st.Delete(ctx, app, ids, 90); return err }},
		{"Kick", func(ctx context.Context) error { _, err := st.Kick(ctx, app, id, 90); return err }},
		{"SetProfile", func(ctx context.Context) error {
			_, err := st.SetProfile(ctx, app, id, account.ProfileChange{Nick: &nick})
			return err
		}},
		{"List", func(ctx context.Context) error { _, err := st.List(ctx, app, "", 10); return err }},
		{"Count", func(ctx context.Context) error { _, err := st.Count(ctx, app); return err }},
	}
}
