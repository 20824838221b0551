package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/muster-im/muster/internal/account"
)

// runDir stands in the store's directory and has the tables of runs that are not ingested
// yet. What a process left there when it ended is of no use, and Open removes it.
const runDir = "runs"

// runFiles writes the tables of runs and ingests them.
type runFiles struct {
	fs      vfs.FS
	dir     string
	db      *pebble.DB
	options sstable.WriterOptions
	number  *atomic.Uint64 // of the last file
}

// openRunFiles empties the directory of runs, or makes it.
func openRunFiles(dir string, o Options, db *pebble.DB, lock *pebble.Lock, f *failure) (runFiles, error) {
	po := pebbleOptions(o, lock, f)
	defer po.Cache.Unref()
	r := runFiles{
		fs: o.FS, dir: o.FS.PathJoin(dir, runDir), db: db, number: new(atomic.Uint64),
		options: po.MakeWriterOptions(0, db.TableFormat()),
	}
	names, err := o.FS.List(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = mkdirAllSync(o.FS, r.dir)
	}
	if err != nil {
		return r, fmt.Errorf("runs: %w", err)
	}
	for _, name := range names {
		if err := o.FS.Remove(o.FS.PathJoin(r.dir, name)); err != nil {
			return r, fmt.Errorf("runs: %w", err)
		}
	}
	return r, nil
}

// checkEvery is how many records are written between two looks at the context. Then others may
// run, too: a call passes through five goroutines, and behind one that computes for long each
// of them would wait for the scheduler's ten milliseconds.
const checkEvery = 512

// write writes the records of op into a table and returns its name; the created accounts
// get the TinyIDs from id on. The table is durable.
func (r *runFiles) write(ctx context.Context, op *runOp, id account.TinyID) (string, error) {
	return r.table(func(w sstable.RawWriter) error {
		key := appendAccountKey(nil, op.app, "")
		prefix := len(key)
		var value []byte
		for i := range op.out {
			if i%checkEvery == 0 {
				runtime.Gosched()
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			out := &op.out[i]
			if out.Status != account.Created && out.Status != account.Updated {
				continue
			}
			rec := op.record(i, id)
			if out.Status == account.Created {
				out.TinyID = id
				id++
			}
			key = append(key[:prefix], op.batch.Entries[i].UserID...)
			value = appendRecord(value[:0], &rec)
			if err := set(w, key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// ingest makes the records of a table and the new count of an App part of the database, both
// or neither, durably.
func (r *runFiles) ingest(table string, app account.SDKAppID, count int64) error {
	counts, err := r.table(func(w sstable.RawWriter) error {
		return set(w, countKey(app), binary.BigEndian.AppendUint64(nil, uint64(count)))
	})
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	if err := r.db.Ingest(context.Background(), []string{table, counts}); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	return nil
}

// table writes a table through fill, which sets keys in ascending order. On error there is
// none.
func (r *runFiles) table(fill func(sstable.RawWriter) error) (path string, err error) {
	path = r.fs.PathJoin(r.dir, strconv.FormatUint(r.number.Add(1), 10)+".sst")
	f, err := r.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return "", fmt.Errorf("create a table: %w", err)
	}
	// The writer closes the file, and syncs it before if all went well.
	w := sstable.NewRawWriter(objstorageprovider.NewFileWritable(f), r.options)
	err = fill(w)
	if err = errors.Join(err, w.Close()); err != nil {
		r.remove(path)
		return "", fmt.Errorf("write a table: %w", err)
	}
	return path, nil
}

// remove removes a table that will not be ingested.
func (r *runFiles) remove(path string) {
	if path == "" {
		return
	}
	_ = r.fs.Remove(path) // if it stays, the next Open removes it
}

// set adds a key as Pebble wants it in a table to ingest, with the sequence number zero.
func set(w sstable.RawWriter, key, value []byte) error {
	return w.Add(pebble.InternalKey{UserKey: key, Trailer: pebble.InternalKeyTrailer(pebble.InternalKeyKindSet)}, value, false)
}
