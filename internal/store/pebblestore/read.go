package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// Check implements account.Store. It reads memory only, once the index is complete.
func (s *Store) Check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	found, err := s.check(ctx, app, ids)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: check: %w", err)
	}
	return found, nil
}

func (s *Store) check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closing.RUnlock()
	found, err := s.exist(app, ids)
	if err != nil {
		return nil, err
	}
	return found, s.barrier.wait(ctx)
}

func (s *Store) exist(app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	prints, known, found := make([]fingerprint, len(ids)), make([]existence, len(ids)), make([]bool, len(ids))
	for i, id := range ids {
		if len(id) <= account.MaxUserID { // a longer one is nobody's, and so is the zero print
			prints[i] = s.index.fingerprint(app, id)
		}
	}
	// Complete is read first: it must have been true when the index said absent.
	complete := s.complete.Load()
	s.index.find(prints, known)
	for i, id := range ids {
		found[i] = known[i] == alive
		if known[i] != absent || complete || id == "" || len(id) > account.MaxUserID {
			continue
		}
		r, ok, err := getRecord(s.db, app, id)
		if err != nil {
			return nil, err
		}
		found[i] = ok && !r.dead()
	}
	return found, nil
}

// Get implements account.Store.
func (s *Store) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	out, err := s.get(ctx, app, ids)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: get: %w", err)
	}
	return out, nil
}

func (s *Store) get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closing.RUnlock()
	out := make([]account.Account, len(ids))
	for i, id := range ids {
		r, _, err := getRecord(s.db, app, id)
		if err != nil {
			return nil, err
		}
		out[i] = toAccount(id, &r)
	}
	return out, s.barrier.wait(ctx)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error) {
	out, err := s.list(ctx, app, after, limit)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: list: %w", err)
	}
	return out, nil
}

func (s *Store) list(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) (_ []account.Account, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closing.RUnlock()
	lower, upper := accountBounds(app)
	if after != "" {
		lower = append(appendAccountKey(nil, app, after), 0) // the smallest key behind it
	}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	out := make([]account.Account, 0, min(max(limit, 0), listRoom))
	var names arena
	for ok := it.First(); ok && len(out) < limit; ok = it.Next() {
		r, err := decodeParts(it.Value(), false)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", it.Key(), err)
		}
		if !r.dead() {
			_, id, _ := splitAccountKey(it.Key())
			out = append(out, toAccount(account.UserID(names.add(id)), &r))
		}
	}
	if err := it.Error(); err != nil {
		return nil, err
	}
	return out, s.barrier.wait(ctx)
}

// listRoom is for how many accounts room is made at once.
const listRoom = 8 << 10

// arena keeps short texts side by side, which takes an allocation for many of them.
type arena struct{ text strings.Builder }

const arenaSize = 32 << 10

// add returns text as a string.
func (a *arena) add(text []byte) string {
	if a.text.Cap()-a.text.Len() < len(text) {
		a.text = strings.Builder{}
		a.text.Grow(max(arenaSize, len(text)))
	}
	a.text.Write(text)
	return a.text.String()[a.text.Len()-len(text):]
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, app account.SDKAppID) (int64, error) {
	if err := s.enter(ctx); err != nil {
		return 0, fmt.Errorf("pebblestore: count: %w", err)
	}
	defer s.closing.RUnlock()
	n, err := getCount(s.db, app)
	if err = errors.Join(err, s.barrier.wait(ctx)); err != nil {
		return 0, fmt.Errorf("pebblestore: count: %w", err)
	}
	return n, nil
}

func toAccount(id account.UserID, r *record) account.Account {
	return account.Account{UserID: id, TinyID: r.tinyID, Created: r.created, ValidFrom: r.validFrom, Profile: r.profile}
}

// getRecord reads what is stored about a name; ok is false if nothing is.
func getRecord(db pebble.Reader, app account.SDKAppID, id account.UserID) (r record, ok bool, err error) {
	var buf [accountPrefixLen + account.MaxUserID]byte
	value, closer, err := db.Get(appendAccountKey(buf[:0], app, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read %q: %w", id, err)
	}
	r, err = decodeRecord(value)
	if err = errors.Join(err, closer.Close()); err != nil {
		return record{}, false, fmt.Errorf("read %q: %w", id, err)
	}
	return r, true, nil
}

// getCount reads the stored number of an App's accounts.
func getCount(db pebble.Reader, app account.SDKAppID) (int64, error) {
	n, err := getUint64(db, countKey(app))
	if err != nil {
		return 0, fmt.Errorf("read count of App %d: %w", app, err)
	}
	return int64(n), nil
}

// getUint64 reads an 8-byte value, 0 if there is none.
func getUint64(db pebble.Reader, key []byte) (uint64, error) {
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: %d bytes instead of 8", errRecord, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}
