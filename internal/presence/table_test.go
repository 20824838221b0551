package presence_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/presence"
)

// TestPolicy logs devices in one after the other; each row says who is left.
func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy app.LoginPolicy
		logins string // platform/instance, in order
		want   string // those still there
	}{
		{"one of each platform by default", app.LoginPolicy{}, "Web/a Web/b iPhone/c Android/d", "Web/b iPhone/c Android/d"},
		{"same device again", app.LoginPolicy{}, "Web/a iPhone/b Web/a", "iPhone/b Web/a"},
		{"single", app.LoginPolicy{Mode: app.SingleLogin}, "Web/a iPhone/b", "iPhone/b"},
		{"single, more instances", app.LoginPolicy{Mode: app.SingleLogin, WebInstances: 2}, "iPhone/x Web/a Web/b", "Web/a Web/b"},
		{"dual", app.LoginPolicy{Mode: app.DualLogin}, "Web/a iPhone/b PC/c", "Web/a PC/c"},
		{"dual, web last", app.LoginPolicy{Mode: app.DualLogin}, "PC/a Android/b Web/c", "Android/b Web/c"},
		{"triple", app.LoginPolicy{Mode: app.TripleLogin}, "Web/a iPhone/b PC/c iPad/d Mac/e Linux/f", "Web/a iPad/d Linux/f"},
		{"multi", app.LoginPolicy{Mode: app.MultiLogin}, "Web/a iPhone/b PC/c iPad/d Mac/e Linux/f Android/g", "Web/a iPhone/b PC/c iPad/d Mac/e Linux/f Android/g"},
		{"web instances", app.LoginPolicy{WebInstances: 3}, "Web/a Web/b Web/c Web/d", "Web/b Web/c Web/d"},
		{"platform instances", app.LoginPolicy{PlatformInstances: 2}, "iPhone/a iPhone/b iPhone/c Web/x Web/y", "iPhone/b iPhone/c Web/y"},
		{"same device among instances", app.LoginPolicy{WebInstances: 2}, "Web/a Web/b Web/a", "Web/b Web/a"},
		{"fewer than before", app.LoginPolicy{}, "Web/a", "Web/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			conns := make(map[string]*conn)
			for login := range strings.FieldsSeq(tt.logins) {
				platform, instance, _ := strings.Cut(login, "/")
				_, conns[login] = w.login("ann", presence.Platform(platform), instance, tt.policy)
			}
			var got []string
			for _, d := range w.status("ann").Devices {
				got = append(got, string(d.Platform)+"/"+d.InstanceID)
			}
			if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" {
				t.Errorf("devices left (-want +got):\n%s", diff)
			}
			for login, c := range conns {
				want := []presence.Cause{presence.PutOut}
				if slices.Contains(got, login) {
					want = nil
				}
				if diff := cmp.Diff(want, c.causes()); diff != "" {
					t.Errorf("%s was ended (-want +got):\n%s", login, diff)
				}
			}
		})
	}
}

// TestPutOutIsTold has what a login put out in its change, and no change of its own.
func TestPutOutIsTold(t *testing.T) {
	w := newWorld(t)
	lost, _ := w.login("ann", presence.IPhone, "old", app.LoginPolicy{})
	w.Leave(lost, presence.LinkClosed)
	w.login("ann", presence.Web, "web", app.LoginPolicy{})
	w.changes.take()
	single := app.LoginPolicy{Mode: app.SingleLogin}
	w.login("ann", presence.PC, "pc", single)
	w.login("ann", presence.PC, "pc", single) // the same device: puts nobody out
	got := w.changes.take()
	if len(got) != 2 {
		t.Fatalf("%d changes, want 2 logins: %v", len(got), got)
	}
	want := []presence.Device{
		{Platform: presence.IPhone, InstanceID: "old", State: presence.PushOnline},
		{Platform: presence.Web, InstanceID: "web", State: presence.Online},
	}
	if diff := cmp.Diff(want, got[0].PutOut); diff != "" {
		t.Errorf("put out by the first (-want +got):\n%s", diff)
	}
	if got[1].PutOut != nil {
		t.Errorf("put out by the same device: %v", got[1].PutOut)
	}
}

func TestPushOnline(t *testing.T) {
	for _, tt := range []struct {
		name     string
		platform presence.Platform
		cause    presence.Cause
		want     presence.State
	}{
		{"lost", presence.IPhone, presence.LinkClosed, presence.PushOnline},
		{"timed out", presence.Android, presence.TimedOut, presence.PushOnline},
		{"App changed", presence.IPad, presence.AppChanged, presence.PushOnline},
		{"logged out", presence.IPhone, presence.LoggedOut, presence.Offline},
		{"no mobile", presence.Web, presence.LinkClosed, presence.Offline},
		{"no mobile either", presence.Mac, presence.TimedOut, presence.Offline},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s, _ := w.login("ann", tt.platform, "a", app.LoginPolicy{})
			w.mustBe("ann", presence.Online)
			if !w.Leave(s, tt.cause) {
				t.Error("the session was not there")
			}
			if w.Leave(s, tt.cause) {
				t.Error("it was there a second time")
			}
			w.mustBe("ann", tt.want)
			w.pass(presence.PushTTL)
			w.mustBe("ann", tt.want)
			w.pass(time.Second)
			w.mustBe("ann", presence.Offline)
			w.Sweep()
			w.flush()
			if n := w.store.count(); n != 0 {
				t.Errorf("%d devices are kept after their time", n)
			}
		})
	}
}

func TestEnd(t *testing.T) {
	for _, cause := range []presence.Cause{presence.Kicked, presence.Deleted} {
		t.Run(cause.String(), func(t *testing.T) {
			w := newWorld(t)
			lost, _ := w.login("ann", presence.IPhone, "a", app.LoginPolicy{})
			w.Leave(lost, presence.LinkClosed)
			web, webConn := w.login("ann", presence.Web, "b", app.LoginPolicy{})
			_, padConn := w.login("ann", presence.IPad, "c", app.LoginPolicy{})
			_, bob := w.login("bob", presence.Web, "d", app.LoginPolicy{})
			w.changes.take()
			if n := w.End(thisApp, "ann", cause); n != 2 {
				t.Errorf("%d sessions ended, want 2", n)
			}
			for _, c := range []*conn{webConn, padConn} {
				if diff := cmp.Diff([]presence.Cause{cause}, c.causes()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			w.mustBe("ann", presence.Offline)
			w.mustBe("bob", presence.Online)
			if bob.causes() != nil {
				t.Error("another account was ended too")
			}
			if w.Leave(web, presence.LinkClosed) {
				t.Error("a session that was ended can leave")
			}
			if w.End(thisApp, "ann", cause) != 0 || w.End(otherApp, "bob", cause) != 0 {
				t.Error("sessions ended that are not there")
			}
			got := w.changes.take()
			if len(got) != 1 || got[0].Action != presence.Kick || got[0].Cause != cause {
				t.Errorf("changes: %v, want one kick", got)
			}
			w.flush()
			if n := w.store.count(); n != 0 {
				t.Errorf("%d devices are still kept", n)
			}
			if w.Total() != 1 || w.Count(presence.Web) != 1 {
				t.Errorf("%d sessions are counted, want 1", w.Total())
			}
		})
	}
}

func TestEndApp(t *testing.T) {
	w := newWorld(t)
	_, web := w.login("ann", presence.Web, "a", app.LoginPolicy{})
	w.login("bob", presence.IPhone, "b", app.LoginPolicy{})
	other := &presence.Session{SDKAppID: otherApp, UserID: "ann", Platform: presence.Web, InstanceID: "x", Conn: new(conn)}
	w.Login(other, app.LoginPolicy{}, always)
	if n := w.EndApp(thisApp); n != 2 {
		t.Errorf("%d sessions ended, want 2", n)
	}
	if diff := cmp.Diff([]presence.Cause{presence.AppChanged}, web.causes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.mustBe("ann", presence.Offline)
	w.mustBe("bob", presence.PushOnline)
	if w.Total() != 1 {
		t.Errorf("%d sessions are left, want that of the other App", w.Total())
	}
}

func TestAppsDoNotMix(t *testing.T) {
	w := newWorld(t)
	w.login("ann", presence.Web, "a", app.LoginPolicy{})
	other := &presence.Session{SDKAppID: otherApp, UserID: "ann", Platform: presence.Web, InstanceID: "a", Conn: new(conn)}
	w.Login(other, app.LoginPolicy{}, always)
	w.End(otherApp, "ann", presence.Kicked)
	w.mustBe("ann", presence.Online)
}

func TestCustomStatus(t *testing.T) {
	w := newWorld(t)
	s, _ := w.login("ann", presence.IPhone, "a", app.LoginPolicy{})
	if !w.SetCustomStatus(s, "busy") {
		t.Fatal("the session is not there")
	}
	if got := w.status("ann").CustomStatus; got != "busy" {
		t.Errorf("custom status %q, want busy", got)
	}
	got := w.changes.take()
	if last := got[len(got)-1]; last.Action != presence.SetCustomStatus || last.CustomStatus != "busy" {
		t.Errorf("the change is %v", last)
	}
	w.Leave(s, presence.LinkClosed)
	if w.SetCustomStatus(s, "away") {
		t.Error("a session that is gone sets the status")
	}
	w.login("ann", presence.IPhone, "a", app.LoginPolicy{})
	if got := w.status("ann").CustomStatus; got != "" {
		t.Errorf("custom status %q outlived the session", got)
	}
}

func TestStatusInOrder(t *testing.T) {
	w := newWorld(t)
	ids := make([]account.UserID, 500)
	for i := range ids {
		ids[i] = account.UserID(fmt.Sprint("u", i))
		if i%3 == 0 {
			w.login(ids[i], presence.Web, "a", app.LoginPolicy{})
		}
	}
	got, err := w.Status(t.Context(), thisApp, ids)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		want := presence.Offline
		if i%3 == 0 {
			want = presence.Online
		}
		if got[i].State != want {
			t.Errorf("u%d is %s, want %s", i, got[i].State, want)
		}
	}
}

// TestNoLoginSurvivesAKick has logins and kicks of one account race. Each login notes whether
// it was in time; after every kick no session that began with an older signature may be left.
func TestNoLoginSurvivesAKick(t *testing.T) {
	w := newWorld(t)
	var epoch atomic.Int64
	type login struct {
		conn  *conn
		epoch int64
	}
	var mu sync.Mutex
	var logins []login
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				signed := epoch.Load()
				c := new(conn)
				s := &presence.Session{SDKAppID: thisApp, UserID: "ann", Platform: presence.Web, InstanceID: fmt.Sprint(i, n), Conn: c}
				if w.Login(s, app.LoginPolicy{WebInstances: 10}, func() bool { return epoch.Load() == signed }) {
					mu.Lock()
					logins = append(logins, login{c, signed})
					mu.Unlock()
				}
			}
		})
	}
	for range 2000 {
		kicked := epoch.Add(1)
		w.End(thisApp, "ann", presence.Kicked)
		mu.Lock()
		for _, l := range logins {
			if l.epoch < kicked && l.conn.causes() == nil {
				t.Errorf("a login of epoch %d survived the kick that began %d", l.epoch, kicked)
			}
		}
		logins = logins[:0]
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
}
