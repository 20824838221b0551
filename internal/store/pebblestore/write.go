package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/muster-im/muster/internal/account"
)

// Import implements account.Store.
func (s *Store) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	if len(b.Entries) == 0 {
		return nil, nil
	}
	out, err := s.importBatch(ctx, app, b)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: import: %w", err)
	}
	return out, nil
}

func (s *Store) importBatch(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	if s.isRun(&b) {
		out, err := s.importRun(ctx, app, b)
		if !errors.Is(err, errStale) {
			return out, err
		}
	}
	if b.Restore != nil {
		if err := s.loadRestored(ctx); err != nil {
			return nil, err
		}
	}
	n := len(b.Entries)
	op := &importOp{
		app: app, batch: b, out: make([]account.Imported, n),
		prints: make([]fingerprint, n), known: make([]existence, n),
	}
	for i := range b.Entries {
		op.prints[i] = s.index.fingerprint(app, b.Entries[i].UserID)
	}
	if err := s.submit(ctx, op); err != nil {
		return nil, err
	}
	return op.out, nil
}

// loadRestored makes the committer ready to restore accounts.
func (s *Store) loadRestored(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.closing.RUnlock()
	return s.restored.load(ctx, s.db)
}

type importOp struct {
	app    account.SDKAppID
	batch  account.Batch
	prints []fingerprint // of batch.Entries, computed by the caller beside the committer
	known  []existence
	out    []account.Imported
	// old holds the records that had to be read, by position: those of deleted names, and
	// of existing ones that may change or whose TinyID is asked for. Nil for most calls.
	old map[int]record

	count   int64 // of the App's accounts before this call
	created int
	given   int                         // how many of the created get their TinyID from the sequence
	claimed map[account.TinyID]struct{} // by the created ones that are restored
}

// stage decides every entry before it stages the first, so that a call is all or nothing.
func (op *importOp) stage(c *committer) (err error) {
	if err := c.known(op.app, op.names, op.prints, op.known); err != nil {
		return err
	}
	if op.count, err = c.count(op.app); err != nil {
		return err
	}
	for i := range op.batch.Entries {
		if err := op.decide(c, i); err != nil {
			return err
		}
	}
	if op.created > 0 && op.room() < 0 {
		return account.ErrQuota
	}
	for id := range op.claimed { // first, so that the sequence does not give them
		c.ids.restore(id)
	}
	op.write(c, c.ids.take(op.given))
	c.addCount(op.app, op.created)
	return nil
}

// room is how many more accounts the App may have beside those decided to be created.
func (op *importOp) room() int64 {
	if op.batch.Quota == 0 {
		return math.MaxInt64
	}
	return op.batch.Quota - op.count - int64(op.created)
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
	restore := op.restore(i)
	if op.known[i] == absent {
		return op.create(c, &record{}, restore, out)
	}
	if op.known[i] == alive && !needsRecord(&op.batch, e) && restore.TinyID == 0 {
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
	op.old[i] = r
	out.Status, out.TinyID = fate(&op.batch, &r, e), r.tinyID
	switch {
	case out.Status == account.Created:
		return op.create(c, &r, restore, out)
	case !r.dead() && restore.TinyID != 0 && restore.TinyID != r.tinyID:
		*out = account.Imported{Status: account.Taken}
	}
	return nil
}

// restore returns what entry i is to be restored with.
func (op *importOp) restore(i int) account.Restore {
	if op.batch.Restore == nil {
		return account.Restore{}
	}
	return op.batch.Restore[i]
}

// create decides whether a name that is not imported can be; r is its tombstone or zero.
func (op *importOp) create(c *committer, r *record, restore account.Restore, out *account.Imported) error {
	if op.batch.Fill && op.room() <= 0 {
		out.Status = account.OverQuota
		return nil
	}
	if id := restore.TinyID; id != 0 {
		_, taken := op.claimed[id]
		if !taken {
			var err error
			if taken, err = c.ids.given(c.db, id); err != nil {
				return err
			}
		}
		if taken {
			out.Status = account.Taken
			return nil
		}
		if op.claimed == nil {
			op.claimed = make(map[account.TinyID]struct{})
		}
		op.claimed[id] = struct{}{}
	} else {
		op.given++
	}
	op.created++
	*out = account.Imported{Status: account.Created, TinyID: restore.TinyID, ValidFrom: max(r.validFrom, restore.ValidFrom)}
	return nil
}

// needsRecord reports whether the record of an account that exists has to be read to
// decide its entry.
func needsRecord(b *account.Batch, e *account.Entry) bool {
	return e.Nick != "" || e.FaceURL != "" || b.TinyIDs
}

// fate is the status of an entry whose name has the record r.
func fate(b *account.Batch, r *record, e *account.Entry) account.Status {
	switch {
	case r.dead() && b.HeldSince != 0 && r.deletedAt >= b.HeldSince, r.dead() && b.Signed != 0 && r.validFrom >= b.Signed:
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
		r, changed := op.old[i]
		c.changed = c.changed || changed
		if out.Status == account.Created {
			if out.TinyID == 0 {
				out.TinyID = id
				id++
			}
			r = record{tinyID: out.TinyID, created: op.batch.At, validFrom: out.ValidFrom}
			if created := op.restore(i).Created; created != 0 {
				r.created = created
			}
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
