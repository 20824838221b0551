package rest

import (
	"context"
	"slices"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/wire"
)

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
	imported := present(req.UserIDs, found)
	reply := wire.StatusReply{
		Accounts:     make([]wire.AccountStatus, len(found)),
		Detail:       req.Detail || req.Instances,
		Instances:    req.Instances,
		CustomStatus: req.CustomStatus,
	}
	var statuses []presence.Status
	if len(imported) > 0 {
		// Nobody else is asked about: whoever is deleted is not shown, even while its
		// sessions are still ending.
		if statuses, err = h.opt.Presence.Status(ctx, c.app.SDKAppID, imported); err != nil {
			return nil, err
		}
	}
	for i, id := range req.UserIDs {
		if !found[i] {
			reply.Accounts[i] = wire.AccountStatus{UserID: id, Err: noAccount}
			continue
		}
		reply.Accounts[i] = accountStatus(id, statuses[0], &reply)
		statuses = statuses[1:]
	}
	if len(imported) == 0 {
		return reply, noAccount
	}
	return reply, nil
}

// present returns those of ids that were found.
func present(ids []account.UserID, found []bool) []account.UserID {
	out := make([]account.UserID, 0, len(ids))
	for i, id := range ids {
		if found[i] {
			out = append(out, id)
		}
	}
	return out
}

// accountStatus is what the reply shows of one account's presence.
func accountStatus(id account.UserID, s presence.Status, reply *wire.StatusReply) wire.AccountStatus {
	out := wire.AccountStatus{UserID: id, Status: string(s.State), CustomStatus: s.CustomStatus}
	switch {
	case reply.Instances:
		for _, d := range s.Devices {
			out.Devices = append(out.Devices, deviceStatus(d))
		}
	case reply.Detail:
		out.Devices = platformStatuses(s.Devices)
	}
	return out
}

// platformStatuses makes of all devices of a Platform one, in the order in which the first
// of each stands there; it is Online if any of them is.
func platformStatuses(devices []presence.Device) []wire.DeviceStatus {
	var out []wire.DeviceStatus
	for _, d := range devices {
		at := slices.IndexFunc(out, func(o wire.DeviceStatus) bool { return o.Platform == string(d.Platform) })
		switch {
		case at < 0:
			out = append(out, deviceStatus(d))
		case d.State == presence.Online:
			out[at].Status = string(d.State)
		}
	}
	return out
}

func deviceStatus(d presence.Device) wire.DeviceStatus {
	return wire.DeviceStatus{Platform: string(d.Platform), Status: string(d.State), InstanceID: d.InstanceID}
}
