package rest

import (
	"context"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/webhook"
	"github.com/muster-im/muster/internal/wire"
)

// Messages has the rules of messages; *message.Service does. An error is about the whole call
// and has a public code.
type Messages interface {
	Send(ctx context.Context, a *app.App, m message.Send) (message.Sent, error)
	// SendMany returns who got nothing also with an error that says that it is everybody.
	SendMany(ctx context.Context, a *app.App, m message.Send, to []account.UserID) (message.Sent, []message.Failure, error)
	Import(ctx context.Context, a *app.App, m message.Import) error
	History(ctx context.Context, a *app.App, q message.Query) (message.Page, error)
	Withdraw(ctx context.Context, a *app.App, from, to account.UserID, key string, byDevice bool) error
}

func (h *Handler) sendMessage(ctx context.Context, c *call) (wire.Reply, error) {
	m, err := wire.DecodeSend(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	c.sends(&m)
	sent, err := h.opt.Messages.Send(ctx, c.app, m)
	if err != nil {
		return nil, err
	}
	return wire.SendReply{Key: sent.Key}, nil
}

// sendMessages refuses a call that would take the App over its recipients per minute before
// anybody gets the message. Who is not imported counts too, being looked up like the others.
func (h *Handler) sendMessages(ctx context.Context, c *call) (wire.Reply, error) {
	m, to, err := wire.DecodeSendMany(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = len(to)
	c.sends(&m)
	if wait := h.recipients.take(c.app, len(to), h.opt.Now()); wait > 0 {
		c.header.Set("Retry-After", seconds(wait))
		return nil, errcode.New(errcode.OpenIMBatchRate)
	}
	sent, failed, err := h.opt.Messages.SendMany(ctx, c.app, m, to)
	if err != nil {
		return wire.SendManyReply{Failed: failed}, err
	}
	return wire.SendManyReply{Key: sent.Key, Failed: failed}, nil
}

// sends says who sends a message, if it is not said, and from where.
func (c *call) sends(m *message.Send) {
	if m.From == "" {
		m.From = account.UserID(c.identifier)
	}
	m.Address, m.Platform = c.source, webhook.RESTAPI
}

func (h *Handler) importMessage(ctx context.Context, c *call) (wire.Reply, error) {
	m, err := wire.DecodeImport(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	return nil, h.opt.Messages.Import(ctx, c.app, m)
}

func (h *Handler) history(ctx context.Context, c *call) (wire.Reply, error) {
	q, err := wire.DecodeHistory(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	page, err := h.opt.Messages.History(ctx, c.app, q)
	if err != nil {
		return nil, err
	}
	return wire.HistoryReply(page), nil
}

func (h *Handler) withdraw(ctx context.Context, c *call) (wire.Reply, error) {
	w, err := wire.DecodeWithdraw(c.body)
	if err != nil {
		return nil, err
	}
	c.accounts = 1
	return nil, h.opt.Messages.Withdraw(ctx, c.app, w.From, w.To, w.MsgKey, false)
}
