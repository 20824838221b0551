package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/internal/store/storetest"
)

// bentTarget is a Target of which single calls can be replaced.
type bentTarget struct {
	storetest.Target
	mu sync.Mutex // guards what the replacements remember

	onImport func(ids []account.UserID, got []account.Imported, err error) ([]account.Imported, error)
	onCheck  func(ids []account.UserID, got []bool) []bool
	onDelete func(ctx context.Context, ids []account.UserID, at int64) ([]bool, error)
	onKick   func(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error)
	onGet    func(got []account.Account)
}

func (t *bentTarget) Import(ctx context.Context, ids []account.UserID, at int64, detail bool) ([]account.Imported, error) {
	got, err := t.Target.Import(ctx, ids, at, detail)
	if t.onImport == nil {
		return got, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.onImport(ids, got, err)
}

func (t *bentTarget) Check(ctx context.Context, ids []account.UserID) ([]bool, error) {
	got, err := t.Target.Check(ctx, ids)
	if t.onCheck == nil || err != nil {
		return got, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.onCheck(ids, got), nil
}

func (t *bentTarget) Get(ctx context.Context, ids []account.UserID) ([]account.Account, error) {
	got, err := t.Target.Get(ctx, ids)
	if t.onGet != nil {
		t.onGet(got)
	}
	return got, err
}

func (t *bentTarget) Delete(ctx context.Context, ids []account.UserID, at int64) ([]bool, error) {
	if t.onDelete == nil {
		return t.Target.Delete(ctx, ids, at)
	}
	return t.onDelete(ctx, ids, at)
}

func (t *bentTarget) Kick(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
	if t.onKick == nil {
		return t.Target.Kick(ctx, ids, validFrom)
	}
	return t.onKick(ctx, ids, validFrom)
}

// record records one history on a memstore behind a bentTarget and judges it.
func record(t *testing.T, w storetest.Workload, bend func(b *bentTarget)) error {
	t.Helper()
	b := &bentTarget{Target: storetest.StoreTarget(memstore.New(), 1)}
	bend(b)
	history := storetest.NewHistory(w)
	history.Record(t.Context(), b)
	counts := history.Counts()
	if want := w.Clients*w.Calls + 2; counts.Answered+counts.Refused+counts.Unknown != want {
		t.Errorf("%+v, want %d calls", counts, want)
	}
	return history.Verify()
}

// wrongCalls are targets on which a call does not do what it answers.
func wrongCalls() map[string]func(b *bentTarget) {
	return map[string]func(b *bentTarget){
		"a check that answers as it did the first time": func(b *bentTarget) {
			first := make(map[account.UserID]bool)
			b.onCheck = func(ids []account.UserID, got []bool) []bool {
				for i, id := range ids {
					if old, seen := first[id]; seen {
						got[i] = old
					}
					first[id] = got[i]
				}
				return got
			}
		},
		"a check that answers from two checks ago": func(b *bentTarget) {
			past := make(map[account.UserID][]bool)
			b.onCheck = func(ids []account.UserID, got []bool) []bool {
				for i, id := range ids {
					past[id] = append(past[id], got[i])
					got[i] = past[id][max(0, len(past[id])-3)]
				}
				return got
			}
		},
		"a delete that is answered and not done": func(b *bentTarget) {
			b.onDelete = func(ctx context.Context, ids []account.UserID, _ int64) ([]bool, error) {
				return b.Target.Check(ctx, ids)
			}
		},
		"a kick that is answered and not done": func(b *bentTarget) {
			b.onKick = func(ctx context.Context, ids []account.UserID, _ int64) ([]bool, error) {
				return b.Target.Kick(ctx, ids, 0)
			}
		},
		"a kick of which only the first name is done": func(b *bentTarget) {
			b.onKick = func(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
				first, err := b.Target.Kick(ctx, ids[:1], validFrom)
				if err != nil || len(ids) == 1 {
					return first, err
				}
				rest, err := b.Target.Kick(ctx, ids[1:], 0)
				return append(first, rest...), err
			}
		},
		"a kick that says it was refused and is done": func(b *bentTarget) {
			b.onKick = func(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
				_, err := b.Target.Kick(ctx, ids, validFrom)
				return nil, errors.Join(err, account.ErrBusy)
			}
		},
	}
}

// wrongAnswers are targets that show accounts as they are not.
func wrongAnswers() map[string]func(b *bentTarget) {
	return map[string]func(b *bentTarget){
		"Created for an account that was there": func(b *bentTarget) {
			b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				for i := range got {
					got[i].Status = account.Created
				}
				return got, err
			}
		},
		"another TinyID at a re-import": func(b *bentTarget) {
			b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				for i := range got {
					if got[i].Status == account.Existed && got[i].TinyID != 0 {
						got[i].TinyID += 1 << 40
					}
				}
				return got, err
			}
		},
		"the first TinyID of a name for ever": func(b *bentTarget) {
			first := make(map[account.UserID]account.TinyID)
			show := func(id account.UserID, tinyID account.TinyID) account.TinyID {
				if tinyID == 0 {
					return 0
				}
				if _, seen := first[id]; !seen {
					first[id] = tinyID
				}
				return first[id]
			}
			b.onImport = func(ids []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				for i := range got {
					got[i].TinyID = show(ids[i], got[i].TinyID)
				}
				return got, err
			}
			b.onGet = func(got []account.Account) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for i := range got {
					got[i].TinyID = show(got[i].UserID, got[i].TinyID)
				}
			}
		},
		"one TinyID for all": func(b *bentTarget) {
			const shared = account.FirstTinyID
			b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				for i := range got {
					got[i].TinyID = shared
				}
				return got, err
			}
		},
		"no ValidFrom at a re-import after a delete": func(b *bentTarget) {
			b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				for i := range got {
					got[i].ValidFrom = 0
				}
				return got, err
			}
		},
		"a ValidFrom that is not seen": func(b *bentTarget) {
			b.onGet = func(got []account.Account) {
				for i := range got {
					got[i].ValidFrom = 0
				}
			}
		},
	}
}

func TestVerifyRejects(t *testing.T) {
	tests := wrongCalls()
	maps.Copy(tests, wrongAnswers())
	for name, bend := range tests {
		t.Run(name, func(t *testing.T) {
			// One history may miss by chance what its calls do not touch on; the suite records 16.
			for seed := range uint64(4) {
				if record(t, storetest.DefaultWorkload(seed), bend) != nil {
					return
				}
			}
			t.Error("Verify found an order for every history")
		})
	}
}

// TestVerifyAccepts shows that a call of unknown fate may have been done, or not, or be
// done late, and that Blind is heeded.
func TestVerifyAccepts(t *testing.T) {
	errLost := errors.New("the answer was lost")
	sometimes := func(b *bentTarget, n int) func() bool {
		calls := 0
		return func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			calls++
			return calls%n == 0
		}
	}
	tests := map[string]struct {
		blind storetest.Blind
		bend  func(b *bentTarget)
	}{
		"the right answers": {bend: func(*bentTarget) {}},
		"imports and deletes done without an answer": {bend: func(b *bentTarget) {
			lost, imports := sometimes(b, 5), 0
			b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
				if imports++; imports%5 == 0 {
					return nil, errLost
				}
				return got, err
			}
			b.onDelete = func(ctx context.Context, ids []account.UserID, at int64) ([]bool, error) {
				got, err := b.Target.Delete(ctx, ids, at)
				if lost() {
					return nil, errLost
				}
				return got, err
			}
		}},
		"deletes and kicks lost, done late or refused": {bend: func(b *bentTarget) {
			lost, late, refused := sometimes(b, 4), sometimes(b, 3), sometimes(b, 2)
			b.onDelete = func(ctx context.Context, ids []account.UserID, at int64) ([]bool, error) {
				if lost() {
					return nil, errLost
				}
				if late() { // and nobody waits for it
					go b.Target.Delete(context.WithoutCancel(ctx), ids, at)
					return nil, errLost
				}
				return b.Target.Delete(ctx, ids, at)
			}
			b.onKick = func(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
				if refused() {
					return nil, fmt.Errorf("kick: %w", account.ErrBusy)
				}
				return b.Target.Kick(ctx, ids, validFrom)
			}
		}},
		"what is not shown": {
			blind: storetest.Blind{Status: true, TinyID: true, ValidFrom: true},
			bend: func(b *bentTarget) {
				b.onImport = func(_ []account.UserID, got []account.Imported, err error) ([]account.Imported, error) {
					clear(got)
					return got, err
				}
				b.onGet = func(got []account.Account) {
					for i := range got {
						got[i].ValidFrom = 0
					}
				}
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := storetest.DefaultWorkload(2)
			w.Blind = tt.blind
			if err := record(t, w, tt.bend); err != nil {
				t.Error(err)
			}
		})
	}
}
