package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/presence"
)

func TestLogin(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	l.InstanceID = "browser-1"
	d := w.login(l)
	if d.InstanceID != "browser-1" {
		t.Errorf("the instance is %q", d.InstanceID)
	}
	if got := w.state("ann"); got != presence.Online {
		t.Errorf("ann is %s once the login is answered", got)
	}
	found, err := w.accounts.Exist(t.Context(), thisApp, []account.UserID{"ann"})
	w.must(err)
	if !found[0] {
		t.Error("the first login made no account")
	}
	sessions, _ := w.sessions.Sessions(thisApp, "ann")
	if s := sessions[0]; s.Address != "127.0.0.1" || s.Since != w.clock.Now().Unix() || s.Platform != presence.Web {
		t.Errorf("the session is %+v", s)
	}
	if w.login(w.credentials("bob")).InstanceID == "" {
		t.Error("a device that names no instance gets none")
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.login(device.Login{SDKAppID: uint64(thisApp), UserID: "old", UserSig: w.sign("old"), Platform: "Web"}).Close()
	old := w.sign("old")
	w.kick("old")
	expired := w.sign("late")
	w.clock.pass(time.Hour + time.Second)

	for _, tt := range []struct {
		name   string
		change func(*device.Login)
		raw    string
		code   int
		reason string
	}{
		{name: "no data", raw: `null`, code: 4500, reason: "70402 "},
		{name: "not an object", raw: `[]`, code: 4500, reason: "70402 "},
		{name: "wrong type", raw: `{"SDKAppID":1400000001,"UserID":7}`, code: 4500, reason: "70402 "},
		{name: "no SDKAppID", raw: `{"UserID":"ann","UserSig":"x","Platform":"Web"}`, code: 4500, reason: "60012 "},
		{name: "SDKAppID no number", raw: `{"SDKAppID":"x","UserID":"ann","UserSig":"x","Platform":"Web"}`, code: 4500, reason: "60025 "},
		{name: "unknown App", change: func(l *device.Login) { l.SDKAppID = 7 }, code: 4500, reason: "70020 "},
		{name: "no platform", change: func(l *device.Login) { l.Platform = "" }, code: 4500, reason: "70402 Platform"},
		{name: "unknown platform", change: func(l *device.Login) { l.Platform = "Fridge" }, code: 4500, reason: "70402 Platform"},
		{name: "long instance", change: func(l *device.Login) { l.InstanceID = strings.Repeat("x", 65) }, code: 4500, reason: "70402 InstanceID"},
		{name: "strange instance", change: func(l *device.Login) { l.InstanceID = "a\nb" }, code: 4500, reason: "70402 InstanceID"},
		{name: "no UserSig", change: func(l *device.Login) { l.UserSig = "" }, code: 4500, reason: "70003 "},
		{name: "other user", change: func(l *device.Login) { l.UserID = "bob" }, code: 4500, reason: "70013 "},
		{name: "other App's", change: func(l *device.Login) { l.UserSig = w.signFor(trialApp, otherKey, "ann") }, code: 4500, reason: "70014 "},
		{name: "other key", change: func(l *device.Login) { l.UserSig = w.signFor(thisApp, otherKey, "ann") }, code: 4500, reason: "70009 "},
		{name: "kicked", change: func(l *device.Login) { l.UserID, l.UserSig = "old", old }, code: 4500, reason: "70052 "},
		{name: "expired", change: func(l *device.Login) { l.UserID, l.UserSig = "late", expired }, code: 4500, reason: "70001 "},
		{name: "no name", change: func(l *device.Login) { l.UserID = "a name"; l.UserSig = w.sign("a name") }, code: 4500, reason: "70402 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := w.credentials("ann")
			var o device.Options
			if tt.raw != "" {
				o.ConnectRaw = json.RawMessage(tt.raw)
			}
			if tt.change != nil {
				tt.change(&l)
			}
			w.mustRefuse(l, o, tt.code, tt.reason)
		})
	}
	if n := w.sessions.Total(); n != 0 {
		t.Errorf("%d sessions are left of refused logins", n)
	}
	if got := w.log.String(); strings.Contains(got, old) || strings.Contains(got, expired) {
		t.Error("the log has a UserSig")
	}
}

// TestQuota has the trial's quota hold for accounts that a login makes.
func TestQuota(t *testing.T) {
	w := newWorld(t, nil)
	entries := make([]account.Entry, 100)
	for i := range entries {
		entries[i].UserID = account.UserID(fmt.Sprint("u", i))
	}
	_, err := w.accounts.Import(t.Context(), &account.Policy{SDKAppID: trialApp}, entries[:99], false)
	w.must(err)
	_, err = w.accounts.Import(t.Context(), &account.Policy{SDKAppID: trialApp}, []account.Entry{{UserID: "administrator"}}, false)
	w.must(err)
	login := func(id string) device.Login {
		return device.Login{SDKAppID: uint64(trialApp), UserID: id, UserSig: w.signFor(trialApp, otherKey, id), Platform: "Web"}
	}
	w.login(login("the-hundredth"))
	w.mustRefuse(login("one-too-many"), device.Options{}, 4500, "70398 ")
	w.login(login("u5"))
}

func TestKick(t *testing.T) {
	w := newWorld(t, nil)
	w.swap(func(a *app.App) { a.Login.WebInstances = 2 })
	first := w.credentials("ann")
	web, web2 := w.login(first), w.login(first)
	phone := w.credentials("ann")
	phone.Platform, phone.PushCapable = "iPhone", true
	iphone := w.login(phone)
	bob := w.login(w.credentials("bob"))

	w.kick("ann")
	for _, d := range []*device.Device{web, web2, iphone} {
		w.mustEnd(d, 4501, "70052 kicked")
	}
	w.mustBeConnected(bob)
	if got := w.state("ann"); got != presence.Offline {
		t.Errorf("ann is %s after the kick", got)
	}
	w.mustRefuse(first, device.Options{}, 4500, "70052 ")
	w.login(w.credentials("ann"))
	if got := w.state("ann"); got != presence.Online {
		t.Errorf("ann is %s with a new UserSig", got)
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	d := w.login(l)
	_, err := w.accounts.Delete(t.Context(), w.policy(), []account.UserID{"ann"})
	w.must(err)
	w.mustEnd(d, 4503, "70107 ")
	w.mustRefuse(l, device.Options{}, 4500, "70052 ")
	found, err := w.accounts.Exist(t.Context(), thisApp, []account.UserID{"ann"})
	w.must(err)
	if found[0] {
		t.Error("a dead UserSig brought the account back")
	}
}

func TestPutOut(t *testing.T) {
	w := newWorld(t, nil)
	older := w.login(w.credentials("ann"))
	phone := w.credentials("ann")
	phone.Platform = "iPhone"
	beside := w.login(phone)
	newer := w.login(w.credentials("ann"))
	w.mustEnd(older, 4502, "put out")
	w.mustBeConnected(newer)
	w.mustBeConnected(beside)
}

func TestLogout(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	l.Platform, l.PushCapable = "Android", true
	d := w.login(l)
	if _, err := d.RPC(t.Context(), "logout", struct{}{}); err != nil {
		t.Fatal(err)
	}
	if got := w.state("ann"); got != presence.Offline {
		t.Errorf("ann is %s once the logout is answered", got)
	}
	w.mustEnd(d, 4504, "logged out")
	w.login(l).Close()
	w.await("ann is PushOnline after her connection was lost", func() bool { return w.state("ann") == presence.PushOnline })
}

func TestRPC(t *testing.T) {
	w := newWorld(t, nil)
	d := w.login(w.credentials("ann"))
	for _, tt := range []struct {
		method string
		data   any
		code   int
	}{
		{"set_status", map[string]any{"CustomStatus": "busy"}, 0},
		{"set_status", map[string]any{"CustomStatus": strings.Repeat("x", 51)}, 70402},
		{"set_status", map[string]any{"CustomStatus": 5}, 70402},
		{"set_status", map[string]any{}, 70402},
		{"set_status", 7, 70402},
		{"dance", map[string]any{}, 104},
	} {
		_, err := d.RPC(t.Context(), tt.method, tt.data)
		failed, _ := errors.AsType[*device.Failed](err)
		if tt.code == 0 && err != nil || tt.code != 0 && (failed == nil || failed.Code != tt.code) {
			t.Errorf("%s %v: %v, want %d", tt.method, tt.data, err, tt.code)
		}
	}
	all, err := w.sessions.Status(t.Context(), thisApp, []account.UserID{"ann"})
	w.must(err)
	if all[0].CustomStatus != "busy" {
		t.Errorf("the custom status is %q", all[0].CustomStatus)
	}
}

// swap changes thisApp's settings.
func (w *world) swap(change func(*app.App)) {
	w.t.Helper()
	var apps []app.App
	for _, a := range w.registry.All() {
		one := *a
		if one.SDKAppID == thisApp {
			change(&one)
		}
		apps = append(apps, one)
	}
	w.must(w.registry.Swap(apps))
}

func TestAppChanged(t *testing.T) {
	w := newWorld(t, nil)
	d := w.login(w.credentials("ann"))
	w.swap(func(a *app.App) { a.Disabled = true })
	if n := w.sessions.EndApp(thisApp); n != 1 {
		t.Fatalf("%d sessions ended", n)
	}
	w.mustEnd(d, 4001, "the App's settings changed")
	w.mustRefuse(w.credentials("ann"), device.Options{}, 4500, "60016 ")
}

// TestStop has devices told to come again.
func TestStop(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	l.Platform, l.PushCapable = "iPad", true
	d := w.login(l)
	w.must(w.Stop(t.Context()))
	w.mustEnd(d, 3001, "shutdown")
	if got := w.state("ann"); got != presence.PushOnline {
		t.Errorf("ann is %s", got)
	}
	if _, err := w.dial(w.credentials("ann"), device.Options{}); err == nil || !strings.Contains(err.Error(), "HTTP 503") {
		t.Errorf("a login after the stop: %v, want HTTP 503", err)
	}
}
