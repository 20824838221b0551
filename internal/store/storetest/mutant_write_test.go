package storetest

import (
	"context"
	"slices"

	"github.com/muster-im/muster/internal/account"
)

// outcomes bends what Import answers, given which accounts were there before.
func outcomes(change func(e account.Entry, was account.Account, batch account.Batch, im *account.Imported)) func(b *bent) {
	return func(b *bent) {
		right := b.onImport
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			before := make([]account.Account, len(batch.Entries))
			for i, e := range batch.Entries {
				if got, err := b.Store.Get(ctx, app, []account.UserID{e.UserID}); err == nil {
					before[i] = got[0]
				}
			}
			got, err := right(ctx, app, batch)
			for i := range got {
				change(batch.Entries[i], before[i], batch, &got[i])
			}
			return got, err
		}
	}
}

// batches bends what Import is asked.
func batches(change func(b *bent, app appT, batch *account.Batch)) func(b *bent) {
	return func(b *bent) {
		right := b.onImport
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			batch.Entries = slices.Clone(batch.Entries)
			change(b, app, &batch)
			return right(ctx, app, batch)
		}
	}
}

func importMutants() []mutant {
	return []mutant{
		{"re-import gives another TinyID", outcomes(func(_ account.Entry, was account.Account, _ account.Batch, im *account.Imported) {
			if was.Exists() && im.TinyID != 0 {
				im.TinyID += 1 << 40
			}
		})},
		{"wrong TinyID when it was not asked for", outcomes(func(_ account.Entry, was account.Account, b account.Batch, im *account.Imported) {
			if was.Exists() && !b.TinyIDs {
				im.TinyID = account.FirstTinyID + 1<<40
			}
		})},
		{"no TinyID of an existing account", outcomes(func(_ account.Entry, was account.Account, _ account.Batch, im *account.Imported) {
			if was.Exists() {
				im.TinyID = 0
			}
		})},
		{"no TinyID of a new account unless asked for", outcomes(func(_ account.Entry, _ account.Account, b account.Batch, im *account.Imported) {
			if !b.TinyIDs {
				im.TinyID = 0
			}
		})},
		{"Updated without a change", outcomes(func(e account.Entry, _ account.Account, _ account.Batch, im *account.Imported) {
			if im.Status == account.Existed && e.Nick != "" {
				im.Status = account.Updated
			}
		})},
		{"a change of FaceURL is not reported", outcomes(func(e account.Entry, was account.Account, _ account.Batch, im *account.Imported) {
			if im.Status == account.Updated && e.FaceURL != was.Profile.FaceURL && e.FaceURL != "" {
				im.Status = account.Existed
			}
		})},
		{"ValidFrom is not carried over in the answer", outcomes(func(_ account.Entry, _ account.Account, _ account.Batch, im *account.Imported) {
			im.ValidFrom = 0
		})},
		{"ValidFrom of an existing account", outcomes(func(_ account.Entry, was account.Account, _ account.Batch, im *account.Imported) {
			im.ValidFrom = was.ValidFrom
		})},
		{"outcomes in another order", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := right(ctx, app, batch)
				slices.Reverse(got)
				return got, err
			}
		}},
		{"an empty Nick wipes", batches(func(b *bent, app appT, batch *account.Batch) {
			for _, e := range batch.Entries {
				if e.Nick == "" {
					_, _ = b.Store.SetProfile(context.Background(), app, e.UserID, account.ProfileChange{Nick: new("")})
				}
			}
		})},
		{"a given FaceURL is not stored", batches(func(_ *bent, _ appT, batch *account.Batch) {
			for i := range batch.Entries {
				batch.Entries[i].FaceURL = ""
			}
		})},
		{"Created is lost", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.At = 0 })},
	}
}

func quotaMutants() []mutant {
	return []mutant{
		{"quota ignored", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.Quota = 0 })},
		{"quota off by one", batches(func(_ *bent, _ appT, batch *account.Batch) {
			if batch.Quota > 0 {
				batch.Quota++
			}
		})},
		{"quota counts existing and held entries", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				n, err := b.Store.Count(ctx, app)
				if err == nil && batch.Quota > 0 && n+int64(len(batch.Entries)) > batch.Quota {
					return nil, account.ErrQuota
				}
				return right(ctx, app, batch)
			}
		}},
		{"over the quota nothing works", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				if n, err := b.Store.Count(ctx, app); err == nil && batch.Quota > 0 && n > batch.Quota {
					return nil, account.ErrQuota
				}
				return right(ctx, app, batch)
			}
		}},
		{"a refused import does a part", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := right(ctx, app, batch)
				if err != nil && len(batch.Entries) > 1 {
					part := batch
					part.Entries = batch.Entries[:1]
					_, _ = right(ctx, app, part)
				}
				return got, err
			}
		}},
		{"hold ignored", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.HeldSince = 0 })},
		{"what was signed is ignored", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.Signed = 0 })},
		{"what was signed is looked for among deletes", batches(func(_ *bent, _ appT, batch *account.Batch) {
			if batch.HeldSince == 0 {
				batch.HeldSince, batch.Signed = batch.Signed, 0
			}
		})},
		{"what was signed lives a second longer", batches(func(_ *bent, _ appT, batch *account.Batch) {
			if batch.Signed > 0 {
				batch.Signed++
			}
		})},
		{"hold one second short", batches(func(_ *bent, _ appT, batch *account.Batch) {
			if batch.HeldSince > 0 {
				batch.HeldSince++
			}
		})},
		{"hold one second long", batches(func(_ *bent, _ appT, batch *account.Batch) {
			if batch.HeldSince > 1 {
				batch.HeldSince--
			}
		})},
	}
}

func deleteMutants() []mutant {
	return []mutant{
		{"delete does nothing", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, _ int64) ([]bool, error) {
				return b.Store.Check(ctx, app, ids)
			}
		}},
		{"delete does not raise ValidFrom", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, _ int64) ([]bool, error) {
				return b.Store.Delete(ctx, app, ids, 0)
			}
		}},
		{"delete kicks what is gone", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				found, err := b.Store.Check(ctx, app, ids)
				if err == nil {
					_, err = b.Store.Import(ctx, app, account.Batch{Entries: entries(ids...)})
				}
				if err == nil {
					_, err = b.Store.Delete(ctx, app, ids, at)
				}
				return found, err
			}
		}},
		{"ValidFrom dies with the account", func(b *bent) {
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				got, err := b.Store.Get(ctx, app, ids)
				for i := range got {
					if !got[i].Exists() {
						got[i].ValidFrom = 0
					}
				}
				return got, err
			}
		}},
	}
}

func profileMutants() []mutant {
	profile := func(change func(c *account.ProfileChange)) func(b *bent) {
		return func(b *bent) {
			b.onSetProfile = func(ctx ctxT, app appT, id account.UserID, c account.ProfileChange) (bool, error) {
				change(&c)
				return b.Store.SetProfile(ctx, app, id, c)
			}
		}
	}
	return []mutant{
		{"an empty Nick does not wipe", profile(func(c *account.ProfileChange) {
			if c.Nick != nil && *c.Nick == "" {
				c.Nick = nil
			}
		})},
		{"an absent FaceURL wipes", profile(func(c *account.ProfileChange) {
			if c.FaceURL == nil {
				c.FaceURL = new("")
			}
		})},
		{"only the first tag is stored", profile(func(c *account.ProfileChange) { c.Attrs = c.Attrs[:min(1, len(c.Attrs))] })},
		{"tags are not sorted", func(b *bent) {
			b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
				got, err := b.Store.Get(ctx, app, ids)
				for i := range got {
					slices.Reverse(got[i].Profile.Attrs)
				}
				return got, err
			}
		}},
		{"profiles outlive their account", func(b *bent) {
			kept := make(map[place]account.Profile)
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				before, err := b.Store.Get(ctx, app, ids)
				for _, a := range before {
					kept[place{app, a.UserID}] = a.Profile
				}
				if err != nil {
					return nil, err
				}
				return b.Store.Delete(ctx, app, ids, at)
			}
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for i, im := range got {
					id := batch.Entries[i].UserID
					if p, ok := kept[place{app, id}]; ok && im.Status == account.Created {
						_, _ = b.Store.SetProfile(ctx, app, id, account.ProfileChange{Attrs: p.Attrs})
					}
				}
				return got, err
			}
		}},
	}
}
