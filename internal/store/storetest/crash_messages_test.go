package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store"
)

func (j *journal) AppendMessages(ctx context.Context, app account.SDKAppID, all []message.Append) (got []message.Appended, err error) {
	all = slices.Clone(all)
	for i := range all {
		all[i].Body = bytes.Clone(all[i].Body)
	}
	half := slices.Clone(all[:(len(all)+1)/2])
	for i := range half {
		half[i].ToBox = half[i].ToBox && i < len(all)-1 // of a single message, one copy
	}
	defer j.halve(j.faults.half, func(st store.Store) { _, _ = st.AppendMessages(context.Background(), app, half) })()
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.AppendMessages(ctx, app, all)
		} else if err == nil {
			_, _ = st.AppendMessages(context.Background(), app, all)
		}
	})
	return got, err
}

func (j *journal) Recall(ctx context.Context, app account.SDKAppID, from, to account.UserID, k message.Key) (got []message.Copy, again bool, err error) {
	j.do(func(st store.Store) {
		if st == j.Store {
			got, again, err = st.Recall(ctx, app, from, to, k)
		} else if err == nil {
			_, _, _ = st.Recall(context.Background(), app, from, to, k)
		}
	})
	return got, again, err
}

func (j *journal) SetRead(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (got int64, err error) {
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.SetRead(ctx, app, reader, peer, upTo)
		} else if err == nil {
			_, _ = st.SetRead(context.Background(), app, reader, peer, upTo)
		}
	})
	return got, err
}

func (j *journal) SetSeen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, n uint64) (err error) {
	j.do(func(st store.Store) {
		if st == j.Store {
			err = st.SetSeen(ctx, app, owner, instance, n)
		} else if err == nil {
			_ = st.SetSeen(context.Background(), app, owner, instance, n)
		}
	})
	return err
}

// SweepMessages is written as one of everything: which copies a memstore takes first is chance.
func (j *journal) SweepMessages(ctx context.Context, now int64, limit int) (n int, err error) {
	j.do(func(st store.Store) {
		if st == j.Store {
			n, err = st.SweepMessages(ctx, now, limit)
		} else if err == nil {
			_, _ = st.SweepMessages(context.Background(), now, 1<<30)
		}
	})
	return n, err
}
