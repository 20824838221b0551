package server

import (
	"context"
	"errors"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/webhook"
)

// hooks ask and tell Apps' backends about messages, in the words of package webhook.
type hooks struct{ sender *webhook.Sender }

// Wants implements message.Hooks.
func (hooks) Wants(a *app.App) (before, after bool) {
	there := a.Webhook.URL != ""
	return there && a.Webhook.BeforeSend, there && a.Webhook.AfterSend
}

// Before implements message.Hooks.
func (h hooks) Before(ctx context.Context, _ *app.App, o message.Outgoing) message.Verdict {
	v, err := h.sender.Before(ctx, webhook.BeforeSend{Message: outgoing(o)})
	if err != nil {
		e, ok := errors.AsType[*errcode.Error](err)
		if !ok {
			e = errcode.Wrap(errcode.OpenIMHook, err)
		}
		return message.Verdict{Refuse: e}
	}
	switch v.Code {
	case webhook.Allow:
		return message.Verdict{Body: v.Body, CloudData: v.CloudData}
	case webhook.Drop:
		return message.Verdict{Drop: true}
	case webhook.Forbid:
		return message.Verdict{Refuse: errcode.New(errcode.OpenIMForbidden)}
	default:
		return message.Verdict{Refuse: errcode.Newf(errcode.Code(v.Code), "%s", v.Info)}
	}
}

// After implements message.Hooks.
func (h hooks) After(_ *app.App, o message.Outgoing, unread int, failed *errcode.Error) {
	sent := webhook.AfterSend{Message: outgoing(o), Unread: unread}
	if failed != nil {
		sent.Result, sent.Info = int(failed.Code), failed.Info
	}
	h.sender.AfterSent(sent)
}

func outgoing(o message.Outgoing) webhook.Message {
	return webhook.Message{
		SDKAppID: o.SDKAppID, From: o.Message.From, To: o.Message.To,
		Seq: o.Message.Seq, Random: o.Message.Random, Time: o.Message.Time,
		OnlineOnly: o.Online, Body: o.Message.Body, CloudData: o.Message.CloudData,
		OptPlatform: o.Platform, ClientIP: o.Address,
	}
}
