package account_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/store/memstore"
)

// loginModel is what an account is, as far as a login is concerned.
type loginModel struct {
	live                 bool
	validFrom, deletedAt int64
}

// login returns what a login must give, and the state after it.
func (m loginModel) login(now, signed, hold int64) (loginModel, bool, errcode.Code) {
	switch {
	case m.live:
		return m, false, errcode.OK
	case m.validFrom > 0 && signed <= m.validFrom:
		return m, false, errcode.SigKicked
	case hold > 0 && m.deletedAt >= now-hold && m.deletedAt > 0:
		return m, false, errcode.DeletedRecently
	}
	m.live = true
	return m, true, errcode.OK
}

// TestLoginModel plays commands and logins in any order, the clock going back now and then.
func TestLoginModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const hold = 3
		f := newFixture()
		f.policy.DeleteHold = time.Duration(rapid.SampledFrom([]int64{0, hold}).Draw(t, "hold")) * time.Second
		names := []account.UserID{"a", "b"}
		models := map[account.UserID]loginModel{}
		draw := func(t *rapid.T) (account.UserID, loginModel) {
			f.clock.now = f.clock.now.Add(time.Duration(rapid.Int64Range(-3, 5).Draw(t, "seconds later")) * time.Second)
			id := rapid.SampledFrom(names).Draw(t, "name")
			return id, models[id]
		}
		ctx := context.Background()
		t.Repeat(map[string]func(*rapid.T){
			"login": func(t *rapid.T) {
				id, m := draw(t)
				now := f.clock.now.Unix()
				signed := now + rapid.Int64Range(-8, 1).Draw(t, "signed")
				next, created, code := m.login(now, signed, int64(f.policy.DeleteHold/time.Second))
				got, err := f.Login(ctx, f.policy, id, signed)
				if got != created || errcode.Of(err) != code || f.clock.now.Unix() != now {
					t.Fatalf("login of %s at %d, signed at %d: %v, %v; want %v, %d", id, now, signed, got, err, created, code)
				}
				models[id] = next
			},
			"import": func(t *rapid.T) {
				id, m := draw(t)
				out, err := f.Import(ctx, f.policy, []account.Entry{{UserID: id}}, false)
				if err != nil {
					t.Fatal(err)
				}
				m.live = out[0].Err == nil
				models[id] = m
			},
			"delete": func(t *rapid.T) {
				id, m := draw(t)
				now := f.clock.now.Unix()
				if _, err := f.Delete(ctx, f.policy, []account.UserID{id}); err != nil {
					t.Fatal(err)
				}
				if m.live {
					m = loginModel{validFrom: max(m.validFrom, now), deletedAt: now}
				}
				models[id] = m
			},
			"kick": func(t *rapid.T) {
				now := f.clock.now.Unix()
				if _, err := f.KickMany(ctx, f.policy, names); err != nil {
					t.Fatal(err)
				}
				for id, m := range models {
					if m.live {
						m.validFrom = max(m.validFrom, now)
					}
					models[id] = m
				}
			},
			"": func(t *rapid.T) {
				got, err := f.Get(ctx, f.policy.SDKAppID, names)
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range names {
					if m := models[id]; got[i].Exists() != m.live || got[i].ValidFrom != m.validFrom {
						t.Fatalf("%+v, want %+v", got[i], m)
					}
				}
			},
		})
	})
}

// stoppedClock is a Clock on which no time passes.
type stoppedClock int64

func (c stoppedClock) Now() time.Time { return time.Unix(int64(c), 0) }

func (stoppedClock) WaitUntil(context.Context, time.Time) error { return nil }

// deaf is a Revoker that is not interested.
type deaf struct{}

func (deaf) Revoke(account.SDKAppID, account.UserID, account.Cause) {}

// step is one call on an account, in its second; of a login the UserSig is of the second
// signed. Its answer is a yielded.
type step struct {
	op          string
	now, signed int64
}

type yielded struct {
	done bool // created, deleted, kicked
	code errcode.Code
}

// do makes the call.
func (s step) do(ctx context.Context, st account.Store) yielded {
	const id = account.UserID("a")
	p := &account.Policy{SDKAppID: 1}
	service := account.NewService(st, stoppedClock(s.now), deaf{})
	switch s.op {
	case "login":
		created, err := service.Login(ctx, p, id, s.signed)
		return yielded{created, errcode.Of(err)}
	case "import":
		out, err := service.Import(ctx, p, []account.Entry{{UserID: id}}, false)
		return yielded{err == nil && out[0].Status == account.Created, errcode.Of(err)}
	case "delete":
		out, err := service.Delete(ctx, p, []account.UserID{id})
		return yielded{err == nil && out[0] == nil, errcode.Of(err)}
	default:
		out, err := service.KickMany(ctx, p, []account.UserID{id})
		return yielded{err == nil && out[0] == nil, errcode.Of(err)}
	}
}

// apply returns the state after the call, and whether its answer fits the one before.
func (s step) apply(m loginModel, got yielded) (loginModel, bool) {
	was := m
	switch s.op {
	case "login":
		// An account that is there lets a dead UserSig pass as well: that is the caller's to see.
		if was.live && got.code == errcode.SigKicked {
			return m, m.validFrom >= s.signed
		}
		m, created, code := m.login(s.now, s.signed, 0)
		return m, got == yielded{created, code}
	case "import":
		m.live = true
		return m, got == yielded{done: !was.live}
	case "delete":
		m.live = false
	}
	if was.live {
		m.validFrom = max(was.validFrom, s.now)
	}
	return m, got == yielded{done: was.live}
}

// TestLoginIsLinearizable has many log in while others import, delete and kick: there is one
// order of all that in which no login with a dead UserSig makes the account.
func TestLoginIsLinearizable(t *testing.T) {
	const histories, clients, calls = 40, 6, 25
	model := porcupine.Model{
		Init: func() any { return loginModel{} },
		Step: func(state, input, output any) (bool, any) {
			next, ok := input.(step).apply(state.(loginModel), output.(yielded))
			return ok, next
		},
	}
	for seed := range uint64(histories) {
		st := memstore.New()
		var stamp atomic.Int64
		var mu sync.Mutex
		var ops []porcupine.Operation
		var wg sync.WaitGroup
		for client := range clients {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(client)))
				for range calls {
					call := stamp.Add(1)
					s := step{[]string{"login", "login", "login", "import", "delete", "kick"}[rng.IntN(6)], call / 4, call/4 - rng.Int64N(4)}
					runtime.Gosched()
					got := s.do(t.Context(), yielding{st})
					mu.Lock()
					ops = append(ops, porcupine.Operation{ClientId: client, Input: s, Call: call, Output: got, Return: stamp.Add(1)})
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if porcupine.CheckOperationsTimeout(model, ops, time.Minute) != porcupine.Ok {
			t.Fatalf("seed %d: no order explains these answers: %+v", seed, ops)
		}
	}
}

// yielding is a store that lets others go first.
type yielding struct{ account.Store }

func (y yielding) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	for range 3 {
		runtime.Gosched()
	}
	return y.Store.Import(ctx, app, b)
}
