package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/muster-im/muster/internal/account"
)

var (
	errCrashed   = errors.New("the store crashed before the call was answered")
	errNotCalled = fmt.Errorf("the store has crashed: %w", account.ErrBusy)
)

// linearizeCrashes records histories that run on through crashes. Besides what Crashes
// checks this shows that nothing was answered on the strength of a write that was not
// durable yet: a check that saw an import which the crash then undid fits no order.
func linearizeCrashes(tb testing.TB, h Harness, histories, crashes int, w Workload) {
	tb.Helper()
	w.Clients = 6 // every crash leaves a call of unknown fate for each, which makes verifying dearer
	var total Counts
	for range histories {
		inst := h.Open(tb)
		history := NewHistory(w)
		for n := range crashes {
			recordUntilCrash(tb, inst, history, w, (17*n+int(w.Seed%97))%(w.Clients*w.Calls))
		}
		history.Record(tb.Context(), w.target(inst.Store()))
		for _, err := range history.errs {
			if !errors.Is(err, errCrashed) && !errors.Is(err, errNotCalled) {
				tb.Fatalf("seed %d: a call failed: %v", w.Seed, err)
			}
		}
		if err := history.Verify(); err != nil {
			tb.Fatalf("seed %d: %v", w.Seed, err)
		}
		counts := history.Counts()
		total.Answered += counts.Answered
		total.Unknown += counts.Unknown
		w.Seed++
	}
	tb.Logf("%d histories with %d crashes each are linearizable: %d calls answered, %d of unknown fate",
		histories, crashes, total.Answered, total.Unknown)
}

// recordUntilCrash records calls and crashes the store once some are answered.
func recordUntilCrash(tb testing.TB, inst Instance, history *History, w Workload, answers int) {
	tb.Helper()
	f := newFuse(answers)
	done := make(chan struct{})
	target := fusedTarget{w.target(inst.Store()), f}
	go func() {
		defer close(done)
		defer f.trip() // should the calls end too early
		history.Record(tb.Context(), target)
	}()
	f.wait()
	f.blown.Store(true)
	inst.Crash(tb)
	<-done
}

// fusedTarget gives no answer once its fuse has blown, and begins no call either.
type fusedTarget struct {
	t Target
	f *fuse
}

func fused[T any](f *fuse, call func() (T, error)) (T, error) {
	var none T
	if f.blown.Load() {
		return none, errNotCalled
	}
	got, err := call()
	if f.blown.Load() {
		return none, errCrashed
	}
	f.burn()
	return got, err
}

func (t fusedTarget) Import(ctx context.Context, ids []account.UserID, at int64, detail bool) ([]account.Imported, error) {
	return fused(t.f, func() ([]account.Imported, error) { return t.t.Import(ctx, ids, at, detail) })
}

func (t fusedTarget) Check(ctx context.Context, ids []account.UserID) ([]bool, error) {
	return fused(t.f, func() ([]bool, error) { return t.t.Check(ctx, ids) })
}

func (t fusedTarget) Get(ctx context.Context, ids []account.UserID) ([]account.Account, error) {
	return fused(t.f, func() ([]account.Account, error) { return t.t.Get(ctx, ids) })
}

func (t fusedTarget) Delete(ctx context.Context, ids []account.UserID, at int64) ([]bool, error) {
	return fused(t.f, func() ([]bool, error) { return t.t.Delete(ctx, ids, at) })
}

func (t fusedTarget) Kick(ctx context.Context, ids []account.UserID, validFrom int64) ([]bool, error) {
	return fused(t.f, func() ([]bool, error) { return t.t.Kick(ctx, ids, validFrom) })
}
