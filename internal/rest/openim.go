package rest

import (
	"context"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// offline is the status of an account without a connection. It is everybody's for as long
// as the server has no gateway that a device could connect to.
const offline = "Offline"

// queryStatus is both openim/querystate and openim/query_online_status: they differ in
// the name of one field, and every item has both.
//
// The call fails only if not one of the accounts is imported; the reply then still lists
// them (im-rest-api.md, section 2.6).
func (h *Handler) queryStatus(ctx context.Context, c *call) (wire.Reply, error) {
	req, err := wire.DecodeStatusQuery(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(req.UserIDs)
	found, err := h.opt.Accounts.Exist(ctx, c.app.SDKAppID, req.UserIDs)
	if err != nil {
		return nil, err
	}
	noAccount := errcode.New(errcode.NoAccount)
	reply := wire.StatusReply{Accounts: make([]wire.AccountStatus, len(found)), Detail: req.Detail}
	answered := false
	for i, id := range req.UserIDs {
		if !found[i] {
			reply.Accounts[i] = wire.AccountStatus{UserID: id, Err: noAccount}
			continue
		}
		reply.Accounts[i] = wire.AccountStatus{UserID: id, Status: offline}
		answered = true
	}
	if !answered {
		return reply, noAccount
	}
	return reply, nil
}
