package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
)

// Blind is the ceiling that benchmarks measure Store against: it writes names into a
// Pebble database of the same options, sorted and synced in gathered groups like the
// committer's, and does nothing else. It looks nothing up, counts nothing, and gives a
// name that it is handed twice two IDs. Beside names it appends records, the ceiling of
// messages. It is not a store.
type Blind struct {
	db      *pebble.DB
	lock    *pebble.Lock
	queue   chan blindCall
	syncs   chan blindGroup
	workers sync.WaitGroup
}

type blindCall struct {
	names   []account.UserID
	records int // how many, each of which is record
	record  []byte
	done    chan error
}

type blindGroup struct {
	batch *pebble.Batch
	calls []blindCall
}

// OpenBlind opens or creates the database in dir.
func OpenBlind(dir string) (*Blind, error) {
	o := Options{}.withDefaults()
	db, lock, err := openDB(dir, o, newFailure(nil))
	if err != nil {
		return nil, fmt.Errorf("pebblestore: open blind: %w", err)
	}
	b := &Blind{db: db, lock: lock, queue: make(chan blindCall, o.QueueLen), syncs: make(chan blindGroup, syncsAhead)}
	b.workers.Go(b.commit)
	b.workers.Go(b.answer)
	return b, nil
}

// Write stores names; they are durable when it returns.
func (b *Blind) Write(names []account.UserID) error {
	c := blindCall{names: names, done: make(chan error, 1)}
	b.queue <- c
	return <-c.done
}

// Append stores n records that all have the same content, under keys that ascend; they are
// durable when it returns.
func (b *Blind) Append(n int, record []byte) error {
	c := blindCall{records: n, record: record, done: make(chan error, 1)}
	b.queue <- c
	return <-c.done
}

// Close waits for what is under way; no Write or Append may follow.
func (b *Blind) Close() error {
	close(b.queue)
	b.workers.Wait()
	return errors.Join(b.db.Close(), b.lock.Close())
}

func (b *Blind) commit() {
	defer close(b.syncs)
	var names []account.UserID
	var id uint64
	next := uint64(prefixAppended)
	for first := range b.queue {
		g := blindGroup{batch: b.db.NewBatch(), calls: gather(b.queue, first)}
		names = names[:0]
		for _, c := range g.calls {
			names = append(names, c.names...)
		}
		slices.Sort(names)
		err := errors.Join(g.fillRecords(&next), b.fill(g.batch, names, &id))
		if err != nil {
			g.reply(err)
			continue
		}
		b.syncs <- g
	}
}

func (b *Blind) fill(batch *pebble.Batch, names []account.UserID, id *uint64) error {
	var key [accountPrefixLen + account.MaxUserID]byte
	var value [8]byte
	for _, name := range names {
		*id++
		binary.BigEndian.PutUint64(value[:], *id)
		if err := batch.Set(appendAccountKey(key[:0], 1, name), value[:], nil); err != nil {
			return err
		}
	}
	return b.db.ApplyNoSyncWait(batch, pebble.Sync)
}

// prefixAppended begins the keys of appended records.
const prefixAppended = 0xa0 << 56

func (g blindGroup) fillRecords(next *uint64) error {
	var key [8]byte
	for _, c := range g.calls {
		for range c.records {
			binary.BigEndian.PutUint64(key[:], *next)
			*next++
			if err := g.batch.Set(key[:], c.record, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Blind) answer() {
	for g := range b.syncs {
		g.reply(g.batch.SyncWait()) // nil on success
		_ = g.batch.Close()
	}
}

func (g blindGroup) reply(err error) {
	for _, c := range g.calls {
		c.done <- err
	}
}

// Compact brings the database in dir into its smallest form, so that its size on disk
// can be measured. No other process may use dir.
func Compact(ctx context.Context, dir string) error {
	if err := compact(ctx, dir); err != nil {
		return fmt.Errorf("pebblestore: compact %s: %w", dir, err)
	}
	return nil
}

func compact(ctx context.Context, dir string) error {
	db, lock, err := openDB(dir, Options{}.withDefaults(), newFailure(nil))
	if err != nil {
		return err
	}
	err = db.Compact(ctx, []byte{0}, []byte{0xff}, true)
	return errors.Join(err, db.Close(), lock.Close())
}

// Scan reads all accounts and tombstones of the database in dir with nothing but Pebble, and
// returns how many there are: the most that an export could reach. No other process may use
// dir.
func Scan(dir string) (n int64, err error) {
	o := Options{readOnly: true}.withDefaults()
	db, lock, err := openDB(dir, o, newFailure(nil))
	if err != nil {
		return 0, fmt.Errorf("pebblestore: scan %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close(), lock.Close()) }()
	it, err := db.NewIter(prefixBounds(prefixAccount))
	if err != nil {
		return 0, fmt.Errorf("pebblestore: scan %s: %w", dir, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Key())+len(it.Value()) > 0 {
			n++
		}
	}
	return n, it.Close()
}
