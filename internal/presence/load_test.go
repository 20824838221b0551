package presence_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/presence"
)

// accounts are those of thisApp with their valid-from; others are not imported.
type accounts map[account.UserID]int64

func (a accounts) Get(_ context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error) {
	if app != thisApp {
		return nil, errors.New("another App")
	}
	out := make([]account.Account, len(ids))
	for i, id := range ids {
		out[i].UserID = id
		if validFrom, ok := a[id]; ok {
			out[i].TinyID, out[i].ValidFrom = 1, validFrom
		}
	}
	return out, nil
}

// TestRestart has a second Table on what the first one left behind, which was not stopped:
// it crashed.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.login("connected", presence.IPhone, "a", app.LoginPolicy{})
	lost, _ := w.login("lost", presence.Android, "b", app.LoginPolicy{})
	w.Leave(lost, presence.TimedOut)
	out, _ := w.login("loggedout", presence.IPhone, "c", app.LoginPolicy{})
	w.Leave(out, presence.LoggedOut)
	w.login("web", presence.Web, "d", app.LoginPolicy{})
	w.login("kicked", presence.IPhone, "e", app.LoginPolicy{})
	w.login("deleted", presence.IPhone, "f", app.LoginPolicy{})
	old, _ := w.login("old", presence.IPhone, "g", app.LoginPolicy{})
	w.Leave(old, presence.LinkClosed)
	w.flush()

	again := newWorldOn(t, w.store)
	again.pass(time.Hour)
	all := accounts{"connected": 0, "lost": 0, "loggedout": 0, "web": 0, "kicked": start.Unix(), "old": start.Unix() - 1}
	if err := again.Load(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[account.UserID]presence.State{
		"connected": presence.PushOnline,
		"lost":      presence.PushOnline,
		"old":       presence.PushOnline,
		"loggedout": presence.Offline,
		"web":       presence.Offline,
		"kicked":    presence.Offline, // and the crash came before that was noted
		"deleted":   presence.Offline,
	} {
		again.mustBe(id, want)
	}
	again.flush()
	if n := again.store.count(); n != 3 {
		t.Errorf("%d devices are kept, want 3", n)
	}
	again.login("lost", presence.Android, "b", app.LoginPolicy{})
	again.mustBe("lost", presence.Online)
	if n := len(again.status("lost").Devices); n != 1 {
		t.Errorf("the device that came back is there %d times", n)
	}
	again.pass(presence.PushTTL)
	again.mustBe("connected", presence.Offline)
}

func TestLoadMany(t *testing.T) {
	store := newMemory()
	all := make(accounts)
	for i := range 2345 {
		id := account.UserID(fmt.Sprint("u", i))
		all[id] = 0
		store.devices[presence.PushKey{SDKAppID: thisApp, UserID: id, Platform: presence.IPhone, InstanceID: "a"}] = start.Unix()
	}
	w := newWorldOn(t, store)
	if err := w.Load(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for id := range all {
		w.mustBe(id, presence.PushOnline)
	}
}

// TestSweepKeepsSeenFresh has a device stay connected for days, so that a crash then does not
// find its time used up.
func TestSweepKeepsSeenFresh(t *testing.T) {
	w := newWorld(t)
	w.login("ann", presence.IPhone, "a", app.LoginPolicy{})
	w.pass(10 * 24 * time.Hour)
	w.Sweep()
	w.flush()
	again := newWorldOn(t, w.store)
	again.pass(10 * 24 * time.Hour)
	if err := again.Load(t.Context(), accounts{"ann": 0}); err != nil {
		t.Fatal(err)
	}
	again.mustBe("ann", presence.PushOnline)
}

// TestStoreDown has the store fail: nobody waits for it, and nothing is lost once it is back.
func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	w.store.mu.Lock()
	w.store.fail = errors.New("no space left on device")
	w.store.mu.Unlock()
	w.login("ann", presence.IPhone, "a", app.LoginPolicy{})
	<-w.store.failed
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush returned %v while nothing can be written", err)
	}
	w.store.mu.Lock()
	w.store.fail = nil
	w.store.mu.Unlock()
	w.flush()
	if n := w.store.count(); n != 1 {
		t.Errorf("%d devices are kept, want 1", n)
	}
}

// TestStoreHangs has a write take long: logins do not wait for it, and theirs follows it.
func TestStoreHangs(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	w.store.mu.Lock()
	w.store.hold = hold
	w.store.mu.Unlock()
	for i := range 100 {
		w.login(account.UserID(fmt.Sprint("u", i)), presence.IPhone, "a", app.LoginPolicy{})
	}
	close(hold)
	w.flush()
	if n := w.store.count(); n != 100 {
		t.Errorf("%d devices are kept, want 100", n)
	}
}
