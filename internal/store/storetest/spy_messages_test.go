package storetest

import (
	"context"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// bentMessages are the calls of message.Store that are replaced; nil for one that is not.
type bentMessages struct {
	onAppend       func(context.Context, account.SDKAppID, []message.Append) ([]message.Appended, error)
	onReadBox      func(context.Context, account.SDKAppID, account.UserID, uint64, int, int64) ([]message.Copy, uint64, error)
	onConversation func(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error)
	onRecall       func(ctx context.Context, app account.SDKAppID, from, to account.UserID, k message.Key) ([]message.Copy, bool, error)
	onSetRead      func(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (int64, error)
	onReadUpTo     func(context.Context, account.SDKAppID, []message.Pair) ([]int64, error)
	onSetSeen      func(context.Context, account.SDKAppID, account.UserID, string, uint64) error
	onSeen         func(context.Context, account.SDKAppID, account.UserID, string) (uint64, error)
	onSweep        func(context.Context, int64, int) (int, error)
}

// conversationQuery is which copies of a conversation are read.
type conversationQuery struct {
	before   message.Key
	from, to int64
	limit    int
	now      int64
}

// conversation reads as the store below does.
func (b *bent) conversation(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error) {
	return b.Store.ReadConversation(ctx, app, owner, peer, q.before, q.from, q.to, q.limit, q.now)
}

func (b *bent) AppendMessages(ctx context.Context, app account.SDKAppID, all []message.Append) ([]message.Appended, error) {
	if b.onAppend == nil {
		return b.Store.AppendMessages(ctx, app, all)
	}
	return b.onAppend(ctx, app, all)
}

func (b *bent) ReadBox(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
	if b.onReadBox == nil {
		return b.Store.ReadBox(ctx, app, owner, after, limit, now)
	}
	return b.onReadBox(ctx, app, owner, after, limit, now)
}

func (b *bent) ReadConversation(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, before message.Key, from, to int64, limit int, now int64) ([]message.Copy, error) {
	q := conversationQuery{before, from, to, limit, now}
	if b.onConversation == nil {
		return b.conversation(ctx, app, owner, peer, q)
	}
	return b.onConversation(ctx, app, owner, peer, q)
}

func (b *bent) Recall(ctx context.Context, app account.SDKAppID, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
	if b.onRecall == nil {
		return b.Store.Recall(ctx, app, from, to, k)
	}
	return b.onRecall(ctx, app, from, to, k)
}

func (b *bent) SetRead(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (int64, error) {
	if b.onSetRead == nil {
		return b.Store.SetRead(ctx, app, reader, peer, upTo)
	}
	return b.onSetRead(ctx, app, reader, peer, upTo)
}

func (b *bent) ReadUpTo(ctx context.Context, app account.SDKAppID, pairs []message.Pair) ([]int64, error) {
	if b.onReadUpTo == nil {
		return b.Store.ReadUpTo(ctx, app, pairs)
	}
	return b.onReadUpTo(ctx, app, pairs)
}

func (b *bent) SetSeen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, box uint64) error {
	if b.onSetSeen == nil {
		return b.Store.SetSeen(ctx, app, owner, instance, box)
	}
	return b.onSetSeen(ctx, app, owner, instance, box)
}

func (b *bent) Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error) {
	if b.onSeen == nil {
		return b.Store.Seen(ctx, app, owner, instance)
	}
	return b.onSeen(ctx, app, owner, instance)
}

func (b *bent) SweepMessages(ctx context.Context, now int64, limit int) (int, error) {
	if b.onSweep == nil {
		return b.Store.SweepMessages(ctx, now, limit)
	}
	return b.onSweep(ctx, now, limit)
}
