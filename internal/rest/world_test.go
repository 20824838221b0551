package rest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/rest"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/usersig"
)

// The one App that every world has, and what is special about it.
const (
	testApp   = account.SDKAppID(1400000001)
	testAdmin = "administrator"
	testKey   = "an-obvious-test-key"
)

// epoch is when every world begins: 2023-11-14T22:13:20Z.
var epoch = time.Unix(1700000000, 0)

// world is a REST handler with everything behind it real but the clock and the disk.
type world struct {
	clock    *clock
	store    *faultyStore
	service  *account.Service
	presence *fakePresence
	messages *fakeMessages
	apps     []app.App
	registry *app.Registry
	gate     *limit.Gate
	streams  *limit.Gate
	metrics  *prometheus.Registry
	options  rest.Options
	handler  *rest.Handler
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{clock: &clock{now: epoch}, store: &faultyStore{Store: memstore.New()}, presence: &fakePresence{}, messages: &fakeMessages{}, gate: limit.NewGate(1), streams: limit.NewGate(1)}
	w.apps = []app.App{{
		SDKAppID: testApp, Keys: []app.Key{testKey}, Admins: []account.UserID{testAdmin}, Edition: app.Pro,
	}}
	var err error
	if w.registry, err = app.NewRegistry(w.apps); err != nil {
		tb.Fatal(err)
	}
	w.messages.world = w
	revocations := auth.NewRevocations()
	w.service = account.NewService(w.store, w.clock, revocations)
	authenticator, err := auth.New(auth.Options{
		Registry: w.registry, Accounts: w.service, Revocations: revocations,
		Lockout: limit.NewLockout(3, epoch), Now: w.clock.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	requests := 0
	w.metrics = prometheus.NewRegistry()
	w.options = rest.Options{
		Accounts: w.service, Presence: w.presence, Messages: w.messages, Recipients: 1000, Authenticator: authenticator,
		Limiter: limit.NewRates(epoch), Gate: w.gate, Streams: w.streams,
		Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, MaxBody: 64 << 10,
		NewRequestID: func() string { requests++; return fmt.Sprintf("request-%d", requests) },
	}
	w.open(tb)
	return w
}

// open makes the handler from what the options are now.
func (w *world) open(tb testing.TB) {
	tb.Helper()
	var err error
	if w.handler, err = rest.New(w.options); err != nil {
		tb.Fatal(err)
	}
}

// addApp adds an App, or replaces the one with its SDKAppID.
func (w *world) addApp(tb testing.TB, a app.App) {
	tb.Helper()
	apps := []app.App{a}
	for _, old := range w.apps {
		if old.SDKAppID != a.SDKAppID {
			apps = append(apps, old)
		}
	}
	w.apps = apps
	if err := w.registry.Swap(apps); err != nil {
		tb.Fatal(err)
	}
}

// importAccounts imports accounts into the App without a request.
func (w *world) importAccounts(tb testing.TB, names ...string) {
	tb.Helper()
	for _, name := range names {
		_, err := w.service.Import(tb.Context(), &account.Policy{SDKAppID: testApp}, []account.Entry{{UserID: account.UserID(name)}}, false)
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// signOptions are what a UserSig may have that is not as it should be.
type signOptions struct {
	app    account.SDKAppID
	key    string
	age    time.Duration // how long ago it was made
	expire time.Duration
}

// sign returns a UserSig of the test App that is valid for a day, but for the options,
// which are written name=value.
func (w *world) sign(tb testing.TB, identifier string, options ...string) string {
	tb.Helper()
	o := signOptions{app: testApp, key: testKey, expire: 24 * time.Hour}
	for _, option := range options {
		o.set(tb, option)
	}
	sig, err := usersig.Sign([]byte(o.key), usersig.Claims{
		Identifier: identifier, SDKAppID: uint64(o.app),
		Time: w.clock.Now().Add(-o.age).Unix(), Expire: int64(o.expire / time.Second),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

func (o *signOptions) set(tb testing.TB, option string) {
	tb.Helper()
	name, value, _ := strings.Cut(option, "=")
	var err error
	switch name {
	case "app":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 32)
		o.app = account.SDKAppID(n)
	case "key":
		o.key = value
	case "age":
		o.age, err = time.ParseDuration(value)
	case "expire":
		o.expire, err = time.ParseDuration(value)
	default:
		err = errors.New("no such option of a UserSig")
	}
	if err != nil {
		tb.Fatalf("%s: %v", option, err)
	}
}

// query returns the parameters of a valid request.
func (w *world) query(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("sdkappid=%d&identifier=%s&usersig=%s&random=99999999&contenttype=json", testApp, testAdmin, w.sign(tb, testAdmin))
}

var _ account.Clock = (*clock)(nil)

// clock is a time that only moves when it is told to, or when somebody waits for it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// WaitUntil implements account.Clock.
func (c *clock) WaitUntil(ctx context.Context, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.Before(t) {
		c.now = t
	}
	return ctx.Err()
}

// faultyStore fails on demand. It never fails for the admin's valid-from, without which
// no request would come as far as its command.
type faultyStore struct {
	account.Store
	mode string

	// These are called, if they are there, before the store is.
	importing func(ctx context.Context)
	listing   func(ctx context.Context)
}

// faults are the modes, and what account.Service makes of them in the end.
var faults = map[string]error{
	"timeout": context.DeadlineExceeded,     // 70169
	"busy":    account.ErrBusy,              // 70202
	"broken":  errors.New("the disk burns"), // 70500 91000 40006
}

func (s *faultyStore) fault() error {
	if s.mode == "panic" {
		panic("the store is out of its mind")
	}
	return faults[s.mode]
}

func (s *faultyStore) Import(ctx context.Context, app account.SDKAppID, b account.Batch) ([]account.Imported, error) {
	if s.importing != nil {
		s.importing(ctx)
	}
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Import(ctx, app, b)
}

func (s *faultyStore) Check(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Check(ctx, app, ids)
}

func (s *faultyStore) Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	if len(ids) == 1 && ids[0] == testAdmin {
		return s.Store.Get(ctx, app, ids)
	}
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, app, ids)
}

func (s *faultyStore) List(ctx context.Context, app account.SDKAppID, after account.UserID, limit int) ([]account.Account, error) {
	if s.listing != nil {
		s.listing(ctx)
	}
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, app, after, limit)
}

func (s *faultyStore) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) ([]bool, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Delete(ctx, app, ids, at)
}

func (s *faultyStore) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) ([]bool, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Kick(ctx, app, ids, validFrom)
}

// SetProfile also holds its caller to what account.Store asks of one: a valid name.
func (s *faultyStore) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (bool, error) {
	if err := id.Validate(); err != nil {
		return false, err
	}
	if err := s.fault(); err != nil {
		return false, err
	}
	return s.Store.SetProfile(ctx, app, id, c)
}
