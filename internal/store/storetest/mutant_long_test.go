package storetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-im/muster/internal/account"
)

// TestLongKillsMutants shows that stores fail which are right until a batch is long.
func TestLongKillsMutants(t *testing.T) {
	for _, m := range longMutants() {
		t.Run(m.name, func(t *testing.T) {
			cases := slices.DeleteFunc(longCases(1), func(tc testCase) bool { return tc.name != "Long/"+m.by })
			if len(cases) != 1 {
				t.Fatalf("there is no case %q", m.by)
			}
			if !killedBy(t, cases, m.bend) {
				t.Errorf("%q does not fail", m.by)
			}
		})
	}
}

// longMutant is a mutant and the case that must kill it; to try them all would take long.
type longMutant struct {
	by, name string
	bend     func(b *bent)
}

// TestConcurrentLongKillsMutants shows the same of those that are right call by call.
func TestConcurrentLongKillsMutants(t *testing.T) {
	for _, m := range longRaceMutants() {
		t.Run(m.name, func(t *testing.T) {
			if !killedBy(t, concurrentCases(1), m.bend) {
				t.Error("no concurrent case fails")
			}
		})
	}
}

// waitUntil lets the others go on until done, or for long if nothing happens.
func waitUntil(done func() bool) {
	for range 1 << 18 {
		if done() {
			return
		}
		runtime.Gosched()
	}
}

func isLong(batch account.Batch) bool { return len(batch.Entries) >= LongBatch }

// longBatches bends Import for long batches.
func longBatches(change func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error)) func(b *bent) {
	return func(b *bent) {
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			if !isLong(batch) {
				return b.Store.Import(ctx, app, batch)
			}
			return change(b, ctx, app, batch)
		}
	}
}

func longMutants() []longMutant {
	return []longMutant{
		{"new names", "half of a long batch is done", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			half := batch
			half.Entries, half.Restore = batch.Entries[:len(batch.Entries)/2], batch.Restore[:len(batch.Restore)/2]
			got, err := b.Store.Import(ctx, app, half)
			for i := range got {
				got = append(got, got[i])
				got[len(got)-1].TinyID += 1 << 40
			}
			return got, err
		})},
		{"new names", "the last entry of a long batch is lost", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			got, err := b.Store.Import(ctx, app, batch)
			if err == nil {
				_, err = b.Store.Delete(ctx, app, []account.UserID{batch.Entries[len(batch.Entries)-1].UserID}, 0)
			}
			return got, err
		})},
		{"the same batch twice", "what exists is counted again", func(b *bent) {
			var more int64
			longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for _, im := range got {
					if im.Status == account.Existed {
						more++
					}
				}
				return got, err
			})(b)
			b.onCount = func(ctx ctxT, app appT) (int64, error) {
				n, err := b.Store.Count(ctx, app)
				return n + more, err
			}
		}},
		{"mixed, half with a Nick, with TinyIDs, some held", "holds are not looked at", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			batch.HeldSince = 0
			return b.Store.Import(ctx, app, batch)
		})},
		{"mixed, names alone", "tombstones are not looked at", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			got, err := b.Store.Import(ctx, app, batch)
			for i := range got {
				got[i].ValidFrom = 0
			}
			return got, err
		})},
		{"mixed, a few with a Nick", "a Nick does not update", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			var ids []account.UserID
			for _, e := range batch.Entries {
				ids = append(ids, e.UserID)
			}
			there, _ := b.Store.Check(ctx, app, ids)
			batch.Entries = slices.Clone(batch.Entries)
			for i := range there {
				if there[i] {
					batch.Entries[i].Nick = ""
				}
			}
			return b.Store.Import(ctx, app, batch)
		})},
		{"the quota", "the quota is not looked at", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			batch.Quota = 0
			return b.Store.Import(ctx, app, batch)
		})},
		{"mixed, not sorted", "results in the order of names", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			batch.Entries = slices.Clone(batch.Entries)
			slices.SortFunc(batch.Entries, byName)
			return b.Store.Import(ctx, app, batch)
		})},
		{"a context that has ended", "the context is not looked at", longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			got, err := b.Store.Import(context.WithoutCancel(ctx), app, batch)
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return got, err
		})},
		{"the caller's slices stay the caller's", "the entries are read after the return", func(b *bent) {
			var late func()
			longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				late = func() {
					for _, e := range batch.Entries[:10] {
						_, _ = b.Store.Import(context.Background(), app, account.Batch{Entries: []account.Entry{e}})
					}
				}
				return b.Store.Import(ctx, app, batch)
			})(b)
			b.onList = func(ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
				if late != nil {
					late()
				}
				return b.Store.List(ctx, app, after, limit)
			}
		}},
		{"the same names and TinyIDs in two Apps", "two Apps share long batches", longBatches(func(b *bent, ctx ctxT, _ appT, batch account.Batch) ([]account.Imported, error) {
			return b.Store.Import(ctx, mainApp, batch)
		})},
	}
}

// longRaceMutants look up the names of a long batch first and act later.
func longRaceMutants() []mutant {
	return []mutant{
		{"two long batches create one name", func(b *bent) {
			var begun atomic.Int64
			longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				var ids []account.UserID
				for _, e := range batch.Entries {
					ids = append(ids, e.UserID)
				}
				before, err := b.Store.Check(ctx, app, ids)
				if err != nil {
					return nil, err
				}
				n := begun.Add(1)
				waitUntil(func() bool { return begun.Load() > n || n > 1 })
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					if !before[i] {
						got[i].Status = account.Created
					}
				}
				return got, err
			})(b)
		}},
		{"a long batch undoes a kick", func(b *bent) {
			var mu sync.Mutex
			var kicks atomic.Int64
			stale := make(map[account.UserID]int64)
			longBatches(func(b *bent, ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				var ids []account.UserID
				for _, e := range batch.Entries {
					ids = append(ids, e.UserID)
				}
				before, err := b.Store.Get(ctx, app, ids)
				if err != nil {
					return nil, err
				}
				n := kicks.Load()
				waitUntil(func() bool { return kicks.Load() > n+10 })
				got, err := b.Store.Import(ctx, app, batch)
				mu.Lock()
				defer mu.Unlock()
				for i := range got {
					if got[i].Status == account.Updated {
						stale[ids[i]] = before[i].ValidFrom
					}
				}
				return got, err
			})(b)
			b.onKick = func(ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
				mu.Lock()
				defer mu.Unlock()
				kicks.Add(1)
				for _, id := range ids {
					delete(stale, id)
				}
				return b.Store.Kick(ctx, app, ids, validFrom)
			}
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				mu.Lock()
				defer mu.Unlock()
				got, err := b.Store.Get(ctx, app, ids)
				for i := range got {
					if v, ok := stale[ids[i]]; ok {
						got[i].ValidFrom = v
					}
				}
				return got, err
			}
		}},
	}
}
