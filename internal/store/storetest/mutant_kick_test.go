package storetest

import (
	"slices"

	"github.com/muster-im/muster/internal/account"
)

func kickMutants() []mutant {
	kicks := func(change func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error)) func(b *bent) {
		return func(b *bent) {
			b.onKick = func(ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
				return change(b, ctx, app, ids, validFrom)
			}
		}
	}
	return []mutant{
		{"kick always finds", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			_, err := b.Store.Kick(ctx, app, ids, validFrom)
			return slices.Repeat([]bool{true}, len(ids)), err
		})},
		{"kick does nothing", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, _ int64) ([]bool, error) {
			return b.Store.Kick(ctx, app, ids, 0)
		})},
		{"kick kicks only the first", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			if _, err := b.Store.Kick(ctx, app, ids[:min(1, len(ids))], validFrom); err != nil {
				return nil, err
			}
			return b.Store.Check(ctx, app, ids)
		})},
		{"kick kicks all if the first is there", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			found, err := b.Store.Check(ctx, app, ids)
			if err != nil || len(found) == 0 || !found[0] {
				return found, err
			}
			return b.Store.Kick(ctx, app, ids, validFrom)
		})},
		{"kick ends at the first that is not there", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			found, err := b.Store.Check(ctx, app, ids)
			if err != nil {
				return nil, err
			}
			n := slices.Index(found, false)
			if n < 0 {
				n = len(ids)
			}
			_, err = b.Store.Kick(ctx, app, ids[:n], validFrom)
			return found, err
		})},
		{"kick answers in another order", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			found, err := b.Store.Kick(ctx, app, ids, validFrom)
			slices.Reverse(found)
			return found, err
		})},
		{"kick answers for those that are there alone", kicks(func(b *bent, ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
			found, err := b.Store.Kick(ctx, app, ids, validFrom)
			return slices.DeleteFunc(found, func(f bool) bool { return !f }), err
		})},
		{"kick lowers ValidFrom", func(b *bent) {
			last := make(map[place]int64)
			b.onKick = func(ctx ctxT, app appT, ids []account.UserID, validFrom int64) ([]bool, error) {
				for _, id := range ids {
					last[place{app, id}] = validFrom
				}
				return b.Store.Kick(ctx, app, ids, validFrom)
			}
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				got, err := b.Store.Get(ctx, app, ids)
				for i := range got {
					if v, kicked := last[place{app, ids[i]}]; kicked {
						got[i].ValidFrom = v
					}
				}
				return got, err
			}
		}},
	}
}
