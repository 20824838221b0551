package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// A run is a long import in ascending order of UserID. It takes another way than a call of
// a hundred accounts: its records are written into a table of their own, which Pebble takes
// over as it is (ingests), instead of into the log and the memtable, where the search for
// each key's place is the largest cost of all. DESIGN.md has the figures.
//
// Most of the work is done beside the committer: looking the names up, and writing the
// table as if nothing could change meanwhile. The committer then only checks that nothing
// has, and ingests. If something has changed the table is written anew; a run that is out
// of luck twice is imported like any other call.

const (
	// defaultRunLength is the length from which on a sorted import is a run: below, the
	// table's syncs and the rotation of the memtable cost more than they save.
	defaultRunLength = 16 << 10
	// runTries is how often a table is written for a run that others keep outdating.
	runTries = 2
	// lookupBlock is how many names are looked up under one lock of the index.
	lookupBlock = 256
)

// errStale says that a run's table does not fit what is stored any more.
var errStale = errors.New("the store has changed meanwhile")

// isRun reports whether b takes the way of runs. Quotas and restored TinyIDs are decided entry
// by entry, on the committer's goroutine.
func (s *Store) isRun(b *account.Batch) bool {
	return len(b.Entries) >= s.runLength && b.Quota == 0 && b.Restore == nil &&
		slices.IsSortedFunc(b.Entries, func(x, y account.Entry) int {
			if x.UserID < y.UserID {
				return -1
			}
			return 1 // equal names are no run either
		})
}

// importRun imports b through a table. errStale asks the caller to import it as usual.
func (s *Store) importRun(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	if err := s.awaitIndex(ctx); err != nil {
		return nil, err
	}
	if !s.complete.Load() {
		return nil, errStale // it never will be: the store has failed, or is a test's
	}
	names := s.index.order(app, b.Entries)
	err := errStale
	for range runTries {
		op := &runOp{app: app, batch: b, names: names}
		if err = s.tryRun(ctx, op); err == nil {
			return op.out, nil
		}
		if !errors.Is(err, errStale) {
			break
		}
	}
	return nil, err
}

// awaitIndex waits until the index is complete: it takes less time than to ask Pebble for
// as many names as a run has.
func (s *Store) awaitIndex(ctx context.Context) error {
	select {
	case <-s.loaded:
		return nil
	case <-s.failure.ch:
		return s.failure.err()
	case <-ctx.Done():
		return fmt.Errorf("wait for the index of names: %w", ctx.Err())
	}
}

// tryRun prepares a run and has it committed.
func (s *Store) tryRun(ctx context.Context, op *runOp) error {
	if err := s.prepare(ctx, op); err != nil {
		return err
	}
	c := newCall(ctx, op)
	if err := s.enqueue(c); err != nil {
		s.runs.remove(op.table)
		return err
	}
	return s.await(c) // from now on the table is the committer's
}

// prepare decides every entry and writes the table of the records that follow from it.
func (s *Store) prepare(ctx context.Context, op *runOp) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	n, err := s.decideRun(ctx, op)
	s.closing.RUnlock() // before the next call, since RWMutexes must not be read-locked twice
	if err != nil || op.writes == 0 {
		return err
	}
	reserve := &reserveOp{n: n}
	if n > 0 {
		if err := s.submit(ctx, reserve); err != nil {
			return err
		}
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.closing.RUnlock()
	op.table, err = s.runs.write(ctx, op, reserve.first)
	return err
}

// decideRun fills op from what is stored now and returns how many accounts it creates.
func (s *Store) decideRun(ctx context.Context, op *runOp) (created int, err error) {
	n := len(op.batch.Entries)
	op.known, op.out, op.old = make([]existence, n), make([]account.Imported, n), nil
	// Read first: what changes after this is noticed.
	op.changes = s.changes.Load()
	for at := 0; at < n; at += lookupBlock {
		end := min(at+lookupBlock, n)
		s.index.find(op.names.prints[at:end], op.known[at:end])
		if at%(16*lookupBlock) == 0 {
			runtime.Gosched() // see checkEvery
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	for k, i := range op.names.entry {
		if err := s.decideEntry(op, k); err != nil {
			return 0, err
		}
		switch op.out[i].Status {
		case account.Created:
			created++
			op.writes++
		case account.Updated:
			op.writes++
		default: // nothing to write
		}
	}
	return created, nil
}

// decideEntry decides the entry of the k-th name, reading its record only if it must.
func (s *Store) decideEntry(op *runOp, k int) error {
	i, known := op.names.entry[k], op.known[k]
	e, out := &op.batch.Entries[i], &op.out[i]
	switch {
	case known == absent:
		out.Status = account.Created
		return nil
	case known == alive && !needsRecord(&op.batch, e):
		out.Status = account.Existed
		return nil
	}
	r, ok, err := getRecord(s.db, op.app, e.UserID)
	if err != nil {
		return err
	}
	if !ok {
		return errStale // the committer is about to write it
	}
	*out = account.Imported{Status: fate(&op.batch, &r, e), TinyID: r.tinyID}
	if out.Status == account.Created {
		out.ValidFrom = r.validFrom
	}
	op.remember(i, &r)
	return nil
}

// runOp is a run on its way through the committer.
type runOp struct {
	app   account.SDKAppID
	batch account.Batch
	names indexOrder

	// What decideRun found. All of it is a guess until the committer has checked it.
	known   []existence // in the order of names
	out     []account.Imported
	old     map[int32]record // the records that were read, by entry
	changes uint64           // the store's counter of changed records, before they were read
	writes  int              // how many records there are to write
	table   string           // the file that has them; "" if there are none
}

func (op *runOp) remember(i int32, r *record) {
	if op.old == nil {
		op.old = make(map[int32]record)
	}
	op.old[i] = *r
}

// isRunCall reports whether a call is a run, which is a group of its own.
func isRunCall(c *call) bool {
	_, ok := c.op.(*runOp)
	return ok
}

// stage checks that the table still fits and ingests it together with the App's count. It
// returns when both are durable.
func (op *runOp) stage(c *committer) error {
	if err := op.check(c); err != nil {
		return err
	}
	if op.writes == 0 {
		return nil
	}
	n, err := c.count(op.app)
	if err != nil {
		return err
	}
	// What is ingested is durable at once, so all that the count rests on has to be before.
	if err := c.barrier.waitFor(context.Background(), c.barrier.begun.Load()-1); err != nil {
		return err
	}
	created := op.fresh()
	if err := c.runs.ingest(op.table, op.app, n+int64(len(created))); err != nil {
		c.broken = err
		c.fail(err)
		return errors.Join(account.ErrFailed, err)
	}
	c.counts[op.app] = n + int64(len(created))
	c.changes.Add(1)
	for block := range slices.Chunk(created, lookupBlock) {
		c.index.put(alive, block...)
	}
	return nil
}

// check returns errStale unless what decideRun found is what is stored now: the same names,
// and if records were read no record changed since.
func (op *runOp) check(c *committer) error {
	if len(op.old) > 0 && c.changes.Load() != op.changes {
		return errStale
	}
	var now [lookupBlock]existence
	for at := 0; at < len(op.known); at += lookupBlock {
		end := min(at+lookupBlock, len(op.known))
		c.index.find(op.names.prints[at:end], now[:end-at])
		for i, known := range op.known[at:end] {
			if now[i] != known {
				return errStale
			}
		}
	}
	return nil
}

// fresh returns the prints of the created accounts.
func (op *runOp) fresh() []fingerprint {
	created := make([]fingerprint, 0, op.writes)
	for k, i := range op.names.entry {
		if op.out[i].Status == account.Created {
			created = append(created, op.names.prints[k])
		}
	}
	return created
}

// record returns the record of entry i, which is created or updated; id is the TinyID of a
// created one.
func (op *runOp) record(i int, id account.TinyID) record {
	r := op.old[int32(i)]
	if op.out[i].Status == account.Created {
		r = record{tinyID: id, created: op.batch.At, validFrom: r.validFrom}
	}
	e := &op.batch.Entries[i]
	if e.Nick != "" {
		r.profile.Nick = e.Nick
	}
	if e.FaceURL != "" {
		r.profile.FaceURL = e.FaceURL
	}
	return r
}

// reserveOp takes TinyIDs from the sequence for a run. Should the run not come to it, they
// are passed over.
type reserveOp struct {
	n     int
	first account.TinyID
}

func (op *reserveOp) stage(c *committer) error {
	op.first = c.ids.take(op.n)
	return nil
}
