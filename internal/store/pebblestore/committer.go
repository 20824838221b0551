package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// Limits of the commit path. They bound memory and the time that one group takes.
const (
	maxGroupCalls = 64 // calls committed with one sync of the log
	syncsAhead    = 4  // groups that may be applied while an earlier one is being synced
)

// operation is one write call as the committer sees it.
type operation interface {
	// stage reads what the operation depends on and stages its writes. On error it has
	// staged nothing. It runs on the committer's goroutine only.
	stage(c *committer) error
}

// call is an operation on its way through the committer.
type call struct {
	ctx  context.Context //nolint:containedctx // it is the call's own, and ends with it
	op   operation
	err  error
	done chan struct{} // closed when err is final and what it rests on is durable
}

func newCall(ctx context.Context, op operation) *call {
	return &call{ctx: ctx, op: op, done: make(chan struct{})}
}

// committer is the one writer. It gathers the calls that wait into a group, stages and
// applies them, and goes on with the next group while the log is being synced; the
// syncer answers a group's calls once all that the group wrote, or read from groups
// before it, is durable.
type committer struct {
	db    *pebble.DB
	index *nameIndex
	// complete says that the index holds every name, so that a miss is final.
	complete *atomic.Bool
	barrier  *syncBarrier
	queue    chan *call
	syncs    chan group
	fail     func(error)
	runs     runFiles
	// changes counts the batches that changed records which were there before. It is raised
	// once they are visible: who reads it and then a record, and finds it as it was later on,
	// has read the newest.
	changes *atomic.Uint64

	staging staging
	edits   edits // of all but accounts
	boxes   boxes
	batches []*pebble.Batch // applied in the current group
	counts  map[account.SDKAppID]int64
	dirty   []account.SDKAppID // Apps whose count the staging has not written
	ids     tinyIDs
	changed bool  // the staging changes records that were there before
	broken  error // set once a batch could not be applied; nothing is staged after that
}

// group is what was applied together and is answered together.
type group struct {
	seq     uint64
	batches []*pebble.Batch
	calls   []*call
}

// run commits until the queue is closed and empty.
func (c *committer) run() {
	defer close(c.syncs)
	for first := range c.queue {
		for calls := gather(c.queue, first); len(calls) > 0; {
			calls = c.commit(calls)
		}
	}
}

// commit commits the first of calls as a group and returns the rest: a run is a group of
// its own, any other group is all calls up to the next run.
func (c *committer) commit(calls []*call) (rest []*call) {
	n := 1
	for n < len(calls) && !isRunCall(calls[0]) && !isRunCall(calls[n]) {
		n++
	}
	g := group{seq: c.barrier.begin(), calls: calls[:n]}
	for _, call := range g.calls {
		call.err = c.stageCall(call)
		if run, ok := call.op.(*runOp); ok && call.err != nil {
			c.runs.remove(run.table)
		}
	}
	if err := c.apply(); err != nil {
		failCalls(g.calls, err)
	}
	g.batches, c.batches = c.batches, nil
	c.syncs <- g
	return calls[n:]
}

func (c *committer) stageCall(call *call) error {
	if err := call.ctx.Err(); err != nil {
		return fmt.Errorf("given up before it began: %w", err)
	}
	if c.broken != nil {
		return errors.Join(account.ErrFailed, c.broken)
	}
	return call.op.stage(c)
}

// apply writes what is staged to the log and the memtable without waiting for the sync.
// If that fails the store has failed: what is in memory is ahead of what is stored.
func (c *committer) apply() error {
	if c.broken != nil || c.staging.empty() && len(c.edits) == 0 && !c.ids.dirty {
		return c.broken
	}
	if c.broken = c.applyStaged(); c.broken != nil {
		c.fail(c.broken)
	}
	return c.broken
}

func (c *committer) applyStaged() error {
	batch := c.db.NewBatchWithSize(c.staging.size() + c.edits.size() + c.boxes.size() + 256)
	if err := errors.Join(c.staging.writeTo(batch), c.edits.writeTo(batch), c.boxes.writeTo(batch)); err != nil {
		return fmt.Errorf("fill batch: %w", err)
	}
	for _, app := range c.dirty {
		if err := batch.Set(countKey(app), binary.BigEndian.AppendUint64(nil, uint64(c.counts[app])), nil); err != nil {
			return fmt.Errorf("write count: %w", err)
		}
	}
	if err := c.ids.writeTo(batch); err != nil {
		return err
	}
	c.staging.reset()
	c.edits = nil // often none, and then many
	c.boxes.reset()
	c.dirty = c.dirty[:0]
	if err := c.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if c.changed {
		c.changes.Add(1)
		c.changed = false
	}
	c.batches = append(c.batches, batch)
	return nil
}

// read returns what is stored about a name, with everything staged before it; ok is
// false if the name was never imported. What is staged is applied first, so that an
// operation sees the ones before it in its group.
func (c *committer) read(app account.SDKAppID, id account.UserID) (r record, ok bool, err error) {
	if err := c.apply(); err != nil {
		return record{}, false, err
	}
	return getRecord(c.db, app, id)
}

// known sets dst[i] to what is known about the i-th name, asking Pebble only if the index
// does not know yet, and noting the answers.
func (c *committer) known(app account.SDKAppID, ids iter.Seq2[int, account.UserID], prints []fingerprint, dst []existence) error {
	complete := c.complete.Load()
	c.index.find(prints, dst)
	if complete {
		return nil
	}
	for i, id := range ids {
		if dst[i] != absent {
			continue
		}
		r, ok, err := getRecord(c.db, app, id) // nothing staged: that would be in the index
		if err != nil {
			return err
		}
		if ok {
			dst[i] = r.existence()
			c.index.putIfAbsent(dst[i], prints[i])
		}
	}
	return nil
}

// count returns the number of the App's accounts, staged ones included.
func (c *committer) count(app account.SDKAppID) (int64, error) {
	if n, ok := c.counts[app]; ok {
		return n, nil
	}
	n, err := getCount(c.db, app)
	if err != nil {
		return 0, err
	}
	c.counts[app] = n
	return n, nil
}

// addCount stages a change of the App's count; count(app) has been called before.
func (c *committer) addCount(app account.SDKAppID, delta int) {
	if delta == 0 {
		return
	}
	c.counts[app] += int64(delta)
	if !slices.Contains(c.dirty, app) {
		c.dirty = append(c.dirty, app)
	}
}

func failCalls(calls []*call, err error) {
	for _, call := range calls {
		call.err = errors.Join(account.ErrFailed, err)
	}
}

// runSyncer waits for each group's sync and answers its calls, in order.
func (c *committer) runSyncer() {
	for g := range c.syncs {
		for _, b := range g.batches {
			if err := b.SyncWait(); err != nil {
				c.fail(fmt.Errorf("sync: %w", err))
				failCalls(g.calls, err)
				continue // keep the batch: after an error it must not be reused
			}
			_ = b.Close() // returns the batch to Pebble's pool; it has nothing left to fail
		}
		c.barrier.synced(g.seq)
		for _, call := range g.calls {
			close(call.done)
		}
	}
}
