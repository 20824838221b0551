package rest

import (
	"context"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

// The commands of im_open_login_svc, and the one of Muster's own that is like them.

func (h *Handler) accountImport(ctx context.Context, c *call) (wire.Reply, error) {
	entry, err := wire.DecodeAccountImport(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	outcomes, err := h.opt.Accounts.Import(ctx, c.app.Policy(), []account.Entry{entry}, false)
	if err != nil {
		return nil, err
	}
	h.metrics.imported(outcomes)
	if fault := outcomes[0].Err; fault != nil {
		return nil, fault
	}
	return nil, nil
}

func (h *Handler) multiImport(ctx context.Context, c *call) (wire.Reply, error) {
	req, err := wire.DecodeMultiImport(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(req.Entries)
	outcomes, err := h.opt.Accounts.Import(ctx, c.app.Policy(), req.Entries, req.Detail)
	if err != nil {
		return nil, err
	}
	h.metrics.imported(outcomes)
	return wire.ImportReply{Outcomes: outcomes, Count: req.Count, Detail: req.Detail}, nil
}

func (h *Handler) accountCheck(ctx context.Context, c *call) (wire.Reply, error) {
	ids, err := wire.DecodeCheck(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(ids)
	checked, err := h.opt.Accounts.Check(ctx, c.app.Policy(), ids)
	if err != nil {
		return nil, err
	}
	return wire.CheckReply(checked), nil
}

func (h *Handler) accountDelete(ctx context.Context, c *call) (wire.Reply, error) {
	ids, err := wire.DecodeDelete(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(ids)
	faults, err := h.opt.Accounts.Delete(ctx, c.app.Policy(), ids)
	if err != nil {
		return nil, err
	}
	return wire.ResultReply{UserIDs: ids, Errs: faults}, nil
}

func (h *Handler) kick(ctx context.Context, c *call) (wire.Reply, error) {
	id, err := wire.DecodeKick(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	return nil, h.opt.Accounts.Kick(ctx, c.app.Policy(), id)
}

// multiKick is muster/multi_kick: kick for up to account.MaxBatch accounts, which together
// wait for one second to end. A name that cannot be kicked does not keep the others from it.
func (h *Handler) multiKick(ctx context.Context, c *call) (wire.Reply, error) {
	ids, err := wire.DecodeMultiKick(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(ids)
	faults, err := h.opt.Accounts.KickMany(ctx, c.app.Policy(), ids)
	if err != nil {
		return nil, err
	}
	return wire.ResultReply{UserIDs: ids, Errs: faults}, nil
}
