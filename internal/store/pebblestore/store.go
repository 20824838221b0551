// Package pebblestore is the embedded store: accounts, the devices that can be reached by push,
// and boxes of messages, in a Pebble database on local disk.
//
// One committer goroutine does all writing. It gathers the calls that wait, stages their
// records in key order, applies them in one batch and moves on while the log is being
// synced; a call is answered once its own sync is done, and so is a read that may have
// seen the batch. Which names exist is answered by an index in memory, which is rebuilt
// in the background at start while the store serves already, asking Pebble instead.
//
// The key schema is in keys.go, the record in record.go, the reasons in DESIGN.md.
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/muster-im/muster/internal/account"
)

// Options configure a Store. The zero value of a field means what its comment says.
type Options struct {
	// Logger gets the store's own events and Pebble's errors; nil discards them.
	Logger *slog.Logger
	// OnFailure is called once, with the reason, when the store can no longer promise
	// durability: a write to the log failed. Every later call returns ErrFailed; the
	// process should end, and a restart recovers everything acknowledged. May be nil.
	OnFailure func(error)
	// QueueLen is how many write calls may wait before ErrBusy; 0 means 1024.
	QueueLen int
	// RunLength is the length from which on a sorted import becomes a table of its own; 0
	// means 16384.
	RunLength int
	// FS is the file system; nil means the real one. Tests inject faults through it.
	FS vfs.FS
	// HashKey keys the name index; it must be random. Open draws one if it is zero.
	HashKey [2]uint64

	readOnly bool // Fsck's: open what is there and change nothing
	unloaded bool // a test's: never complete the index, so that Pebble is asked
	// forgetful is a test's: keep next to nothing of boxes in memory.
	forgetful bool
}

// Store is an open embedded store. It implements store.Store.
type Store struct {
	db       *pebble.DB
	lock     *pebble.Lock
	log      *slog.Logger
	index    *nameIndex
	complete atomic.Bool
	barrier  syncBarrier
	queue    chan *call
	failure  *failure
	runs     runFiles
	changes  atomic.Uint64 // see committer
	restored restoredIDs

	runLength int // Options.RunLength

	closing     sync.RWMutex // held for reading by every call, for writing by Close
	closed      bool
	stopLoading context.CancelFunc
	ending      <-chan struct{} // closed by Close
	loaded      chan struct{}   // closed when the loader has ended
	workers     sync.WaitGroup
}

// start begins serving over an open database.
func (s *Store) start(o Options, ids tinyIDs) {
	s.queue = make(chan *call, o.QueueLen)
	c := &committer{
		db: s.db, index: s.index, complete: &s.complete, barrier: &s.barrier,
		queue: s.queue, syncs: make(chan group, syncsAhead), fail: s.failure.set,
		counts: map[account.SDKAppID]int64{}, ids: ids, runs: s.runs, changes: &s.changes,
		boxes: newBoxes(s.db, o.forgetful),
	}
	s.workers.Go(c.run)
	s.workers.Go(c.runSyncer)
	ctx, cancel := context.WithCancel(context.Background())
	s.stopLoading, s.ending = cancel, ctx.Done()
	if o.unloaded {
		close(s.loaded)
		return
	}
	go s.load(ctx)
}

// submit hands an operation to the committer and waits for its answer.
func (s *Store) submit(ctx context.Context, op operation) error {
	c := newCall(ctx, op)
	if err := s.enqueue(c); err != nil {
		return err
	}
	return s.await(c)
}

// await waits for the answer to a call that is in the queue.
func (s *Store) await(c *call) error {
	select {
	case <-c.done:
		return c.err
	case <-s.failure.ch:
		return s.failure.err()
	case <-c.ctx.Done():
		return fmt.Errorf("wait for commit: %w", c.ctx.Err())
	}
}

func (s *Store) enqueue(c *call) error {
	if err := s.enter(c.ctx); err != nil {
		return err
	}
	defer s.closing.RUnlock()
	select {
	case s.queue <- c:
		return nil
	default:
		return account.ErrBusy
	}
}

// enter begins a call; unless it returns an error the caller owes closing.RUnlock.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.failure.err(); err != nil {
		return err
	}
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return account.ErrClosed
	}
	return nil
}

// Close waits for what is under way, which a LoadPush is made to end early, and closes the
// database. Later calls return ErrClosed. A store that has failed is abandoned instead: Pebble
// may be stuck.
func (s *Store) Close() error {
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.closing.Unlock()

	s.stopLoading()
	<-s.loaded
	err := s.failure.guard(func() error {
		s.workers.Wait()
		// With nothing left in the log the next start has nothing to replay.
		return errors.Join(s.db.Flush(), s.db.Close())
	})
	if s.failure.err() == nil { // else somebody may be parked over it
		s.index.release()
	}
	if err = errors.Join(err, s.lock.Close()); err != nil {
		return fmt.Errorf("pebblestore: close: %w", err)
	}
	return nil
}

// Ready reports whether the name index is complete, so that the store works at full speed.
func (s *Store) Ready() bool { return s.complete.Load() }

// Loaded is closed when the name index is complete, or will never be because the store
// was closed or the database could not be read.
func (s *Store) Loaded() <-chan struct{} { return s.loaded }
