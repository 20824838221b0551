package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

// readMutants are wrong about names, their order and Apps.
func readMutants() []mutant {
	names := func(change func(id account.UserID) account.UserID) func(b *bent) {
		return func(b *bent) {
			b.onCheck = func(ctx ctxT, app appT, ids []account.UserID) ([]bool, error) {
				bentIDs := slices.Clone(ids)
				for i := range bentIDs {
					bentIDs[i] = change(ids[i])
				}
				return b.Store.Check(ctx, app, bentIDs)
			}
		}
	}
	lists := func(change func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error)) func(b *bent) {
		return func(b *bent) {
			b.onList = func(ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
				return change(b, ctx, app, after, limit)
			}
		}
	}
	return []mutant{
		{"names end at a zero byte", names(func(id account.UserID) account.UserID {
			head, _, _ := strings.Cut(string(id), "\x00")
			return account.UserID(head)
		})},
		{"long names are cut", names(func(id account.UserID) account.UserID { return id[:min(len(id), account.MaxUserID)] })},
		{"List in the order of a collation", lists(func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
			got, err := b.Store.List(ctx, app, after, limit)
			slices.SortStableFunc(got, func(x, y account.Account) int {
				return cmp.Compare(strings.ToLower(string(x.UserID)), strings.ToLower(string(y.UserID)))
			})
			return got, err
		})},
		{"List begins at after", lists(func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
			got, err := b.Store.List(ctx, app, after, limit)
			if a, e := b.Store.Get(ctx, app, []account.UserID{after}); e == nil && a[0].Exists() {
				got = slices.Concat(a, got)
				got = got[:min(limit, len(got))]
			}
			return got, err
		})},
		{"List skips the name that extends after", lists(func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
			if after != "" {
				after += "\x7f"
			}
			return b.Store.List(ctx, app, after, limit)
		})},
		{"List without a limit at 0", lists(func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
			if limit == 0 {
				limit = 10
			}
			return b.Store.List(ctx, app, after, limit)
		})},
		{"List without profiles", lists(func(b *bent, ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
			got, err := b.Store.List(ctx, app, after, limit)
			for i := range got {
				got[i].Profile = account.Profile{}
			}
			return got, err
		})},
		{"Count counts what was ever imported", func(b *bent) {
			var n int64
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for _, im := range got {
					if im.Status == account.Created {
						n++
					}
				}
				return got, err
			}
			b.onCount = func(ctx ctxT, app appT) (int64, error) { return n, nil }
		}},
		{"the App's number is one byte", appBits(0xff)},
		{"the App's number is three bytes", appBits(0xffffff)},
	}
}

// appBits bends every call to look at some bits of the App's number only.
func appBits(mask appT) func(b *bent) {
	return func(b *bent) {
		st := b.Store
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			return st.Import(ctx, app&mask, batch)
		}
		b.onCheck = func(ctx ctxT, app appT, ids []account.UserID) ([]bool, error) { return st.Check(ctx, app&mask, ids) }
		b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
			return st.Get(ctx, app&mask, ids)
		}
		b.onCount = func(ctx ctxT, app appT) (int64, error) { return st.Count(ctx, app&mask) }
	}
}

// callMutants are wrong about contexts, closing and ownership.
func callMutants() []mutant {
	all := []mutant{
		{"close does nothing", func(b *bent) { b.onClose = func() error { return nil } }},
		{"the second close fails", func(b *bent) {
			closed := false
			b.onClose = func() error {
				if closed {
					return account.ErrClosed
				}
				closed = true
				return b.Store.Close()
			}
		}},
		{"results are shared", func(b *bent) {
			shared := make(map[string][]account.Account)
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				got, err := b.Store.Get(ctx, app, ids)
				key := fmt.Sprintf("%d %q %+v", app, ids, got)
				if old, ok := shared[key]; ok {
					return old, err
				}
				shared[key] = got
				return got, err
			}
		}},
		{"a batch is read after the return", func(b *bent) {
			var late []func()
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				late = append(late, func() {
					for _, e := range batch.Entries {
						_, _ = b.Store.SetProfile(context.Background(), app, e.UserID, account.ProfileChange{Nick: new(e.Nick)})
						_, _ = b.Store.Import(context.Background(), app, account.Batch{Entries: []account.Entry{e}})
					}
				})
				return b.Store.Import(ctx, app, batch)
			}
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				for _, f := range late {
					f()
				}
				late = nil
				return b.Store.Get(ctx, app, ids)
			}
		}},
		{"empty batches fail", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				if len(ids) == 0 {
					return nil, account.ErrFailed
				}
				return b.Store.Delete(ctx, app, ids, at)
			}
		}},
	}
	for _, name := range slices.Sorted(maps.Keys(deafCalls)) {
		all = append(all, mutant{name + " does not look at its context", deafCalls[name]})
	}
	return all
}

// deafCalls bend one call each to go on although its context has ended.
var deafCalls = map[string]func(b *bent){
	"Import": func(b *bent) {
		right := b.onImport
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			if _, err := right(context.WithoutCancel(ctx), app, batch); err != nil {
				return nil, err
			}
			return nil, ctx.Err() // an error, but the work is done
		}
	},
	"Check": func(b *bent) {
		right := b.onCheck
		b.onCheck = func(ctx ctxT, app appT, ids []account.UserID) ([]bool, error) {
			return right(context.WithoutCancel(ctx), app, ids)
		}
	},
	"Kick": func(b *bent) {
		right := b.onKick
		b.onKick = func(ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			return right(context.WithoutCancel(ctx), app, ids, validFrom)
		}
	},
	"Count": func(b *bent) {
		right := b.onCount
		b.onCount = func(ctx ctxT, app appT) (int64, error) { return right(context.WithoutCancel(ctx), app) }
	},
}
