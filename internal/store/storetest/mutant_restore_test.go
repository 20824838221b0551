package storetest

import (
	"context"
	"slices"
	"sync"

	"github.com/muster-im/muster/internal/account"
)

// fillMutants are wrong about Batch.Fill.
func fillMutants() []mutant {
	filling := func(change func(b *bent, app appT, batch *account.Batch, room int64)) func(b *bent) {
		return batches(func(b *bent, app appT, batch *account.Batch) {
			if n, err := b.Store.Count(context.Background(), app); err == nil && batch.Fill && batch.Quota > 0 {
				change(b, app, batch, batch.Quota-n)
			}
		})
	}
	return []mutant{
		{"fill ignored", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.Fill = false })},
		{"every import fills", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.Fill = true })},
		{"fill goes one past the quota", filling(func(_ *bent, _ appT, batch *account.Batch, _ int64) { batch.Quota++ })},
		{"fill leaves room for one", filling(func(_ *bent, _ appT, batch *account.Batch, room int64) {
			if room > 0 {
				batch.Quota--
			}
		})},
		{"fill is not bound by the quota", filling(func(_ *bent, _ appT, batch *account.Batch, _ int64) { batch.Quota = 0 })},
		{"fill creates all or none", filling(func(_ *bent, _ appT, batch *account.Batch, room int64) {
			if int64(len(batch.Entries)) > room {
				batch.Quota = 1
			}
		})},
		{"fill from the end", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				if !batch.Fill || batch.Quota == 0 {
					return right(ctx, app, batch)
				}
				batch.Entries, batch.Restore = slices.Clone(batch.Entries), slices.Clone(batch.Restore)
				slices.Reverse(batch.Entries)
				slices.Reverse(batch.Restore)
				got, err := right(ctx, app, batch)
				slices.Reverse(got)
				return got, err
			}
		}},
		{"fill stops at the first that does not fit", func(b *bent) {
			right := b.onImport
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := right(ctx, app, batch)
				over := false
				for i := range got {
					if over = over || got[i].Status == account.OverQuota; over {
						got[i] = account.Imported{Status: account.OverQuota}
					}
				}
				return got, err
			}
		}},
		{"fill counts the existing", filling(func(b *bent, app appT, batch *account.Batch, room int64) {
			for _, e := range batch.Entries {
				if got, err := b.Store.Check(context.Background(), app, []account.UserID{e.UserID}); err == nil && got[0] && room > 0 {
					batch.Quota--
				}
			}
		})},
	}
}

// restoreMutants are wrong about Batch.Restore.
func restoreMutants() []mutant {
	restores := func(change func(r *account.Restore)) func(b *bent) {
		return batches(func(_ *bent, _ appT, batch *account.Batch) {
			batch.Restore = slices.Clone(batch.Restore)
			for i := range batch.Restore {
				change(&batch.Restore[i])
			}
		})
	}
	return []mutant{
		{"restore ignored", batches(func(_ *bent, _ appT, batch *account.Batch) { batch.Restore = nil })},
		{"restored TinyIDs ignored", restores(func(r *account.Restore) { r.TinyID = 0 })},
		{"restored Created ignored", restores(func(r *account.Restore) { r.Created = 0 })},
		{"restored ValidFrom ignored", restores(func(r *account.Restore) { r.ValidFrom = 0 })},
		{"restored ValidFrom without a TinyID ignored", restores(func(r *account.Restore) {
			if r.TinyID == 0 {
				r.ValidFrom = 0
			}
		})},
		{"restored ValidFrom is not in the answer", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					if got[i].ValidFrom == restoreOf(batch, i).ValidFrom {
						got[i].ValidFrom = 0
					}
				}
				return got, err
			}
		}},
		{"restore kicks what is there", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					_, _ = b.Store.Kick(ctx, app, []account.UserID{batch.Entries[i].UserID}, restoreOf(batch, i).ValidFrom)
				}
				return got, err
			}
		}},
		{"Taken needs room", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				n, err := b.Store.Count(ctx, app)
				if err == nil && len(batch.Restore) > 0 && batch.Quota > 0 && !batch.Fill && n+int64(len(batch.Entries)) > batch.Quota {
					return nil, account.ErrQuota
				}
				return b.Store.Import(ctx, app, batch)
			}
		}},
		{"a refused TinyID is given for ever", func(b *bent) {
			refused := make(map[account.TinyID]bool)
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				batch.Restore = slices.Clone(batch.Restore)
				for i, r := range batch.Restore {
					if refused[r.TinyID] {
						batch.Restore[i].TinyID = account.FirstTinyID - 1 + account.TinyID(len(refused))
					}
				}
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					if got[i].Status == account.Taken || got[i].Status == account.OverQuota || got[i].Status == account.Held {
						refused[restoreOf(batch, i).TinyID] = true
					}
				}
				return got, err
			}
		}},
		{"Taken changes the profile", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					if got[i].Status == account.Taken && batch.Entries[i].Nick != "" {
						_, _ = b.Store.SetProfile(ctx, app, batch.Entries[i].UserID, account.ProfileChange{Nick: new(batch.Entries[i].Nick)})
					}
				}
				return got, err
			}
		}},
		{"another TinyID of what is there is not looked at", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				batch.Restore = slices.Clone(batch.Restore)
				for i := range batch.Restore {
					if there, err := b.Store.Check(ctx, app, []account.UserID{batch.Entries[i].UserID}); err == nil && there[0] {
						batch.Restore[i].TinyID = 0
					}
				}
				return b.Store.Import(ctx, app, batch)
			}
		}},
		{"Held comes after Taken", restoredTo(account.Taken, account.Held)},
		{"OverQuota comes after Taken", restoredTo(account.Taken, account.OverQuota)},
	}
}

// restoredTo bends the answers for names that are not there and bring along a TinyID that
// was given: status, where it should be instead.
func restoredTo(status, instead account.Status) func(b *bent) {
	return func(b *bent) {
		given := make(map[account.TinyID]bool)
		b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
			got, err := b.Store.Import(ctx, app, batch)
			for i := range got {
				if got[i].Status == instead && given[restoreOf(batch, i).TinyID] {
					got[i].Status = status
				}
				if got[i].Status == account.Created {
					given[got[i].TinyID] = true
				}
			}
			return got, err
		}
	}
}

// reuseMutants give a TinyID twice.
func reuseMutants() []mutant {
	return []mutant{
		{"a deleted account's TinyID can be restored", func(b *bent) { newMask(b).reuse(maskDeleted) }},
		{"another App's TinyID can be restored", func(b *bent) { newMask(b).reuse(maskOtherApp) }},
		{"an account's TinyID can be restored to another", func(b *bent) { newMask(b).reuse(maskAlive) }},
		{"a TinyID can be restored twice in one batch", func(b *bent) { newMask(b).reuse(maskBatch) }},
		{"the sequence gives what was restored", func(b *bent) { newMask(b).fromStart() }},
	}
}

// mask shows a store's accounts with other TinyIDs than they have.
type mask struct {
	b  *bent
	mu sync.Mutex
	// shown maps the TinyIDs that the store gave to those that are shown.
	shown map[account.TinyID]account.TinyID
	// owner is who was shown with a TinyID last, of the given App and call.
	owner map[account.TinyID]owner
	calls int
}

type owner struct {
	app  appT
	id   account.UserID
	call int
}

func newMask(b *bent) *mask {
	m := &mask{b: b, shown: make(map[account.TinyID]account.TinyID), owner: make(map[account.TinyID]owner)}
	b.onGet = func(ctx ctxT, app appT, ids []account.UserID) ([]account.Account, error) {
		got, err := b.Store.Get(ctx, app, ids)
		return m.accounts(got), err
	}
	b.onList = func(ctx ctxT, app appT, after account.UserID, limit int) ([]account.Account, error) {
		got, err := b.Store.List(ctx, app, after, limit)
		return m.accounts(got), err
	}
	return m
}

func (m *mask) accounts(got []account.Account) []account.Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range got {
		got[i].TinyID = m.of(got[i].TinyID)
	}
	return got
}

func (m *mask) of(id account.TinyID) account.TinyID {
	if shown, ok := m.shown[id]; ok {
		return shown
	}
	return id
}

type maskCase uint8

const (
	maskAlive maskCase = iota
	maskDeleted
	maskOtherApp
	maskBatch
)

// reuse lets a TinyID be restored that was given to whom the case says.
func (m *mask) reuse(which maskCase) {
	m.b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.calls++
		out := make([]account.Imported, len(batch.Entries))
		for i := range batch.Entries { // one by one, which only a quota can notice
			one := batch
			one.Entries, one.Restore = batch.Entries[i:][:1], nil
			r := restoreOf(batch, i)
			if len(batch.Restore) > 0 {
				one.Restore = []account.Restore{r}
			}
			got, err := m.b.Store.Import(ctx, app, one)
			if err == nil && got[0].Status == account.Taken && m.fits(ctx, which, app, r.TinyID) {
				one.Restore = []account.Restore{{Created: r.Created, ValidFrom: r.ValidFrom}}
				if got, err = m.b.Store.Import(ctx, app, one); err == nil {
					m.shown[got[0].TinyID] = r.TinyID
				}
			}
			if err != nil {
				return nil, err
			}
			got[0].TinyID = m.of(got[0].TinyID)
			if got[0].Status == account.Created {
				m.owner[got[0].TinyID] = owner{app, one.Entries[0].UserID, m.calls}
			}
			out[i] = got[0]
		}
		return out, nil
	}
}

func (m *mask) fits(ctx ctxT, which maskCase, app appT, id account.TinyID) bool {
	o, given := m.owner[id]
	if !given {
		return false
	}
	there, err := m.b.Store.Check(ctx, o.app, []account.UserID{o.id})
	alive := err == nil && there[0]
	switch which {
	case maskAlive:
		return alive && o.app == app && o.call != m.calls
	case maskDeleted:
		return !alive && o.app == app
	case maskOtherApp:
		return o.app != app
	default:
		return o.call == m.calls
	}
}

// fromStart gives TinyIDs by counting, whatever was restored.
func (m *mask) fromStart() {
	next := account.FirstTinyID
	m.b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
		got, err := m.b.Store.Import(ctx, app, batch)
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range got {
			if got[i].Status == account.Created && restoreOf(batch, i).TinyID == 0 {
				m.shown[got[i].TinyID] = next
				next++
			}
			got[i].TinyID = m.of(got[i].TinyID)
		}
		return got, err
	}
}
