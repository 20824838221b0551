package pebblestore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// Delete implements account.Store. It replaces each account by a tombstone, which keeps
// valid-from and the time of the deletion, and removes what it kept of messages.
func (s *Store) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	found, err := s.change(ctx, &changeOp{app: app, ids: ids, delta: -1, to: deleted, change: func(r *record) {
		*r = record{deletedAt: at, validFrom: max(r.validFrom, at)}
	}})
	if err != nil {
		return nil, fmt.Errorf("pebblestore: delete: %w", err)
	}
	return found, nil
}

// Kick implements account.Store.
func (s *Store) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	found, err := s.change(ctx, &changeOp{app: app, ids: ids, to: alive, change: func(r *record) {
		r.validFrom = max(r.validFrom, validFrom)
	}})
	if err != nil {
		return nil, fmt.Errorf("pebblestore: kick: %w", err)
	}
	return found, nil
}

// SetProfile implements account.Store.
func (s *Store) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	c.Attrs = slices.Clone(c.Attrs)
	found, err := s.change(ctx, &changeOp{app: app, ids: []account.UserID{id}, to: alive, change: func(r *record) {
		applyChange(&r.profile, c)
	}})
	if err != nil {
		return false, fmt.Errorf("pebblestore: set profile: %w", err)
	}
	return found[0], nil
}

// change hands op to the committer and returns which of its accounts were there.
func (s *Store) change(ctx context.Context, op *changeOp) ([]bool, error) {
	n := len(op.ids)
	if n == 0 {
		return nil, nil
	}
	op.prints, op.known, op.found = make([]fingerprint, n), make([]existence, n), make([]bool, n)
	for i, id := range op.ids {
		op.prints[i] = s.index.fingerprint(op.app, id)
	}
	if err := s.submit(ctx, op); err != nil {
		return nil, err
	}
	return op.found, nil
}

// changeOp rewrites the records of those of some accounts that are there.
type changeOp struct {
	app    account.SDKAppID
	ids    []account.UserID
	change func(*record)
	to     existence // what the accounts are afterwards
	delta  int       // by how much each changes the App's count

	prints []fingerprint // of ids, computed by the caller beside the committer
	known  []existence
	found  []bool
}

// stage reads all records before it stages the first, so that a call is all or nothing.
func (op *changeOp) stage(c *committer) error {
	if err := c.known(op.app, slices.All(op.ids), op.prints, op.known); err != nil {
		return err
	}
	old, n := make([]record, len(op.ids)), 0
	for i, id := range op.ids {
		if op.known[i] != alive {
			continue
		}
		r, ok, err := c.read(op.app, id)
		if err != nil {
			return err
		}
		if old[i], op.found[i] = r, ok && !r.dead(); op.found[i] {
			n++
		}
	}
	if _, err := c.count(op.app); err != nil {
		return err
	}
	if op.to == deleted {
		if err := op.forget(c); err != nil {
			return err
		}
	}
	for i, id := range op.ids {
		if !op.found[i] {
			continue
		}
		op.change(&old[i])
		c.changed = true
		c.staging.add(op.app, id, &old[i])
		if op.to != alive {
			c.index.put(op.to, op.prints[i])
		}
	}
	c.addCount(op.app, op.delta*n)
	return nil
}

// forget stages that the accounts that are there lose what they keep of messages.
func (op *changeOp) forget(c *committer) error {
	var ids []account.UserID
	for i, id := range op.ids {
		if op.found[i] {
			ids = append(ids, id)
		}
	}
	edits, err := c.forget(op.app, ids)
	if err != nil {
		return err
	}
	c.boxes.forgot = c.boxes.forgot || len(edits) > 0
	c.edits = append(c.edits, edits...)
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
