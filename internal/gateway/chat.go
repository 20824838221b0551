package gateway

import (
	"context"

	"github.com/centrifugal/centrifuge"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/wire"
)

// Messages has the rules of messages; *message.Service does. Its errors have a public code.
type Messages interface {
	Send(ctx context.Context, a *app.App, m message.Send) (message.Sent, error)
	History(ctx context.Context, a *app.App, q message.Query) (message.Page, error)
	Withdraw(ctx context.Context, a *app.App, from, to account.UserID, key string, byDevice bool) error
	Missed(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int) (copies []message.Copy, read []bool, last uint64, err error)
	Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error)
	Acknowledge(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, number uint64) error
	Read(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) error
	Unread(ctx context.Context, app account.SDKAppID, reader, peer account.UserID) (int, error)
}

// What a device can do with messages:
//
//	sendC2C  {"To_Account":"bob","MsgRandom":1,"MsgBody":[…],…} as sendmsg -> {"MsgTime":1,"MsgKey":"…"}
//	sync     {"After":7,"Limit":100} -> {"Messages":[…],"Last":9}; without After, behind what the device has acknowledged
//	ack      {"Box":9} -> {}
//	history  {"Peer_Account":"bob","MaxCnt":20,"MinTime":0,"MaxTime":1,"LastMsgKey":"…"} -> {"Messages":[…],"Complete":1,…}
//	read     {"Peer_Account":"bob","Time":1} -> {}
//	unread   {"Peer_Account":"bob"} -> {"Unread":3}
//	recall   {"To_Account":"bob","MsgKey":"…"} -> {}
const (
	rpcSend    = "sendC2C"
	rpcSync    = "sync"
	rpcAck     = "ack"
	rpcHistory = "history"
	rpcRead    = "read"
	rpcUnread  = "unread"
	rpcRecall  = "recall"
)

// chat carries out a call about messages; ok is false if method is none.
func (s *session) chat(ctx context.Context, method string, data []byte) (answer []byte, ok bool, err error) {
	if method == rpcSend {
		answer, err = s.send(ctx, data)
		return answer, true, err
	}
	f, ok := chatCalls[method]
	if !ok {
		return nil, false, nil
	}
	c, err := wire.DecodeChatCall(data)
	if err != nil {
		return nil, true, badParam(err)
	}
	answer, err = f(s, ctx, &c)
	return answer, true, err
}

var chatCalls = map[string]func(s *session, ctx context.Context, c *wire.ChatCall) ([]byte, error){
	rpcSync:    (*session).sync,
	rpcAck:     (*session).ack,
	rpcHistory: (*session).history,
	rpcRead:    (*session).read,
	rpcUnread:  (*session).unread,
	rpcRecall:  (*session).recall,
}

// app returns the session's App as it is now.
func (s *session) app() (*app.App, error) {
	a, ok := s.g.opt.Apps(s.SDKAppID)
	if !ok || a.Disabled {
		return nil, errcode.New(errcode.AppDisabled)
	}
	return a, nil
}

func (s *session) send(ctx context.Context, data []byte) ([]byte, error) {
	a, err := s.app()
	if err != nil {
		return nil, err
	}
	m, err := wire.DecodeSend(data)
	if err != nil {
		return nil, badParam(err)
	}
	m.From, m.Sync = s.UserID, message.SyncDevices
	m.Address, m.Platform = s.Address, string(s.Platform)
	sent, err := s.g.opt.Messages.Send(ctx, a, m)
	if err != nil {
		return nil, err
	}
	return wire.AppendSent(nil, sent.Key), nil
}

func (s *session) sync(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	after := c.Box
	if !c.HasBox {
		var err error
		if after, err = s.g.opt.Messages.Seen(ctx, s.SDKAppID, s.UserID, s.InstanceID); err != nil {
			return nil, err
		}
	}
	limit := int(c.Max)
	if limit == 0 {
		limit = message.MaxPage
	}
	copies, read, last, err := s.g.opt.Messages.Missed(ctx, s.SDKAppID, s.UserID, after, limit)
	if err != nil {
		return nil, err
	}
	return wire.AppendMissed(nil, copies, read, last), nil
}

func (s *session) ack(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	return done, s.g.opt.Messages.Acknowledge(ctx, s.SDKAppID, s.UserID, s.InstanceID, c.Box)
}

func (s *session) history(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	a, err := s.app()
	if err != nil {
		return nil, err
	}
	q := message.Query{
		Operator: s.UserID, Peer: c.Peer, Max: int(c.Max), MinTime: c.MinTime, MaxTime: c.MaxTime, LastKey: c.LastKey,
	}
	if q.MaxTime == 0 {
		q.MaxTime = s.g.opt.Now().Unix()
	}
	if q.Max == 0 {
		q.Max = message.MaxPage
	}
	page, err := s.g.opt.Messages.History(ctx, a, q)
	if err != nil {
		return nil, err
	}
	return wire.AppendHistory(nil, &page), nil
}

func (s *session) read(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	upTo := c.Time
	if upTo == 0 {
		upTo = s.g.opt.Now().Unix()
	}
	return done, s.g.opt.Messages.Read(ctx, s.SDKAppID, s.UserID, c.Peer, upTo)
}

func (s *session) unread(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	n, err := s.g.opt.Messages.Unread(ctx, s.SDKAppID, s.UserID, c.Peer)
	if err != nil {
		return nil, err
	}
	return wire.AppendUnread(nil, n), nil
}

func (s *session) recall(ctx context.Context, c *wire.ChatCall) ([]byte, error) {
	a, err := s.app()
	if err != nil {
		return nil, err
	}
	return done, s.g.opt.Messages.Withdraw(ctx, a, s.UserID, c.Peer, c.MsgKey, true)
}

// Deliver implements message.Deliverer: a message is a publication in the channel of its
// owner, which every session is subscribed to.
func (g *Gateway) Deliver(app account.SDKAppID, c *message.Copy) {
	g.publish(app, c.Owner, func() []byte { return wire.AppendMessage(nil, c, false, true) })
}

// DeliverRead implements message.Deliverer.
func (g *Gateway) DeliverRead(app account.SDKAppID, reader, peer account.UserID, upTo int64) {
	data := func() []byte { return wire.AppendRead(nil, reader, peer, upTo) }
	g.publish(app, reader, data)
	g.publish(app, peer, data)
}

// publish spares itself the work if nobody is there to see it.
func (g *Gateway) publish(app account.SDKAppID, owner account.UserID, data func() []byte) {
	channel := centrifugeUser(app, owner)
	if g.node.Hub().NumSubscribers(channel) == 0 {
		return
	}
	if _, err := g.node.Publish(channel, data()); err != nil {
		g.opt.Logger.Error("a message is not delivered to devices that are connected; they get it when they ask",
			"err", err)
	}
}

// subscriptions are those of a new session.
func (s *session) subscriptions() map[string]centrifuge.SubscribeOptions {
	return map[string]centrifuge.SubscribeOptions{centrifugeUser(s.SDKAppID, s.UserID): {}}
}
