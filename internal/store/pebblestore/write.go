package pebblestore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// Import implements account.Store.
func (s *Store) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	if len(b.Entries) == 0 {
		return nil, nil
	}
	n := len(b.Entries)
	op := &importOp{
		app: app, batch: b, out: make([]account.Imported, n),
		prints: make([]fingerprint, n), known: make([]presence, n),
	}
	for i := range b.Entries {
		op.prints[i] = s.index.fingerprint(app, b.Entries[i].UserID)
	}
	if err := s.submit(ctx, op); err != nil {
		return nil, fmt.Errorf("pebblestore: import: %w", err)
	}
	return op.out, nil
}

type importOp struct {
	app    account.SDKAppID
	batch  account.Batch
	prints []fingerprint // of batch.Entries, computed by the caller beside the committer
	known  []presence
	out    []account.Imported
	// old holds the records that had to be read, by position: those of deleted names, and
	// of existing ones that may change or whose TinyID is asked for. Nil for most calls.
	old map[int]record
}

// stage decides every entry before it stages the first, so that a call is all or nothing.
func (op *importOp) stage(c *committer) error {
	if err := c.known(op.app, op.names, op.prints, op.known); err != nil {
		return err
	}
	created := 0
	for i := range op.batch.Entries {
		if err := op.decide(c, i); err != nil {
			return err
		}
		if op.out[i].Status == account.Created {
			created++
		}
	}
	if created > 0 {
		n, err := c.count(op.app)
		if err != nil {
			return err
		}
		if op.batch.Quota > 0 && n+int64(created) > op.batch.Quota {
			return account.ErrQuota
		}
	}
	op.write(c, c.takeIDs(created))
	c.addCount(op.app, created)
	return nil
}

// names iterates over the names of the batch.
func (op *importOp) names(yield func(int, account.UserID) bool) {
	for i := range op.batch.Entries {
		if !yield(i, op.batch.Entries[i].UserID) {
			return
		}
	}
}

// decide sets the status of entry i, reading its record only if it must.
func (op *importOp) decide(c *committer, i int) error {
	e, out := &op.batch.Entries[i], &op.out[i]
	if op.known[i] == absent {
		out.Status = account.Created
		return nil
	}
	if op.known[i] == alive && e.Nick == "" && e.FaceURL == "" && !op.batch.TinyIDs {
		out.Status = account.Existed
		return nil
	}
	r, ok, err := c.read(op.app, e.UserID)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the index has %q and the database has not: run muster fsck", e.UserID)
	}
	if op.old == nil {
		op.old = make(map[int]record)
	}
	out.Status = op.fate(&r, e)
	out.TinyID, out.ValidFrom = r.tinyID, 0
	if out.Status == account.Created {
		out.ValidFrom = r.validFrom
	}
	op.old[i] = r
	return nil
}

// fate is the status of an entry whose name has the record r.
func (op *importOp) fate(r *record, e *account.Entry) account.Status {
	switch {
	case r.dead() && op.batch.HeldSince > 0 && r.deletedAt >= op.batch.HeldSince:
		return account.Held
	case r.dead():
		return account.Created
	case e.Nick != "" && e.Nick != r.profile.Nick, e.FaceURL != "" && e.FaceURL != r.profile.FaceURL:
		return account.Updated
	default:
		return account.Existed
	}
}

// write stages the records of created and updated entries. id is the first TinyID for
// the created ones.
func (op *importOp) write(c *committer, id account.TinyID) {
	fresh := op.prints[:0] // the prints of created entries move to the front
	for i := range op.batch.Entries {
		e, out := &op.batch.Entries[i], &op.out[i]
		if out.Status != account.Created && out.Status != account.Updated {
			continue
		}
		r := op.old[i]
		if out.Status == account.Created {
			r = record{tinyID: id, created: op.batch.At, validFrom: r.validFrom}
			id++
			out.TinyID = r.tinyID
			fresh = append(fresh, op.prints[i])
		}
		if e.Nick != "" {
			r.profile.Nick = e.Nick
		}
		if e.FaceURL != "" {
			r.profile.FaceURL = e.FaceURL
		}
		c.staging.add(op.app, e.UserID, &r)
	}
	c.index.put(alive, fresh...)
}

// Delete implements account.Store.
func (s *Store) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	n := len(ids)
	op := &deleteOp{app: app, ids: ids, at: at, prints: make([]fingerprint, n), known: make([]presence, n), found: make([]bool, n)}
	for i, id := range ids {
		op.prints[i] = s.index.fingerprint(app, id)
	}
	if err := s.submit(ctx, op); err != nil {
		return nil, fmt.Errorf("pebblestore: delete: %w", err)
	}
	return op.found, nil
}

type deleteOp struct {
	app    account.SDKAppID
	ids    []account.UserID
	at     int64
	prints []fingerprint
	known  []presence
	found  []bool
}

// stage replaces each account by a tombstone, which keeps valid-from and the time of
// the deletion.
func (op *deleteOp) stage(c *committer) error {
	if err := c.known(op.app, slices.All(op.ids), op.prints, op.known); err != nil {
		return err
	}
	old := make([]record, len(op.ids))
	n := 0
	for i, id := range op.ids {
		if op.known[i] != alive {
			continue
		}
		var err error
		if old[i], op.found[i], err = c.read(op.app, id); err != nil {
			return err
		}
		n++
	}
	if _, err := c.count(op.app); err != nil {
		return err
	}
	for i, id := range op.ids {
		if !op.found[i] {
			continue
		}
		c.index.put(deleted, op.prints[i])
		c.staging.add(op.app, id, &record{deletedAt: op.at, validFrom: max(old[i].validFrom, op.at)})
	}
	c.addCount(op.app, -n)
	return nil
}

// Kick implements account.Store.
func (s *Store) Kick(ctx context.Context, app account.SDKAppID, id account.UserID, validFrom int64) (bool, error) {
	op := &updateOp{app: app, id: id, change: func(r *record) {
		r.validFrom = max(r.validFrom, validFrom)
	}}
	if err := s.submit(ctx, op); err != nil {
		return false, fmt.Errorf("pebblestore: kick: %w", err)
	}
	return op.found, nil
}

// SetProfile implements account.Store.
func (s *Store) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	c.Attrs = slices.Clone(c.Attrs)
	op := &updateOp{app: app, id: id, change: func(r *record) { applyChange(&r.profile, c) }}
	if err := s.submit(ctx, op); err != nil {
		return false, fmt.Errorf("pebblestore: set profile: %w", err)
	}
	return op.found, nil
}

// updateOp rewrites the record of one account that exists.
type updateOp struct {
	app    account.SDKAppID
	id     account.UserID
	change func(*record)
	found  bool
}

func (op *updateOp) stage(c *committer) error {
	r, ok, err := c.read(op.app, op.id)
	if err != nil || !ok || r.dead() {
		return err
	}
	op.found = true
	op.change(&r)
	c.staging.add(op.app, op.id, &r)
	return nil
}

func applyChange(p *account.Profile, c account.ProfileChange) {
	if c.Nick != nil {
		p.Nick = *c.Nick
	}
	if c.FaceURL != nil {
		p.FaceURL = *c.FaceURL
	}
	for _, a := range c.Attrs {
		i, found := slices.BinarySearchFunc(p.Attrs, a.Tag, func(x account.Attr, tag string) int { return cmp.Compare(x.Tag, tag) })
		if found {
			p.Attrs[i] = a
			continue
		}
		p.Attrs = slices.Insert(p.Attrs, i, a)
	}
}
