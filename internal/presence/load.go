package presence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Accounts tells what became of accounts; *account.Service does.
type Accounts interface {
	Get(ctx context.Context, app account.SDKAppID, ids []account.UserID) ([]account.Account, error)
}

// loadBatch is how many accounts are looked up at a time.
const loadBatch = 500

// Load remembers the devices that the Store has: whatever was connected when the server
// ended, or had been lost before, is PushOnline from now on. It is called once, before the
// first Login.
//
// A device whose account was kicked or deleted is left out, and removed: the server may have
// crashed between the two writes. Its account's valid-from tells: a UserSig that is good was
// signed after it, and so a device that logged in with one was seen after it.
func (t *Table) Load(ctx context.Context, accounts Accounts) error {
	batches := make(map[account.SDKAppID][]PushDevice)
	flush := func(app account.SDKAppID) error {
		defer func() { batches[app] = batches[app][:0] }()
		return t.adopt(ctx, accounts, app, batches[app])
	}
	err := t.opt.Store.LoadPush(ctx, func(d PushDevice) error {
		batches[d.SDKAppID] = append(batches[d.SDKAppID], d)
		if len(batches[d.SDKAppID]) < loadBatch {
			return nil
		}
		return flush(d.SDKAppID)
	})
	for app := range batches {
		if err == nil {
			err = flush(app)
		}
	}
	if err != nil {
		return fmt.Errorf("presence: load: %w", err)
	}
	return nil
}

// adopt takes over devices of one App.
func (t *Table) adopt(ctx context.Context, accounts Accounts, app account.SDKAppID, devices []PushDevice) error {
	if len(devices) == 0 {
		return nil
	}
	ids := make([]account.UserID, len(devices))
	for i, d := range devices {
		ids[i] = d.UserID
	}
	found, err := accounts.Get(ctx, app, ids)
	if err != nil {
		return err
	}
	since := t.since()
	for i, d := range devices {
		if !found[i].Exists() || d.Seen <= found[i].ValidFrom || d.Seen < since {
			t.saver.remove(d.PushKey)
			continue
		}
		k := key{app, d.UserID}
		sh, e := t.lock(k)
		if e == nil {
			e = new(entry)
		}
		e.push = append(e.push, d)
		slices.SortStableFunc(e.push, func(a, b PushDevice) int { return int(a.Seen - b.Seen) })
		sh.settle(k, e)
	}
	return nil
}

// How often a Table is swept, and how old what is kept of a connected device may become.
const (
	sweepInterval = 10 * time.Minute
	maxSavedAge   = time.Hour
)

func (t *Table) sweepEvery(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.Sweep()
		case <-ctx.Done():
			return
		}
	}
}

// Sweep forgets devices that are PushOnline no longer, and has it noted of connected ones
// that they still are, so that after a crash their 7 days begin at most an hour too early.
// A Table does so by itself every ten minutes.
func (t *Table) Sweep() {
	for i := range t.shards {
		t.sweepShard(&t.shards[i])
	}
}

func (t *Table) sweepShard(sh *shard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now, since := t.opt.Now().Unix(), t.since()
	for k, e := range sh.accounts {
		e.push = slices.DeleteFunc(e.push, func(d PushDevice) bool {
			if d.Seen < since {
				t.saver.remove(d.PushKey)
			}
			return d.Seen < since
		})
		for _, s := range e.sessions {
			if s.pushable() && now-s.saved >= int64(maxSavedAge/time.Second) {
				s.saved = now
				t.saver.put(PushDevice{PushKey: s.pushKey(), Seen: now})
			}
		}
		if len(e.push) == 0 && len(e.sessions) == 0 {
			delete(sh.accounts, k)
		}
	}
}
