package pebblestore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// syncBarrier lets a reader wait until all that it may have seen is durable: the
// committer's writes are visible from the moment they are applied, which is before the
// log is synced.
//
// Groups are numbered from 1. The committer calls begin before anything of a group
// becomes visible, the syncer calls synced when the group is durable.
type syncBarrier struct {
	begun   atomic.Uint64
	durable atomic.Uint64
	failed  <-chan struct{} // closed when the store has failed; nothing becomes durable then

	mu   sync.Mutex
	next chan struct{} // closed at the next synced; nil if nobody waits
}

// begin returns the number of the group that starts now.
func (b *syncBarrier) begin() uint64 { return b.begun.Add(1) }

// synced notes that group seq and all before it are durable.
func (b *syncBarrier) synced(seq uint64) {
	select {
	case <-b.failed:
		return
	default:
	}
	b.durable.Store(seq)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// wait returns nil once everything that was visible when it was called is durable.
func (b *syncBarrier) wait(ctx context.Context) error { return b.waitFor(ctx, b.begun.Load()) }

// waitFor returns nil once group seq and all before it are durable.
func (b *syncBarrier) waitFor(ctx context.Context, seq uint64) error {
	for b.durable.Load() < seq {
		next := b.await(seq)
		if next == nil {
			return nil
		}
		select {
		case <-next:
		case <-b.failed:
			return errFailed
		case <-ctx.Done():
			return fmt.Errorf("wait for sync: %w", ctx.Err())
		}
	}
	return nil
}

// await returns a channel that the next synced closes, or nil if seen is durable now.
func (b *syncBarrier) await(seen uint64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.durable.Load() >= seen {
		return nil
	}
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}
