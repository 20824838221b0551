package gateway

import (
	"context"
	"errors"

	"github.com/centrifugal/centrifuge"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/wire"
)

// What a device can ask for. Each answers {} or an error whose code is the documented one.
const (
	rpcLogout    = "logout"
	rpcSetStatus = "set_status"
)

func (s *session) rpc(e centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
	data, left, err := s.call(e)
	answer(centrifuge.RPCReply{Data: data}, rpcError(err))
	if left {
		s.End(presence.LoggedOut)
	}
}

// done is the answer that says nothing more.
var done = []byte("{}")

// call carries out a method, and reports whether the device has left by it.
func (s *session) call(e centrifuge.RPCEvent) (data []byte, left bool, err error) {
	defer s.g.caught(&err)
	switch e.Method {
	case rpcLogout:
		left, err = s.logout()
		return done, left, err
	case rpcSetStatus:
		return done, false, s.setStatus(e.Data)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	data, ok, err := s.chat(ctx, e.Method, e.Data)
	if !ok {
		return nil, false, centrifuge.ErrorMethodNotFound
	}
	return data, false, err
}

// callTimeout bounds a call: the store's time, and that of the App's backend.
const callTimeout = account.StoreTimeout + app.WebhookTimeout

// logout ends the session for good, and has it on disk that the device is not to be reached
// by push before it is told so.
func (s *session) logout() (left bool, err error) {
	if !s.g.opt.Presence.Leave(&s.Session, presence.LoggedOut) {
		return false, nil // ended at this very moment, and about to be disconnected because of that
	}
	ctx, cancel := context.WithTimeout(context.Background(), account.StoreTimeout)
	defer cancel()
	if err := s.g.opt.Presence.Flush(ctx); err != nil {
		return true, errcode.Wrap(errcode.StoreTimeout, err)
	}
	return true, nil
}

func (s *session) setStatus(data []byte) error {
	custom, err := wire.DecodeCustomStatus(data)
	if err != nil {
		return badParam(err)
	}
	if len(custom) > maxCustomStatus {
		return errcode.Newf(errcode.BadParam, "CustomStatus has %d bytes, %d are allowed", len(custom), maxCustomStatus)
	}
	s.g.opt.Presence.SetCustomStatus(&s.Session, custom)
	return nil
}

// badParam makes broken JSON 70402 as well.
func badParam(err error) error {
	if e, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return errcode.Newf(errcode.BadParam, "%v", e)
	}
	return err
}

// rpcError returns the error as centrifuge's clients get it.
func rpcError(err error) error {
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return &centrifuge.Error{Code: uint32(e.Code), Message: e.Info}
	}
	return err
}
