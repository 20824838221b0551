package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/wire"
)

// connecting answers a connect command.
func (g *Gateway) connecting(ctx context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	begin := g.opt.Now()
	s, err := g.login(ctx, e)
	code := errcode.OK
	var d centrifuge.Disconnect
	if err != nil {
		code, d = refusal(err)
	}
	g.metrics.login(code, g.opt.Now().Sub(begin))
	if err != nil {
		g.logRefusal(ctx, code, err)
		return centrifuge.ConnectReply{}, d
	}
	return centrifuge.ConnectReply{
		Context:       context.WithValue(ctx, sessionKey{}, s),
		Credentials:   &centrifuge.Credentials{UserID: centrifugeUser(s.SDKAppID, s.UserID), ExpireAt: s.expireAt},
		Subscriptions: s.subscriptions(),
		Data:          connectReply(s.InstanceID),
	}, nil
}

// maxLife bounds what is counted in seconds from now.
const maxLife = 10 * 365 * 24 * 3600

// expireAt is when centrifuge ends the session because its UserSig has expired, by the clock
// that centrifuge goes by; 0 means never. The device is told to connect again, and gets in
// if it has a new UserSig by then.
func (g *Gateway) expireAt(caller *auth.Caller) int64 {
	left := caller.ExpiresAt - g.opt.Now().Unix()
	if left > maxLife {
		return 0
	}
	return time.Now().Unix() + max(left, 1)
}

// centrifugeUser is an account's name in centrifuge, and that of the channel of its messages.
func centrifugeUser(app account.SDKAppID, id account.UserID) string {
	return strconv.FormatUint(uint64(app), 10) + ":" + string(id)
}

func connectReply(instance string) []byte {
	data, _ := json.Marshal(struct{ InstanceID string }{instance}) //nolint:errchkjson // a string
	return data
}

// logRefusal has an operator told of what is the server's own trouble, and at debug level of
// everything.
func (g *Gateway) logRefusal(ctx context.Context, code errcode.Code, err error) {
	level := slog.LevelDebug
	switch code {
	case errcode.Internal:
		level = slog.LevelError
	case errcode.StoreTimeout, errcode.Busy:
		level = slog.LevelWarn
	default: // the device's own doing
	}
	g.opt.Logger.LogAttrs(ctx, level, "login refused", slog.Int("code", int(code)), slog.Any("err", err))
}

// maxAttempts bounds how often a login starts over because something was revoked meanwhile.
const maxAttempts = 10

// login returns a session that is in the Table, or why there is none.
func (g *Gateway) login(ctx context.Context, e centrifuge.ConnectEvent) (_ *session, err error) {
	defer g.caught(&err)
	c, err := wire.DecodeConnect(e.Data)
	if err != nil {
		return nil, badParam(err)
	}
	platform := presence.Platform(c.Platform)
	if !platform.Valid() {
		return nil, errcode.Newf(errcode.BadParam, "Platform must be one of %v", presence.Platforms())
	}
	if c.InstanceID == "" {
		c.InstanceID = e.ClientID
	}
	if !validInstance(c.InstanceID) {
		return nil, errcode.Newf(errcode.BadParam, "InstanceID must be 1 to %d bytes of printable ASCII", presence.MaxInstanceID)
	}
	leave, err := g.enterLogin(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s := &session{g: g, Session: presence.Session{
		Platform:    platform.Canonical(),
		InstanceID:  strings.Clone(c.InstanceID),
		PushCapable: c.PushCapable,
		Address:     addressOf(ctx),
	}}
	s.Conn = s
	return s, g.enter(ctx, s, auth.Credentials{
		SDKAppID: c.SDKAppID, Identifier: c.UserID, UserSig: c.UserSig, Source: s.Address,
	})
}

func validInstance(id string) bool {
	return len(id) <= presence.MaxInstanceID &&
		!strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e })
}

// enter authenticates c and enters s into the Table. It starts over while something of the
// account or its App changes between the two.
func (g *Gateway) enter(ctx context.Context, s *session, c auth.Credentials) error {
	for range maxAttempts {
		caller, err := g.opt.Authenticator.Authenticate(ctx, c)
		if err != nil {
			return err
		}
		if _, err := g.opt.Accounts.Login(ctx, caller.App.Policy(), caller.UserID, caller.Signed); err != nil {
			return err
		}
		s.SDKAppID, s.UserID, s.Since = caller.App.SDKAppID, caller.UserID, g.opt.Now().Unix()
		s.expireAt = g.expireAt(&caller)
		if g.opt.Presence.Login(&s.Session, caller.App.Login, func() bool { return g.opt.Authenticator.Current(caller) }) {
			// Should centrifuge give the client up before it calls connected, the session
			// must not stay.
			s.forsake = context.AfterFunc(ctx, func() { s.gone(presence.LinkClosed) })
			return nil
		}
	}
	return errcode.New(errcode.Busy)
}

// enterLogin waits for a place among the logins that are being served.
func (g *Gateway) enterLogin(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.logins }
	select {
	case g.logins <- struct{}{}:
		return leave, nil
	default:
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.logins <- struct{}{}:
		return leave, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, errcode.New(errcode.Busy)
}

// caught makes a panic an internal error: centrifuge calls from goroutines of its own, where
// one would end the server. It is to be deferred.
func (g *Gateway) caught(err *error) {
	if p := recover(); p != nil {
		*err = errcode.Wrap(errcode.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}
