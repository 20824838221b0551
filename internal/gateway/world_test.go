package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/usersig"
)

// TestMain looks for goroutines that are left. Those of centrifuge that give up a channel
// which has no subscriber any more take a second for it, also after the node has been stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge.(*Node).unsubscribeFromBrokerWhenEmpty.func1"))
}

const (
	thisApp, trialApp account.SDKAppID = 1400000001, 1400000002

	key      = "a key that is long enough"
	otherKey = "another key, of another App"
)

// clock is the time of a world. Waiting for a second makes it pass.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) WaitUntil(_ context.Context, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
	return nil
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a gateway with all that is behind it, in memory.
type world struct {
	*gateway.Gateway
	t        testing.TB
	clock    *clock
	registry *app.Registry
	store    *memstore.Store
	accounts *account.Service
	sessions *presence.Table
	messages *message.Service
	metrics  *prometheus.Registry
	log      *lockedBuffer
	url      string // ws://…
}

// devices is the gateway of a world, which is made after what delivers to it.
type devices struct{ w *world }

func (d devices) Deliver(app account.SDKAppID, c *message.Copy) { d.w.Deliver(app, c) }

func (d devices) DeliverRead(app account.SDKAppID, reader, peer account.UserID, upTo int64) {
	d.w.DeliverRead(app, reader, peer, upTo)
}

// noHooks is a backend that wants to know nothing.
type noHooks struct{}

func (noHooks) Wants(*app.App) (before, after bool) { return false, false }

func (noHooks) Before(context.Context, *app.App, message.Outgoing) message.Verdict {
	return message.Verdict{}
}

func (noHooks) After(*app.App, message.Outgoing, int, *errcode.Error) {}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type revoker struct {
	sigs     *auth.Revocations
	sessions *presence.Table
}

func (r revoker) Revoke(app account.SDKAppID, id account.UserID, why account.Cause) {
	r.sigs.Revoke(app, id, why)
	cause := presence.Kicked
	if why == account.Deleted {
		cause = presence.Deleted
	}
	r.sessions.End(app, id, cause)
}

// newWorld returns a world whose settings change may change.
func newWorld(t testing.TB, change func(*gateway.Options)) *world {
	t.Helper()
	return newWorldOn(t, func(s *memstore.Store) account.Store { return s }, change)
}

// newWorldOn has the accounts in what wrap makes of the store.
func newWorldOn(t testing.TB, wrap func(*memstore.Store) account.Store, change func(*gateway.Options)) *world {
	t.Helper()
	w := &world{
		t: t, clock: &clock{now: time.Unix(1_700_000_000, 0)}, store: memstore.New(),
		metrics: prometheus.NewRegistry(), log: new(lockedBuffer),
	}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.registry, err = app.NewRegistry([]app.App{
		{SDKAppID: thisApp, Keys: []app.Key{key}, Admins: []account.UserID{"administrator"}, Edition: app.Pro},
		{SDKAppID: trialApp, Keys: []app.Key{otherKey}, Admins: []account.UserID{"administrator"}, Edition: app.Trial},
	})
	w.must(err)
	w.sessions, err = presence.New(presence.Options{Store: w.store, Logger: logger, Now: w.clock.Now})
	w.must(err)
	revoked := auth.NewRevocations()
	w.accounts = account.NewService(wrap(w.store), w.clock, revoker{revoked, w.sessions})
	authenticator, err := auth.New(auth.Options{
		Registry: w.registry, Accounts: w.accounts, Revocations: revoked,
		Lockout: limit.NewLockout(20, w.clock.Now()), Now: w.clock.Now,
	})
	w.must(err)
	w.messages, err = message.New(message.Options{
		Store: w.store, Accounts: w.accounts, Hooks: noHooks{}, Deliverer: devices{w}, Now: w.clock.Now, Random: rand.Uint32,
	})
	w.must(err)
	o := gateway.Options{
		Authenticator: authenticator, Accounts: w.accounts, Presence: w.sessions, Messages: w.messages, Apps: w.registry.Find,
		Logger: logger, Now: w.clock.Now, Metrics: w.metrics,
		PingInterval: 25 * time.Second, PongTimeout: 8 * time.Second,
		MaxMessage: 4096, MaxQueue: 1 << 16,
	}
	if change != nil {
		change(&o)
	}
	w.Gateway, err = gateway.New(o)
	w.must(err)
	server := httptest.NewServer(w.Gateway)
	w.url = "ws" + strings.TrimPrefix(server.URL, "http")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(w.Stop(ctx), w.sessions.Stop(ctx)); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// sign returns a UserSig for an account of thisApp that is made now and good for an hour.
func (w *world) sign(id string) string { return w.signFor(thisApp, key, id) }

func (w *world) signFor(app account.SDKAppID, key, id string) string {
	w.t.Helper()
	sig, err := usersig.Sign([]byte(key), usersig.Claims{
		Identifier: id, SDKAppID: uint64(app), Time: w.clock.Now().Unix(), Expire: 3600,
	})
	w.must(err)
	return sig
}

// credentials returns what a Web device of an account of thisApp connects with.
func (w *world) credentials(id string) device.Login {
	return device.Login{SDKAppID: uint64(thisApp), UserID: id, UserSig: w.sign(id), Platform: "Web"}
}

func (w *world) dial(l device.Login, o device.Options) (*device.Device, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return device.Dial(ctx, w.url+gateway.PathWebSocket, l, o)
}

// login logs a device in that is closed when the test ends.
func (w *world) login(l device.Login) *device.Device {
	w.t.Helper()
	d, err := w.dial(l, device.Options{})
	w.must(err)
	w.t.Cleanup(d.Close)
	return d
}

// refused returns how the login was refused.
func (w *world) refused(l device.Login, o device.Options) *device.Disconnected {
	w.t.Helper()
	d, err := w.dial(l, o)
	if err == nil {
		d.Close()
		w.t.Fatal("the login is not refused")
	}
	out, ok := errors.AsType[*device.Disconnected](err)
	if !ok {
		w.t.Fatalf("the login failed, and was not refused: %v", err)
	}
	return out
}

// mustRefuse has a login refused with a disconnect code and a reason that starts so.
func (w *world) mustRefuse(l device.Login, o device.Options, code int, reason string) {
	w.t.Helper()
	if got := w.refused(l, o); got.Code != code || !strings.HasPrefix(got.Reason, reason) {
		w.t.Errorf("refused with %v, want %d %s…", got, code, reason)
	}
}

// mustEnd waits until the server has ended a connection.
func (w *world) mustEnd(d *device.Device, code int, reason string) {
	w.t.Helper()
	select {
	case <-d.Closed():
	case <-time.After(10 * time.Second):
		w.t.Fatal("the device is still connected")
	}
	var got *device.Disconnected
	if !errors.As(d.Err(), &got) || got.Code != code || !strings.HasPrefix(got.Reason, reason) {
		w.t.Errorf("ended with %v, want %d %s…", d.Err(), code, reason)
	}
}

func (w *world) mustBeConnected(d *device.Device) {
	w.t.Helper()
	if _, err := d.RPC(w.t.Context(), "set_status", map[string]string{"CustomStatus": ""}); err != nil {
		w.t.Errorf("the device is not connected: %v", err)
	}
}

func (w *world) policy() *account.Policy {
	a, _ := w.registry.Find(thisApp)
	return a.Policy()
}

func (w *world) kick(id account.UserID) {
	w.t.Helper()
	w.must(w.accounts.Kick(w.t.Context(), w.policy(), id))
}

func (w *world) state(id account.UserID) presence.State {
	w.t.Helper()
	all, err := w.sessions.Status(w.t.Context(), thisApp, []account.UserID{id})
	w.must(err)
	return all[0].State
}

// await waits until a condition holds that other goroutines bring about.
func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("still not so: %s", what)
		}
	}
}
