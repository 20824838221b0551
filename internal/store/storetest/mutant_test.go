package storetest

import (
	"context"
	"flag"
	"runtime"
	"slices"
	"testing"

	"github.com/muster-im/muster/internal/account"
)

type (
	ctxT = context.Context
	appT = account.SDKAppID
)

// mutant is a store that breaks one sentence of the contract.
type mutant struct {
	name string
	bend func(b *bent)
}

// TestBasicKillsMutants shows that each sentence is tested: for every mutant at least
// one basic case fails.
func TestBasicKillsMutants(t *testing.T) {
	if killedBy(t, basicCases(), func(*bent) {}) {
		t.Fatal("the right store is killed")
	}
	for _, m := range slices.Concat(importMutants(), quotaMutants(), fillMutants(), restoreMutants(), reuseMutants(), deleteMutants(), kickMutants(), profileMutants(), readMutants(), callMutants()) {
		t.Run(m.name, func(t *testing.T) {
			if !killedBy(t, basicCases(), m.bend) {
				t.Error("no basic case fails")
			}
		})
	}
}

// killedBy reports whether one of cases fails with a bent store.
func killedBy(t *testing.T, cases []testCase, bend func(b *bent)) bool {
	t.Helper()
	return slices.ContainsFunc(cases, func(tc testCase) bool {
		return fails(t, func(tb testing.TB) { tc.run(newClient(tb, bentHarness(bend))) })
	})
}

// TestModelKillsMutants shows the same of the model, for those that it can see.
func TestModelKillsMutants(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "0s", "rapid.seed": "1"} {
		old := flag.Lookup(name).Value.String()
		setFlag(t, name, value)
		t.Cleanup(func() { setFlag(t, name, old) })
	}
	for _, m := range slices.Concat(importMutants(), quotaMutants(), fillMutants(), restoreMutants(), reuseMutants(), deleteMutants(), kickMutants(), profileMutants()) {
		t.Run(m.name, func(t *testing.T) {
			for _, seed := range []string{"1", "2", "3"} { // one may miss what takes several calls
				setFlag(t, "rapid.seed", seed)
				if fails(t, func(tb testing.TB) { Model(tb, bentHarness(m.bend)) }) {
					return
				}
			}
			t.Error("the model agrees")
		})
	}
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}

// TestConcurrentKillsMutants shows that stores fail which are right call by call.
func TestConcurrentKillsMutants(t *testing.T) {
	for _, m := range raceMutants() {
		t.Run(m.name, func(t *testing.T) {
			if !killedBy(t, concurrentCases(1), m.bend) {
				t.Error("no concurrent case fails")
			}
		})
	}
}

// raceMutants look first and act later, without holding anything in between.
func raceMutants() []mutant {
	return []mutant{
		{"two importers create one name", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				var ids []account.UserID
				for _, e := range batch.Entries {
					ids = append(ids, e.UserID)
				}
				before, err := b.Store.Check(ctx, app, ids)
				if err != nil {
					return nil, err
				}
				runtime.Gosched()
				got, err := b.Store.Import(ctx, app, batch)
				for i := range got {
					if !before[i] {
						got[i].Status = account.Created
					}
				}
				return got, err
			}
		}},
		{"the quota is looked up before", func(b *bent) {
			b.onImport = func(ctx ctxT, app appT, batch account.Batch) ([]account.Imported, error) {
				n, err := b.Store.Count(ctx, app)
				if err == nil && batch.Quota > 0 && n+int64(len(batch.Entries)) > batch.Quota {
					return nil, account.ErrQuota
				}
				runtime.Gosched()
				batch.Quota = 0
				return b.Store.Import(ctx, app, batch)
			}
		}},
		{"two deletes report one account", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				before, err := b.Store.Check(ctx, app, ids)
				if err != nil {
					return nil, err
				}
				runtime.Gosched()
				_, err = b.Store.Delete(ctx, app, ids, at)
				return before, err
			}
		}},
	}
}
