// Package memstore keeps accounts in memory and loses them with the process. It is the
// backend that is obviously correct: one mutex, one map per App, no cleverness. Tests
// of everything above the store run on it, and so does a throwaway server.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store in memory. "Durable" means to it: until the process ends.
type Store struct {
	mu     sync.Mutex
	closed bool
	next   account.TinyID // given to the next account, of whatever App
	apps   map[account.SDKAppID]*accounts
}

// accounts are those of one App.
type accounts struct {
	names map[account.UserID]record
	live  int64 // how many of names are imported
}

// record is what is known of a name that was ever imported. Once it is deleted only
// UserID and ValidFrom remain of the account.
type record struct {
	account.Account
	deletedAt int64 // when it was deleted last, Unix seconds; means nothing while it Exists
}

// New returns an empty Store.
func New() *Store {
	return &Store{next: account.FirstTinyID, apps: make(map[account.SDKAppID]*accounts)}
}

// Import implements account.Store.
func (s *Store) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	leave, err := s.enter(ctx, "import")
	if err != nil {
		return nil, err
	}
	defer leave()
	a := s.apps[app]
	if a == nil {
		a = &accounts{names: make(map[account.UserID]record)}
		s.apps[app] = a
	}
	if n := a.newcomers(&b); b.Quota > 0 && n > 0 && a.live+n > b.Quota {
		return nil, fmt.Errorf("memstore: import: %w", account.ErrQuota)
	}
	out := make([]account.Imported, len(b.Entries))
	for i, e := range b.Entries {
		old, known := a.names[e.UserID]
		switch {
		case old.Exists():
			out[i] = a.update(old, e, b.TinyIDs)
		case known && old.heldSince(b.HeldSince):
			out[i].Status = account.Held
		default:
			out[i] = a.create(old, e, s.next, b.At)
			s.next++
		}
	}
	return out, nil
}

// newcomers counts the entries that b would create.
func (a *accounts) newcomers(b *account.Batch) int64 {
	var n int64
	for _, e := range b.Entries {
		old, known := a.names[e.UserID]
		if !old.Exists() && (!known || !old.heldSince(b.HeldSince)) {
			n++
		}
	}
	return n
}

// heldSince reports whether the name, which is deleted, was so at or after since.
func (r record) heldSince(since int64) bool { return since != 0 && r.deletedAt >= since }

// create imports a name that is not there; old is its tombstone or zero.
func (a *accounts) create(old record, e account.Entry, id account.TinyID, at int64) account.Imported {
	// The strings are copied because they may be parts of a whole request.
	name := account.UserID(strings.Clone(string(e.UserID)))
	a.names[name] = record{Account: account.Account{
		UserID:    name,
		TinyID:    id,
		Created:   at,
		ValidFrom: old.ValidFrom,
		Profile:   account.Profile{Nick: strings.Clone(e.Nick), FaceURL: strings.Clone(e.FaceURL)},
	}}
	a.live++
	return account.Imported{Status: account.Created, TinyID: id, ValidFrom: old.ValidFrom}
}

// update re-imports an account that is there. A caller that does not ask for the
// TinyID gets none, so that a test shows who forgot to ask.
func (a *accounts) update(r record, e account.Entry, tinyID bool) account.Imported {
	out := account.Imported{Status: account.Existed}
	if tinyID {
		out.TinyID = r.TinyID
	}
	if e.Nick != "" && e.Nick != r.Profile.Nick {
		r.Profile.Nick, out.Status = strings.Clone(e.Nick), account.Updated
	}
	if e.FaceURL != "" && e.FaceURL != r.Profile.FaceURL {
		r.Profile.FaceURL, out.Status = strings.Clone(e.FaceURL), account.Updated
	}
	a.names[r.UserID] = r
	return out
}

// Check implements account.Store.
func (s *Store) Check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	leave, err := s.enter(ctx, "check")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = s.lookup(app, id).Exists()
	}
	return out, nil
}

// Get implements account.Store.
func (s *Store) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	leave, err := s.enter(ctx, "get")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]account.Account, len(ids))
	for i, id := range ids {
		out[i] = s.lookup(app, id).copy()
		out[i].UserID = id
	}
	return out, nil
}

// Delete implements account.Store.
func (s *Store) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	leave, err := s.enter(ctx, "delete")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]bool, len(ids))
	for i, id := range ids {
		r := s.lookup(app, id)
		if !r.Exists() {
			continue
		}
		tombstone := account.Account{UserID: r.UserID, ValidFrom: max(r.ValidFrom, at)}
		s.apps[app].names[r.UserID] = record{Account: tombstone, deletedAt: at}
		s.apps[app].live--
		out[i] = true
	}
	return out, nil
}

// Kick implements account.Store.
func (s *Store) Kick(ctx context.Context, app account.SDKAppID, id account.UserID, validFrom int64) (bool, error) {
	leave, err := s.enter(ctx, "kick")
	if err != nil {
		return false, err
	}
	defer leave()
	r := s.lookup(app, id)
	if !r.Exists() {
		return false, nil
	}
	r.ValidFrom = max(r.ValidFrom, validFrom)
	s.apps[app].names[r.UserID] = r
	return true, nil
}

// SetProfile implements account.Store.
func (s *Store) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	leave, err := s.enter(ctx, "set profile")
	if err != nil {
		return false, err
	}
	defer leave()
	r := s.lookup(app, id)
	if !r.Exists() {
		return false, nil
	}
	if c.Nick != nil {
		r.Profile.Nick = strings.Clone(*c.Nick)
	}
	if c.FaceURL != nil {
		r.Profile.FaceURL = strings.Clone(*c.FaceURL)
	}
	r.Profile.Attrs = merge(r.Profile.Attrs, c.Attrs)
	s.apps[app].names[r.UserID] = r
	return true, nil
}

// merge returns the attributes of both, sorted by Tag; those of change win.
func merge(old, change []account.Attr) []account.Attr {
	values := make(map[string]string, len(old)+len(change))
	for _, a := range slices.Concat(old, change) {
		values[strings.Clone(a.Tag)] = strings.Clone(a.Value)
	}
	out := make([]account.Attr, 0, len(values))
	for _, tag := range slices.Sorted(maps.Keys(values)) {
		out = append(out, account.Attr{Tag: tag, Value: values[tag]})
	}
	return out
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error) {
	leave, err := s.enter(ctx, "list")
	if err != nil {
		return nil, err
	}
	defer leave()
	a := s.apps[app]
	if a == nil || limit < 1 {
		return nil, nil
	}
	var out []account.Account
	for id, r := range a.names {
		if id > after && r.Exists() {
			out = append(out, r.Account)
		}
	}
	slices.SortFunc(out, func(x, y account.Account) int { return cmp.Compare(x.UserID, y.UserID) })
	out = slices.Clone(out[:min(limit, len(out))])
	for i := range out {
		out[i].Profile.Attrs = slices.Clone(out[i].Profile.Attrs)
	}
	return out, nil
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, app account.SDKAppID) (int64, error) {
	leave, err := s.enter(ctx, "count")
	if err != nil {
		return 0, err
	}
	defer leave()
	if a := s.apps[app]; a != nil {
		return a.live, nil
	}
	return 0, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.apps = true, nil
	return nil
}

// enter begins a call: unless it returns an error, it has locked the store and the
// caller must call leave.
func (s *Store) enter(ctx context.Context, op string) (leave func(), err error) {
	s.mu.Lock()
	if s.closed {
		err = account.ErrClosed
	} else {
		err = ctx.Err()
	}
	if err != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("memstore: %s: %w", op, err)
	}
	return s.mu.Unlock, nil
}

// lookup returns what is known of a name; zero if it was never imported.
func (s *Store) lookup(app account.SDKAppID, id account.UserID) record {
	if a := s.apps[app]; a != nil {
		return a.names[id]
	}
	return record{}
}

// copy returns the account without sharing memory that the store will change.
func (r record) copy() account.Account {
	out := r.Account
	out.Profile.Attrs = slices.Clone(out.Profile.Attrs)
	return out
}
