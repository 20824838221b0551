package presence_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const thisApp, otherApp account.SDKAppID = 1400000001, 1400000002

var start = time.Unix(1_700_000_000, 0)

// memory is a presence.Store that can be made to fail, or to wait.
type memory struct {
	mu      sync.Mutex
	devices map[presence.PushKey]int64
	fail    error
	hold    chan struct{} // if not nil, SavePush waits until it is closed
	failed  chan struct{} // gets a value for each failure
}

func newMemory() *memory {
	return &memory{devices: make(map[presence.PushKey]int64), failed: make(chan struct{}, 1)}
}

func (m *memory) SavePush(_ context.Context, put []presence.PushDevice, remove []presence.PushKey) error {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		select {
		case m.failed <- struct{}{}:
		default:
		}
		return m.fail
	}
	for _, k := range remove {
		delete(m.devices, k)
	}
	for _, d := range put {
		m.devices[d.PushKey] = d.Seen
	}
	return nil
}

func (m *memory) LoadPush(_ context.Context, each func(presence.PushDevice) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, seen := range m.devices {
		if err := each(presence.PushDevice{PushKey: k, Seen: seen}); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.devices)
}

// log notes every change.
type changes struct {
	mu  sync.Mutex
	all []presence.Change
}

func (c *changes) Changed(change presence.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, change)
}

func (c *changes) take() []presence.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

type world struct {
	*presence.Table
	t       testing.TB
	store   *memory
	changes *changes

	mu  sync.Mutex
	now time.Time
}

func newWorld(t testing.TB) *world { return newWorldOn(t, newMemory()) }

func newWorldOn(t testing.TB, store *memory) *world {
	t.Helper()
	w := &world{t: t, store: store, changes: new(changes), now: start}
	var err error
	w.Table, err = presence.New(presence.Options{
		Store: store, Logger: slog.New(slog.DiscardHandler), Now: w.clock, Observer: w.changes,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// conn is a connection that notes why it was ended.
type conn struct {
	mu    sync.Mutex
	ended []presence.Cause
}

func (c *conn) End(cause presence.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, cause)
}

func (c *conn) causes() []presence.Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ended)
}

func always() bool { return true }

// login logs a device of an account of thisApp in.
func (w *world) login(id account.UserID, platform presence.Platform, instance string, p app.LoginPolicy) (*presence.Session, *conn) {
	w.t.Helper()
	c := new(conn)
	s := &presence.Session{
		SDKAppID: thisApp, UserID: id, Platform: platform, InstanceID: instance,
		PushCapable: true, Conn: c, Since: w.clock().Unix(),
	}
	if !w.Login(s, p, always) {
		w.t.Fatalf("the login of %s on %s %s is refused", id, platform, instance)
	}
	return s, c
}

func (w *world) status(id account.UserID) presence.Status {
	w.t.Helper()
	all, err := w.Status(w.t.Context(), thisApp, []account.UserID{id})
	if err != nil {
		w.t.Fatal(err)
	}
	return all[0]
}

func (w *world) mustBe(id account.UserID, want presence.State) {
	w.t.Helper()
	if got := w.status(id); got.State != want {
		w.t.Errorf("%s is %s, want %s", id, got.State, want)
	}
}

func (w *world) flush() {
	w.t.Helper()
	if err := w.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}
