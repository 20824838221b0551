// Package memstore keeps accounts and messages in memory and loses them with the process. It is the
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
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store in memory. "Durable" means to it: until the process ends.
type Store struct {
	mu     sync.Mutex
	closed bool
	next   account.TinyID // where the search for the next account's begins, of whatever App
	// given holds every TinyID that an account has or had, of whatever App.
	given map[account.TinyID]struct{}
	apps  map[account.SDKAppID]*accounts
	push  map[presence.PushKey]int64 // when each device that can be reached by push was seen

	messages messages
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
	return &Store{
		next:  account.FirstTinyID,
		given: make(map[account.TinyID]struct{}),
		apps:  make(map[account.SDKAppID]*accounts),
		push:  make(map[presence.PushKey]int64),

		messages: newMessages(),
	}
}

// Import implements account.Store. It decides every entry, in order, before it changes
// anything.
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
	p := plan{store: s, accounts: a, batch: &b, next: s.next, taken: make(map[account.TinyID]struct{})}
	out := make([]account.Imported, len(b.Entries))
	for i := range b.Entries {
		out[i] = p.decide(i)
	}
	if b.Quota > 0 && !b.Fill && p.created > 0 && a.live+p.created > b.Quota {
		return nil, fmt.Errorf("memstore: import: %w", account.ErrQuota)
	}
	for i, im := range out {
		a.apply(b.Entries[i], im, p.createdAt(i))
	}
	s.next = p.next
	maps.Copy(s.given, p.taken)
	return out, nil
}

// plan is what becomes of a batch. It changes nothing.
type plan struct {
	store    *Store
	accounts *accounts
	batch    *account.Batch
	created  int64                       // entries that are Created so far
	next     account.TinyID              // as Store.next, after them
	taken    map[account.TinyID]struct{} // their TinyIDs
}

// decide returns what becomes of entry i. It must be called for the ones before it first.
func (p *plan) decide(i int) account.Imported {
	old, known := p.accounts.names[p.batch.Entries[i].UserID]
	r := p.restore(i)
	switch {
	case old.Exists() && r.TinyID != 0 && r.TinyID != old.TinyID:
		return account.Imported{Status: account.Taken}
	case old.Exists():
		return old.reimported(p.batch.Entries[i], p.batch.TinyIDs)
	case known && old.held(p.batch):
		return account.Imported{Status: account.Held}
	case p.batch.Fill && p.batch.Quota > 0 && p.accounts.live+p.created >= p.batch.Quota:
		return account.Imported{Status: account.OverQuota}
	case r.TinyID != 0 && p.given(r.TinyID):
		return account.Imported{Status: account.Taken}
	}
	if r.TinyID == 0 {
		r.TinyID = p.fromSequence()
	}
	p.created++
	p.taken[r.TinyID] = struct{}{}
	return account.Imported{Status: account.Created, TinyID: r.TinyID, ValidFrom: max(old.ValidFrom, r.ValidFrom)}
}

// restore returns what entry i brings along; zero if it does not.
func (p *plan) restore(i int) account.Restore {
	if p.batch.Restore == nil {
		return account.Restore{}
	}
	return p.batch.Restore[i]
}

// createdAt returns the Created of entry i if it is a new account.
func (p *plan) createdAt(i int) int64 { return cmp.Or(p.restore(i).Created, p.batch.At) }

// given reports whether an account has or had the TinyID, or will once p is applied.
func (p *plan) given(id account.TinyID) bool {
	_, before := p.store.given[id]
	_, now := p.taken[id]
	return before || now
}

// fromSequence returns the next TinyID that was never given.
func (p *plan) fromSequence() account.TinyID {
	for p.given(p.next) {
		p.next++
	}
	p.next++
	return p.next - 1
}

// held reports whether b may not create the account of a name that is deleted.
func (r record) held(b *account.Batch) bool {
	return b.HeldSince != 0 && r.deletedAt >= b.HeldSince || b.Signed != 0 && r.ValidFrom >= b.Signed
}

// reimported is what becomes of e if r is there already. A caller that does not ask for
// the TinyID gets none, so that a test shows who forgot to ask.
func (r record) reimported(e account.Entry, tinyID bool) account.Imported {
	out := account.Imported{Status: account.Existed}
	if tinyID {
		out.TinyID = r.TinyID
	}
	if e.Nick != "" && e.Nick != r.Profile.Nick || e.FaceURL != "" && e.FaceURL != r.Profile.FaceURL {
		out.Status = account.Updated
	}
	return out
}

// apply does what was decided for e. created is the time at which a new account was.
func (a *accounts) apply(e account.Entry, im account.Imported, created int64) {
	r := a.names[e.UserID]
	switch im.Status {
	case account.Created:
		// The strings are copied because they may be parts of a whole request.
		r.UserID = account.UserID(strings.Clone(string(e.UserID)))
		r.TinyID, r.Created, r.ValidFrom = im.TinyID, created, im.ValidFrom
		a.live++
	case account.Updated:
	default:
		return
	}
	if e.Nick != "" {
		r.Profile.Nick = strings.Clone(e.Nick)
	}
	if e.FaceURL != "" {
		r.Profile.FaceURL = strings.Clone(e.FaceURL)
	}
	a.names[r.UserID] = r
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
		s.messages.forget(app, id)
		out[i] = true
	}
	return out, nil
}

// Kick implements account.Store.
func (s *Store) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	leave, err := s.enter(ctx, "kick")
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
		r.ValidFrom = max(r.ValidFrom, validFrom)
		s.apps[app].names[r.UserID] = r
		out[i] = true
	}
	return out, nil
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
	var ids []account.UserID
	for id := range a.names {
		if id > after && a.names[id].Exists() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(limit, len(ids))]
	out := make([]account.Account, len(ids))
	for i, id := range ids {
		out[i] = a.names[id].Account
		out[i].Profile.Attrs = nil
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
	s.closed, s.apps, s.push, s.messages = true, nil, nil, messages{}
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
