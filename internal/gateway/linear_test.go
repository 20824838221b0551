package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/usersig"
)

// The history of one account, seen from outside: devices log in and out, others kick and
// delete the account and ask for its presence, all at the same time. Porcupine looks for an
// order in which one after the other would have given the same answers.
//
// A kick is two steps, of which the first is to come first: UserSigs die, and sessions end.
// In between somebody may be refused already while an older session is still there.
//
// A login makes the account before it begins a session. If a kick comes between the two, the
// account is there and the login refused, as if it had succeeded and been kicked at once. If
// the kick was one of an earlier second, it makes sure of the account once more.

type opKind int

const (
	opMake   opKind = iota // the account of a login, unless its UserSig is dead
	opLogin                // after the opMake of the same login
	opLogout               // of a device that is connected
	opKill                 // the first half of a kick or delete
	opEnd                  // the second
	opStatus
)

type input struct {
	kind     opKind
	instance string
	signed   int64 // of opMake and opLogin
	login    int   // of opMake and opLogin, which one this is
	kick     int   // of opKill and opEnd, which kick this is
	delete   bool
}

type output struct {
	ok      bool  // of opLogin; of opLogout, that the device was still there; of opKill, that the account was
	second  int64 // of opKill, the second up to which UserSigs are dead
	devices int   // of opStatus
}

type state struct {
	exists    bool
	validFrom int64
	sessions  string // instances, each with a blank after it, sorted
	killed    string // the kicks of which the first half is done alone, likewise
	made      string // the logins of which the first half is done alone, likewise
}

func has(list, one string) bool { return strings.Contains(" "+list, " "+one+" ") }

func with(list, one string) string {
	all := strings.Fields(list)
	if !slices.Contains(all, one) {
		all = append(all, one)
	}
	slices.Sort(all)
	return strings.Join(all, " ") + " "
}

func without(list, one string) string {
	return strings.TrimPrefix(strings.ReplaceAll(" "+list, " "+one+" ", " "), " ")
}

var model = porcupine.Model{
	Init:              func() any { return state{} },
	Step:              func(st, in, out any) (bool, any) { return step(st.(state), in.(input), out.(output)) },
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

func step(s state, in input, out output) (bool, any) {
	kick := fmt.Sprint(in.kick)
	switch in.kind {
	case opMake:
		s.exists = s.exists || in.signed > s.validFrom
		s.made = with(s.made, fmt.Sprint(in.login))
	case opLogin:
		login := fmt.Sprint(in.login)
		if !has(s.made, login) {
			return false, s
		}
		s.made = without(s.made, login)
		if in.signed <= s.validFrom {
			return !out.ok, s
		}
		s.exists, s.sessions = true, with(s.sessions, in.instance)
		return out.ok, s
	case opLogout:
		if out.ok != has(s.sessions, in.instance) {
			return false, s
		}
		s.sessions = without(s.sessions, in.instance)
	case opKill:
		if out.ok != s.exists {
			return false, s
		}
		s.killed = with(s.killed, kick)
		if out.ok {
			s.validFrom = max(s.validFrom, out.second)
			s.exists = !in.delete
		}
	case opEnd:
		if !has(s.killed, kick) {
			return false, s
		}
		s.sessions, s.killed = "", without(s.killed, kick)
	case opStatus:
		return out.devices == len(strings.Fields(s.sessions)), s
	}
	return true, s
}

// spying notes the second that a kick or delete is about, and tells whoever waits for one.
type spying struct {
	*memstore.Store
	kicks *moments
}

// moments lets goroutines wait for something that happens now and then.
type moments struct {
	mu   sync.Mutex
	next chan struct{}
}

func (m *moments) happen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil {
		close(m.next)
		m.next = nil
	}
}

// await returns after the next moment, or soon if there is none.
func (m *moments) await() {
	m.mu.Lock()
	if m.next == nil {
		m.next = make(chan struct{})
	}
	next := m.next
	m.mu.Unlock()
	select {
	case <-next:
	case <-time.After(2 * time.Millisecond):
	}
}

// dawdling puts a kick, if there is one, between a login's UserSig being found good and what
// follows from that, where it is most dangerous.
type dawdling struct {
	gateway.Authenticator
	kicks *moments
}

func (d dawdling) Authenticate(ctx context.Context, c auth.Credentials) (auth.Caller, error) {
	caller, err := d.Authenticator.Authenticate(ctx, c)
	if rand.IntN(2) == 0 {
		d.kicks.await()
	}
	return caller, err
}

type secondKey struct{}

func note(ctx context.Context, second int64) {
	if p, ok := ctx.Value(secondKey{}).(*int64); ok {
		*p = second
	}
}

func (s spying) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	note(ctx, validFrom)
	defer s.kicks.happen()
	return s.Store.Kick(ctx, app, ids, validFrom)
}

func (s spying) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	note(ctx, at)
	defer s.kicks.happen()
	return s.Store.Delete(ctx, app, ids, at)
}

// history is what several goroutines did to one account of a world.
type history struct {
	w     *world
	start time.Time

	mu        sync.Mutex
	ops       []porcupine.Operation
	connected map[string]*device.Device // by instance, as far as is known
	kicks     int
	logins    int
}

func (h *history) since() int64 { return int64(time.Since(h.start)) }

func (h *history) note(client int, call int64, in input, out output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: h.since()})
}

func (h *history) login(client int) {
	w := h.w
	instance := fmt.Sprint("i", client)
	signed := w.clock.Now().Unix()
	sig, err := usersig.Sign([]byte(key), usersig.Claims{Identifier: "ann", SDKAppID: uint64(thisApp), Time: signed, Expire: 3600})
	if err != nil {
		w.t.Error(err)
		return
	}
	call := h.since()
	d, err := w.dial(device.Login{
		SDKAppID: uint64(thisApp), UserID: "ann", UserSig: sig, Platform: "Web", InstanceID: instance,
	}, device.Options{})
	refused, _ := errors.AsType[*device.Disconnected](err)
	if err != nil && (refused == nil || !strings.HasPrefix(refused.Reason, "70052 ")) {
		// A kick may come between the login and its answer; then it was a login.
		if refused == nil || refused.Code != 4501 && refused.Code != 4503 {
			w.t.Errorf("login: %v", err)
			return
		}
	}
	ok := err == nil || refused.Code != 4500
	h.mu.Lock()
	h.logins++
	n := h.logins
	h.mu.Unlock()
	h.note(2000+n, call, input{kind: opMake, signed: signed, login: n}, output{})
	h.note(client, call, input{kind: opLogin, instance: instance, signed: signed, login: n}, output{ok: ok})
	h.mu.Lock()
	defer h.mu.Unlock()
	if d != nil {
		h.connected[instance] = d
	}
}

func (h *history) logout(client int) {
	instance := fmt.Sprint("i", client)
	h.mu.Lock()
	d := h.connected[instance]
	delete(h.connected, instance)
	h.mu.Unlock()
	if d == nil {
		return
	}
	call := h.since()
	answer, err := d.RPC(h.w.t.Context(), "logout", struct{}{})
	if err == nil {
		// Whether the session was still there the answer does not say, but the code does.
		<-d.Closed()
		var out *device.Disconnected
		if !errors.As(d.Err(), &out) {
			h.w.t.Errorf("logout: %s, then %v", answer, d.Err())
			return
		}
		h.note(client, call, input{kind: opLogout, instance: instance}, output{ok: out.Code == 4504})
		return
	}
	h.note(client, call, input{kind: opLogout, instance: instance}, output{})
	d.Close()
}

func (h *history) kick(client int, remove bool) {
	h.mu.Lock()
	h.kicks++
	n := h.kicks
	h.mu.Unlock()
	var second int64
	ctx := context.WithValue(h.w.t.Context(), secondKey{}, &second)
	call := h.since()
	var fault error
	if remove {
		all, err := h.w.accounts.Delete(ctx, h.w.policy(), []account.UserID{"ann"})
		if err != nil {
			h.w.t.Error(err)
			return
		}
		if all[0] != nil {
			fault = all[0]
		}
	} else {
		fault = h.w.accounts.Kick(ctx, h.w.policy(), "ann")
	}
	h.note(client, call, input{kind: opKill, kick: n, delete: remove}, output{ok: fault == nil, second: second})
	// Also for an account that is not there: what is not there ends as well.
	h.note(1000+n, call, input{kind: opEnd, kick: n}, output{})
}

func (h *history) status(client int) {
	call := h.since()
	all, err := h.w.sessions.Status(h.w.t.Context(), thisApp, []account.UserID{"ann"})
	if err != nil {
		h.w.t.Error(err)
		return
	}
	h.note(client, call, input{kind: opStatus}, output{devices: len(all[0].Devices)})
}

func TestLinearizable(t *testing.T) {
	const histories, clients, steps = 40, 4, 12
	for n := range histories {
		seed := rand.Uint64()
		ok := t.Run(fmt.Sprintf("history %d", n), func(t *testing.T) {
			t.Logf("seed %d", seed)
			kicks := new(moments)
			w := newWorldOn(t, func(s *memstore.Store) account.Store { return spying{s, kicks} }, func(o *gateway.Options) {
				o.Authenticator = dawdling{o.Authenticator, kicks}
			})
			w.swap(func(a *app.App) { a.Login.WebInstances = 10 })
			h := &history{w: w, start: time.Now(), connected: make(map[string]*device.Device)}
			var wg sync.WaitGroup
			for client := range clients {
				wg.Go(func() { h.act(client, steps, rand.New(rand.NewPCG(seed, uint64(client)))) })
			}
			wg.Wait()
			h.check(t)
		})
		if !ok {
			return
		}
	}
}

// act does random things as one client.
func (h *history) act(client, steps int, r *rand.Rand) {
	for range steps {
		switch p := r.IntN(100); {
		case p < 45:
			h.login(client)
		case p < 60:
			h.logout(client)
		case p < 72:
			h.kick(client, false)
		case p < 78:
			h.kick(client, true)
		case p < 82:
			h.w.clock.pass(time.Second)
		default:
			h.status(client)
		}
	}
}

// check has Porcupine judge the history, and what is left of it: whoever is connected has a
// session, and nobody else.
func (h *history) check(t *testing.T) {
	result, info := porcupine.CheckOperationsVerbose(model, h.ops, time.Minute)
	if result != porcupine.Ok {
		path := t.ArtifactDir() + "/history.html"
		_ = porcupine.VisualizePath(model, info, path)
		for _, op := range h.ops {
			t.Logf("%d [%d %d] %s", op.ClientId, op.Call, op.Return, model.DescribeOperation(op.Input, op.Output))
		}
		t.Fatalf("the history is %s; see %s", result, path)
	}
	all, err := h.w.sessions.Status(t.Context(), thisApp, []account.UserID{"ann"})
	h.w.must(err)
	alive := make(map[string]bool)
	for _, d := range all[0].Devices {
		alive[d.InstanceID] = true
	}
	for instance, d := range h.connected {
		if alive[instance] {
			h.w.mustBeConnected(d)
			d.Close()
			continue
		}
		<-d.Closed()
	}
	for instance := range maps.Keys(alive) {
		if h.connected[instance] == nil {
			t.Errorf("%s has a session and no device", instance)
		}
	}
}
