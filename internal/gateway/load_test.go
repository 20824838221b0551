package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/usersig"
)

// held is an Authenticator that lets nobody through until it is told to.
type held struct {
	gateway.Authenticator
	arrived chan struct{}
	release chan struct{}
}

func (h held) Authenticate(ctx context.Context, c auth.Credentials) (auth.Caller, error) {
	h.arrived <- struct{}{}
	<-h.release
	return h.Authenticator.Authenticate(ctx, c)
}

// TestStorm has more logins at once than are served: those that wait too long are told to
// come again, and the others get in.
func TestStorm(t *testing.T) {
	h := held{arrived: make(chan struct{}, gateway.MaxLogins), release: make(chan struct{})}
	w := newWorld(t, func(o *gateway.Options) {
		h.Authenticator = o.Authenticator
		o.Authenticator = h
	})
	w.SetLoginWait(time.Millisecond)
	var wg sync.WaitGroup
	for i := range gateway.MaxLogins {
		l := w.credentials(fmt.Sprint("u", i))
		wg.Go(func() {
			d, err := w.dial(l, device.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			d.Close()
		})
	}
	for range gateway.MaxLogins {
		<-h.arrived
	}
	w.mustRefuse(w.credentials("late"), device.Options{}, 4000, "70202 ")
	close(h.release)
	wg.Wait()
}

// broken are Accounts whose store is in trouble.
type broken struct{ code errcode.Code }

func (b broken) Login(context.Context, *account.Policy, account.UserID, int64) (bool, error) {
	return false, errcode.Wrap(b.code, errors.New("the disk is gone"))
}

// TestServersTrouble is no reason to stay away: the device is told to come again.
func TestServersTrouble(t *testing.T) {
	for _, code := range []errcode.Code{errcode.StoreTimeout, errcode.Busy, errcode.Internal} {
		w := newWorld(t, func(o *gateway.Options) { o.Accounts = broken{code} })
		w.mustRefuse(w.credentials("ann"), device.Options{}, 4000, fmt.Sprint(int(code), " "))
		if n := w.metric("muster_logins_total", fmt.Sprint(int(code))); n != 1 {
			t.Errorf("%v logins are counted with %d", n, code)
		}
		if !strings.Contains(w.log.String(), "the disk is gone") {
			t.Errorf("%d: the operator is not told", code)
		}
	}
}

// TestSlow has a device that asks and never reads: it is disconnected, and what waits for it
// stays bounded.
func TestSlow(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.raw()
	w.must(conn.WriteMessage(websocket.TextMessage, w.connectCommand(w.credentials("ann"))))
	rpc := []byte(`{"id":2,"rpc":{"method":"set_status","data":{"CustomStatus":"x"}}}`)
	var err error
	for err == nil { // until the server closes the connection
		err = conn.WriteMessage(websocket.TextMessage, rpc)
	}
	w.await("the session is over", func() bool { return w.sessions.Total() == 0 })
}

// TestUserSigExpires ends the session of a UserSig that has expired; a new one gets in.
func TestUserSigExpires(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	var err error
	l.UserSig, err = usersig.Sign([]byte(key), usersig.Claims{
		Identifier: "ann", SDKAppID: uint64(thisApp), Time: w.clock.Now().Unix(), Expire: 1,
	})
	w.must(err)
	w.mustEnd(w.login(l), 3005, "connection expired")
	w.login(w.credentials("ann"))
}

// TestClockJumps moves the clock to and fro: sessions stay, and each login goes by the time
// that it is.
func TestClockJumps(t *testing.T) {
	w := newWorld(t, nil)
	l := w.credentials("ann")
	d := w.login(l)
	w.clock.pass(30 * 24 * time.Hour)
	w.mustBeConnected(d)
	w.mustRefuse(l, device.Options{}, 4500, "70001 ")
	w.kick("ann")
	w.mustEnd(d, 4501, "70052 ")
	w.clock.pass(-30 * 24 * time.Hour)
	// valid-from never moves back: what is signed by a clock that was set back is dead until
	// that time comes again.
	w.mustRefuse(w.credentials("ann"), device.Options{}, 4500, "70052 ")
	w.login(w.credentials("bob"))
	w.clock.pass(30*24*time.Hour + time.Second)
	w.login(w.credentials("ann"))
}

// panicking are Accounts with a bug.
type panicking struct{}

func (panicking) Login(context.Context, *account.Policy, account.UserID, int64) (bool, error) {
	panic("a bug")
}

// TestPanic has one device meet a bug: the server lives on, and its operator is told.
func TestPanic(t *testing.T) {
	w := newWorld(t, func(o *gateway.Options) { o.Accounts = panicking{} })
	w.mustRefuse(w.credentials("ann"), device.Options{}, 4000, "70500 ")
	if !strings.Contains(w.log.String(), "a bug") {
		t.Error("the operator is not told")
	}
}
