package rest

import (
	"context"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/profile"
	"github.com/muster-im/muster/internal/wire"
)

func (h *Handler) portraitSet(ctx context.Context, c *call) (wire.Reply, error) {
	req, err := wire.DecodePortraitSet(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	change, err := profile.ParseChange(req.Items)
	if err != nil {
		return nil, err
	}
	if req.UserID.Validate() != nil { // a store is only given names that may exist
		return nil, errcode.New(errcode.ProfileNoAccount)
	}
	err = h.opt.Accounts.SetProfile(ctx, c.app.SDKAppID, req.UserID, change)
	if errcode.Of(err) == errcode.NoAccount {
		return nil, errcode.New(errcode.ProfileNoAccount)
	}
	return nil, err
}

func (h *Handler) portraitGet(ctx context.Context, c *call) (wire.Reply, error) {
	req, err := wire.DecodePortraitGet(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(req.UserIDs)
	if err := profile.CheckTags(req.Tags); err != nil {
		return nil, err
	}
	found, err := h.opt.Accounts.Get(ctx, c.app.SDKAppID, req.UserIDs)
	if err != nil {
		return nil, err
	}
	reply := make(wire.PortraitReply, len(found))
	for i, a := range found {
		reply[i] = wire.Portrait{UserID: req.UserIDs[i]}
		if a.Exists() {
			reply[i].Items = profile.Select(a.Profile, req.Tags)
		} else {
			reply[i].Err = errcode.New(errcode.ProfileNoAccount)
		}
	}
	return reply, nil
}
