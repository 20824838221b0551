package message

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
)

// Accounts knows who is imported; *account.Service does. Its errors have a public code.
type Accounts interface {
	Exist(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]bool, error)
}

// Outgoing is a message that is about to be sent, or that was, as an App's backend is told.
type Outgoing struct {
	SDKAppID account.SDKAppID
	Message  *Message
	Online   bool // it is not kept
	// Address and Platform are the sender's.
	Address, Platform string
}

// Verdict is what an App's backend says of a message that is about to be sent.
type Verdict struct {
	Drop      bool           // the sender is told that it was sent, and nobody gets it
	Refuse    *errcode.Error // it is not sent, and the sender gets this
	Body      []byte         // MsgBody to send instead; nil for none
	CloudData *string        // CloudCustomData to send instead; nil for none
}

// Hooks ask and tell an App's backend.
type Hooks interface {
	// Wants reports whether the App's backend is to be asked, and to be told.
	Wants(a *app.App) (before, after bool)
	// Before asks whether a message may be sent. It returns within the time that hooks have;
	// what it says if there is no answer is the App's policy.
	Before(ctx context.Context, a *app.App, o Outgoing) Verdict
	// After tells that a message was sent, with how many the recipient has not read of the
	// sender's (-1 if that is not known), or with why it was not. It does not wait.
	After(a *app.App, o Outgoing, unread int, failed *errcode.Error)
}

// Deliverer brings copies to the devices of their owners that are connected, also to the one
// that a copy came from, which knows it by its Key. It must not block.
type Deliverer interface {
	Deliver(app account.SDKAppID, c *Copy)
	// DeliverRead tells the devices of both that reader has read what peer sent up to a time.
	DeliverRead(app account.SDKAppID, reader, peer account.UserID, upTo int64)
}

// Options are what a Service needs; all of them.
type Options struct {
	Store     Store
	Accounts  Accounts
	Hooks     Hooks
	Deliverer Deliverer
	Now       func() time.Time
	Random    func() uint32
}

// Service has the rules of messages. Its errors are *errcode.Error values. It is safe for
// concurrent use.
type Service struct {
	opt   Options
	order *sequencer
}

// New returns a Service.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Accounts == nil || o.Hooks == nil || o.Deliverer == nil || o.Now == nil || o.Random == nil {
		return nil, errors.New("message: new: an option is missing")
	}
	return &Service{opt: o, order: newSequencer(o.Deliverer)}, nil
}

// Send sends one message.
//
// Errors: 90008 From is not imported, 90012 To is not, 90002 90007 90010 the body is wrong, 93000
// it is too long, 20006 and the backend's own codes if it forbids, 80003 if it does not answer
// and the App's policy is to wait for it, 70169 70202 91000 the store.
func (s *Service) Send(ctx context.Context, a *app.App, m Send) (Sent, error) {
	if err := s.mustExist(ctx, a.SDKAppID, m.From, m.To); err != nil {
		return Sent{}, err
	}
	msg, err := s.compose(&m, errcode.OpenIMTooLong)
	if err != nil {
		return Sent{}, err
	}
	before, after := s.opt.Hooks.Wants(a)
	out := Outgoing{SDKAppID: a.SDKAppID, Message: &msg, Online: m.OnlineOnly, Address: m.Address, Platform: m.Platform}
	if before && !m.NoBefore {
		dropped, err := s.ask(ctx, a, &out)
		if err != nil || dropped {
			return Sent{msg.Key}, err
		}
	}
	key, err := s.send(ctx, a.SDKAppID, &msg, &m)
	if after && !m.NoAfter {
		s.tell(ctx, a, out, err)
	}
	if err != nil {
		return Sent{}, err
	}
	return Sent{key}, nil
}

func (s *Service) mustExist(ctx context.Context, app account.SDKAppID, from, to account.UserID) error {
	found, err := s.opt.Accounts.Exist(ctx, app, []account.UserID{from, to})
	switch {
	case err != nil:
		return storeError(err)
	case !found[0]:
		return errcode.New(errcode.OpenIMNoSender)
	case !found[1]:
		return errcode.New(errcode.OpenIMNoRecipient)
	default:
		return nil
	}
}

// compose checks what is to be sent and gives it its Key.
func (s *Service) compose(m *Send, tooLong errcode.Code) (Message, error) {
	if len(m.Body)+len(m.CloudData) > MaxBody {
		return Message{}, errcode.Newf(tooLong, "MsgBody and CloudCustomData have %d bytes, %d are allowed", len(m.Body)+len(m.CloudData), MaxBody)
	}
	body, err := CheckBody(m.Body)
	if err != nil {
		return Message{}, err
	}
	now := s.opt.Now()
	msg := Message{
		Key:  Key{Time: now.Unix(), Random: m.Random},
		From: m.From, To: m.To, Body: body, CloudData: m.CloudData,
		Expires: now.Add(min(max(m.Life, 0), MaxLife)).Unix(),
	}
	if m.Seq != nil {
		msg.Seq = *m.Seq
	} else {
		msg.Seq = s.opt.Random()
	}
	for flag, on := range map[Flags]bool{NoUnread: m.NoUnread, NoLastMsg: m.NoLastMsg, Muted: m.Muted} {
		if on {
			msg.Flags |= flag
		}
	}
	return msg, nil
}

// ask has the App's backend judge the message, which it may replace.
func (s *Service) ask(ctx context.Context, a *app.App, o *Outgoing) (dropped bool, err error) {
	v := s.opt.Hooks.Before(ctx, a, *o)
	switch {
	case v.Refuse != nil:
		return false, v.Refuse
	case v.Drop:
		return true, nil
	}
	if v.CloudData != nil {
		o.Message.CloudData = *v.CloudData
	}
	if v.Body != nil {
		if o.Message.Body, err = CheckBody(v.Body); err != nil {
			return false, errcode.Wrap(errcode.OpenIMHook, fmt.Errorf("message: the MsgBody that the backend gave: %w", err))
		}
	}
	if n := len(o.Message.Body) + len(o.Message.CloudData); n > MaxBody {
		return false, errcode.Wrap(errcode.OpenIMHook, fmt.Errorf("message: the backend made it %d bytes long", n))
	}
	return false, nil
}

// send stores and delivers. It returns the Key of the message, or of the one before that is the
// same.
func (s *Service) send(ctx context.Context, app account.SDKAppID, msg *Message, m *Send) (Key, error) {
	if m.OnlineOnly {
		s.opt.Deliverer.Deliver(app, &Copy{Message: *msg, Owner: msg.To})
		if m.Sync == SyncDevices {
			s.opt.Deliverer.Deliver(app, &Copy{Message: *msg, Owner: msg.From})
		}
		return msg.Key, nil
	}
	done, err := s.store(ctx, app, []Append{s.append(*msg, m)}, m)
	if err != nil {
		return Key{}, err
	}
	return done[0].Key, nil
}

func (s *Service) append(msg Message, m *Send) Append {
	sum := crc32.ChecksumIEEE(msg.Body)
	return Append{
		Message: msg,
		Sum:     crc32.Update(sum, crc32.IEEETable, []byte(msg.CloudData)),
		Since:   msg.Time - int64(DedupeWindow/time.Second),
		ToBox:   true,
		FromBox: m.Sync != SyncNone && msg.From != msg.To,
	}
}

// store appends messages and delivers their copies, those of each box in the order of its
// numbers.
func (s *Service) store(ctx context.Context, app account.SDKAppID, all []Append, m *Send) ([]Appended, error) {
	tickets := s.order.begin(app, all)
	// Not ended by a caller that goes away: devices that are connected should get what was
	// stored all the same.
	storeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), account.StoreTimeout)
	defer cancel()
	done, err := s.opt.Store.AppendMessages(storeCtx, app, all)
	if err != nil {
		s.order.abandon(tickets)
		return nil, storeError(fmt.Errorf("message: append: %w", err))
	}
	s.order.finish(tickets, all, done, m)
	return done, nil
}

// SendMany sends the same message to many accounts and returns, in their order, who got
// nothing and why. The error is 90012 if that is all of them. No backend is asked or told.
func (s *Service) SendMany(ctx context.Context, a *app.App, m Send, to []account.UserID) (Sent, []Failure, error) {
	found, err := s.opt.Accounts.Exist(ctx, a.SDKAppID, append([]account.UserID{m.From}, to...))
	if err != nil {
		return Sent{}, nil, storeError(err)
	}
	if !found[0] {
		return Sent{}, nil, errcode.New(errcode.OpenIMNoSender)
	}
	msg, err := s.compose(&m, errcode.OpenIMBatchTooLong)
	if err != nil {
		return Sent{}, nil, err
	}
	var failed []Failure
	var all []Append
	seen := make(map[account.UserID]bool, len(to))
	for i, id := range to {
		switch {
		case seen[id]:
		case !found[i+1]:
			failed = append(failed, Failure{id, errcode.New(errcode.NoAccount)})
		default:
			msg.To = id
			all = append(all, s.append(msg, &m))
		}
		seen[id] = true
	}
	if len(all) == 0 {
		return Sent{}, failed, errcode.New(errcode.OpenIMNoRecipient)
	}
	if m.OnlineOnly {
		for i := range all {
			s.opt.Deliverer.Deliver(a.SDKAppID, &Copy{Message: all[i].Message, Owner: all[i].To})
		}
		return Sent{msg.Key}, failed, nil
	}
	done, err := s.store(ctx, a.SDKAppID, all, &m)
	if err != nil {
		return Sent{}, nil, err
	}
	return Sent{done[0].Key}, failed, nil
}

// Import stores a message that another system delivered before. One with the same numbers and
// time in the same conversation, in either direction, is the same, whatever it says.
func (s *Service) Import(ctx context.Context, a *app.App, m Import) error {
	if err := s.mustExist(ctx, a.SDKAppID, m.From, m.To); err != nil {
		return err
	}
	send := Send{From: m.From, To: m.To, Seq: m.Seq, Random: m.Random, Body: m.Body, CloudData: m.CloudData, Life: MaxLife}
	msg, err := s.compose(&send, errcode.OpenIMTooLong)
	if err != nil {
		return err
	}
	msg.Time = m.Time
	next := Key{Time: m.Time, Seq: msg.Seq, Random: msg.Random + 1}
	if msg.Random+1 == 0 {
		next = Key{Time: m.Time, Seq: msg.Seq + 1}
	}
	same, err := s.opt.Store.ReadConversation(ctx, a.SDKAppID, m.To, m.From, next, m.Time, m.Time, 1, s.opt.Now().Unix())
	if err != nil {
		return storeError(fmt.Errorf("message: import: %w", err))
	}
	if len(same) > 0 && same[0].Key == msg.Key {
		return nil
	}
	if !m.RealTime {
		msg.Flags |= History | NoUnread
	}
	one := s.append(msg, &send)
	one.Sum, one.Since = crc32.ChecksumIEEE(fmt.Append(nil, m.Time)), m.Time
	_, err = s.store(ctx, a.SDKAppID, []Append{one}, &send)
	return err
}

// storeError gives a store's error its public code.
func storeError(err error) error {
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, account.ErrBusy):
		return errcode.Wrap(errcode.Busy, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errcode.Wrap(errcode.StoreTimeout, err)
	default:
		return errcode.Wrap(errcode.OpenIMInternal, err)
	}
}
