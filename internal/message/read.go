package message

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
)

// Bounds of what is read at a time.
const (
	MaxPage     = 100    // messages of a page of history or of a box
	maxPageSize = 13_000 // bytes of a page of history (im-rest-api.md, section 1.6)
	MaxUnread   = 999    // more are counted as this many
)

// History returns a page of a conversation as Operator sees it.
//
// Errors: 90048 Operator or Peer is not imported, 90054 LastKey is none, and those of the store.
func (s *Service) History(ctx context.Context, a *app.App, q Query) (Page, error) {
	found, err := s.opt.Accounts.Exist(ctx, a.SDKAppID, []account.UserID{q.Operator, q.Peer})
	if err != nil {
		return Page{}, storeError(err)
	}
	if !found[0] || !found[1] {
		return Page{}, errcode.New(errcode.OpenIMNoAccount)
	}
	before := Key{Time: q.MaxTime + 1}
	if q.LastKey != "" {
		var ok bool
		if before, ok = ParseKey(q.LastKey); !ok {
			return Page{}, errcode.New(errcode.OpenIMBadKey)
		}
	}
	limit := min(max(q.Max, 1), MaxPage)
	copies, err := s.opt.Store.ReadConversation(ctx, a.SDKAppID, q.Operator, q.Peer, before, q.MinTime, q.MaxTime, limit+1, s.opt.Now().Unix())
	if err != nil {
		return Page{}, storeError(fmt.Errorf("message: history: %w", err))
	}
	n, size := 0, 0
	for n < min(len(copies), limit) && (n == 0 || size+len(copies[n].Body)+len(copies[n].CloudData) <= maxPageSize) {
		size += len(copies[n].Body) + len(copies[n].CloudData)
		n++
	}
	p := Page{Complete: n == len(copies), Messages: slices.Clone(copies[:n])}
	slices.Reverse(p.Messages)
	if n > 0 {
		p.LastTime, p.LastKey = p.Messages[0].Time, p.Messages[0].String()
	}
	p.PeerRead, err = s.peerRead(ctx, a.SDKAppID, p.Messages)
	return p, err
}

// peerRead reports of each copy whether the recipient has read it.
func (s *Service) peerRead(ctx context.Context, app account.SDKAppID, copies []Copy) ([]bool, error) {
	pairs := make([]Pair, len(copies))
	for i := range copies {
		pairs[i] = Pair{Reader: copies[i].To, Peer: copies[i].From}
	}
	upTo, err := s.opt.Store.ReadUpTo(ctx, app, pairs)
	if err != nil {
		return nil, storeError(fmt.Errorf("message: history: %w", err))
	}
	read := make([]bool, len(copies))
	for i := range copies {
		read[i] = copies[i].Flags&History != 0 || copies[i].Time <= upTo[i]
	}
	return read, nil
}

// Withdraw recalls a message. A device may only do so for RecallWindow.
//
// Errors: 90054 the key is none, 20022 there is no such message, 20023 it has been recalled, 20016
// it is too old for a device.
func (s *Service) Withdraw(ctx context.Context, a *app.App, from, to account.UserID, key string, byDevice bool) error {
	if err := s.mustExist(ctx, a.SDKAppID, from, to); err != nil {
		return err
	}
	k, ok := ParseKey(key)
	if !ok {
		return errcode.New(errcode.OpenIMBadKey)
	}
	if byDevice && s.opt.Now().Unix()-k.Time > int64(RecallWindow/time.Second) {
		return errcode.New(errcode.OpenIMRecallLate)
	}
	notices, again, err := s.opt.Store.Recall(ctx, a.SDKAppID, from, to, k)
	switch {
	case err != nil:
		return storeError(fmt.Errorf("message: recall: %w", err))
	case again:
		return errcode.New(errcode.OpenIMRecalled)
	case len(notices) == 0:
		return errcode.New(errcode.OpenIMNoMessage)
	}
	for i := range notices {
		s.opt.Deliverer.Deliver(a.SDKAppID, &notices[i])
	}
	return nil
}

// Missed returns up to limit copies of an account's box behind a number, and the last number
// of the box: a device has all once it has seen that.
func (s *Service) Missed(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int) ([]Copy, []bool, uint64, error) {
	copies, last, err := s.opt.Store.ReadBox(ctx, app, owner, after, min(max(limit, 1), MaxPage), s.opt.Now().Unix())
	if err != nil {
		return nil, nil, 0, storeError(fmt.Errorf("message: read box: %w", err))
	}
	read, err := s.peerRead(ctx, app, copies)
	return copies, read, last, err
}

// Seen returns the number up to which a device has acknowledged its account's box.
func (s *Service) Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error) {
	n, err := s.opt.Store.Seen(ctx, app, owner, instance)
	if err != nil {
		return 0, storeError(fmt.Errorf("message: seen: %w", err))
	}
	return n, nil
}

// Acknowledge notes that a device has all of its account's box up to a number.
func (s *Service) Acknowledge(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, number uint64) error {
	if err := s.opt.Store.SetSeen(ctx, app, owner, instance, number); err != nil {
		return storeError(fmt.Errorf("message: acknowledge: %w", err))
	}
	return nil
}

// Read notes that reader has read what peer sent up to a time, which is not later than now,
// and has the devices of both told.
func (s *Service) Read(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) error {
	upTo, err := s.opt.Store.SetRead(ctx, app, reader, peer, min(upTo, s.opt.Now().Unix()))
	if err != nil {
		return storeError(fmt.Errorf("message: read: %w", err))
	}
	s.opt.Deliverer.DeliverRead(app, reader, peer, upTo)
	return nil
}

// Unread returns how many messages of peer the reader has not read, MaxUnread at the most.
func (s *Service) Unread(ctx context.Context, app account.SDKAppID, reader, peer account.UserID) (int, error) {
	now := s.opt.Now().Unix()
	upTo, err := s.opt.Store.ReadUpTo(ctx, app, []Pair{{reader, peer}})
	if err != nil {
		return 0, storeError(fmt.Errorf("message: unread: %w", err))
	}
	copies, err := s.opt.Store.ReadConversation(ctx, app, reader, peer, Key{Time: now + 1}, upTo[0]+1, now, MaxUnread, now)
	if err != nil {
		return 0, storeError(fmt.Errorf("message: unread: %w", err))
	}
	n := 0
	for i := range copies {
		if copies[i].From == peer && copies[i].Flags&(NoUnread|Recalled|History) == 0 {
			n++
		}
	}
	return n, nil
}

// tell has the App's backend told what became of a message.
func (s *Service) tell(ctx context.Context, a *app.App, o Outgoing, err error) {
	var failed *errcode.Error
	unread := -1
	if err != nil {
		failed, _ = err.(*errcode.Error) //nolint:errorlint // send returns nothing else
	} else if n, err := s.Unread(ctx, a.SDKAppID, o.Message.To, o.Message.From); err == nil {
		unread = n
	}
	s.opt.Hooks.After(a, o, unread, failed)
}
