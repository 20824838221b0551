package storetest

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/memstore"
)

// spy is a testing.TB that notes a failure instead of failing the test around it.
type spy struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (s *spy) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
}

func (s *spy) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *spy) FailNow() {
	s.Fail()
	runtime.Goexit()
}

func (s *spy) Error(...any)          { s.Fail() }
func (s *spy) Errorf(string, ...any) { s.Fail() }
func (s *spy) Fatal(...any)          { s.FailNow() }
func (s *spy) Fatalf(string, ...any) { s.FailNow() }
func (s *spy) Log(...any)            {}
func (s *spy) Logf(string, ...any)   {}

// fails reports whether f fails the test that it is given, a panic included.
func fails(tb testing.TB, f func(tb testing.TB)) bool {
	tb.Helper()
	s := &spy{TB: tb}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil {
				s.Fail()
			}
		}()
		f(s)
	}()
	<-done
	return s.Failed()
}

// bent is a store of which single calls can be replaced by wrong ones.
type bent struct {
	store.Store
	onImport     func(context.Context, account.SDKAppID, account.Batch) ([]account.Imported, error)
	onCheck      func(context.Context, account.SDKAppID, []account.UserID) ([]bool, error)
	onGet        func(context.Context, account.SDKAppID, []account.UserID) ([]account.Account, error)
	onDelete     func(context.Context, account.SDKAppID, []account.UserID, int64) ([]bool, error)
	onKick       func(context.Context, account.SDKAppID, []account.UserID, int64) ([]bool, error)
	onSetProfile func(context.Context, account.SDKAppID, account.UserID, account.ProfileChange) (bool, error)
	onList       func(context.Context, account.SDKAppID, account.UserID, int) ([]account.Account, error)
	onCount      func(context.Context, account.SDKAppID) (int64, error)
	onSavePush   func(context.Context, []presence.PushDevice, []presence.PushKey) error
	onLoadPush   func(context.Context, func(presence.PushDevice) error) error
	onClose      func() error

	bentMessages
}

// newBent returns a store on which every call is right as long as bend leaves it.
func newBent(bend func(b *bent)) *bent {
	st := memstore.New()
	b := &bent{
		Store: st, onImport: st.Import, onCheck: st.Check, onGet: st.Get, onDelete: st.Delete, onKick: st.Kick,
		onSetProfile: st.SetProfile, onList: st.List, onCount: st.Count,
		onSavePush: st.SavePush, onLoadPush: st.LoadPush, onClose: st.Close,
	}
	bend(b)
	return b
}

// bentHarness makes bent stores for the suite.
func bentHarness(bend func(b *bent)) Harness {
	const reason = "the store is in memory"
	return Harness{
		Open:        func(testing.TB) Instance { return bentInstance{newBent(bend)} },
		Unsupported: Unsupported{Reopen: reason, Crash: reason},
		Seed:        1,
	}
}

type bentInstance struct{ st *bent }

func (i bentInstance) Store() store.Store { return i.st }
func (bentInstance) Reopen(tb testing.TB) { tb.Fatal("unsupported") }
func (bentInstance) Crash(tb testing.TB)  { tb.Fatal("unsupported") }

func (b *bent) Import(ctx context.Context, app account.SDKAppID, batch account.Batch) ([]account.Imported, error) {
	return b.onImport(ctx, app, batch)
}

func (b *bent) Check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	return b.onCheck(ctx, app, ids)
}

func (b *bent) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	return b.onGet(ctx, app, ids)
}

func (b *bent) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	return b.onDelete(ctx, app, ids, at)
}

func (b *bent) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	return b.onKick(ctx, app, ids, validFrom)
}

func (b *bent) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	return b.onSetProfile(ctx, app, id, c)
}

func (b *bent) List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error) {
	return b.onList(ctx, app, after, limit)
}

func (b *bent) Count(ctx context.Context, app account.SDKAppID) (int64, error) {
	return b.onCount(ctx, app)
}

func (b *bent) SavePush(ctx context.Context, put []presence.PushDevice, remove []presence.PushKey) error {
	return b.onSavePush(ctx, put, remove)
}

func (b *bent) LoadPush(ctx context.Context, each func(presence.PushDevice) error) error {
	return b.onLoadPush(ctx, each)
}

func (b *bent) Close() error { return b.onClose() }
