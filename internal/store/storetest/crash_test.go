package storetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/memstore"
)

// journal is a store that lasts, for testing the tests: a memstore and the log of what
// was written to it, which makes the same store again. Its faults are those of stores
// that are wrong about durability.
type journal struct {
	*memstore.Store
	faults faults

	mu      sync.Mutex
	log     []write
	durable int             // how much of log a crash leaves
	halves  map[*write]bool // batches under way, of which a crash leaves half
}

type write func(st store.Store)

type faults struct {
	forget int  // so many writes at the log's end do not survive a crash
	early  bool // reads see what is not durable yet
	half   bool // a crash leaves half of the batches under way
	kick   bool // as half, of kicks alone
	ids    bool // TinyIDs begin anew
	free   bool // TinyIDs that were restored do not last
	torn   bool // a batch that is given up leaves half
}

// replay makes the store that a log describes.
func replay(f faults, log []write) *journal {
	st := memstore.New()
	for _, w := range log {
		w(st)
	}
	return &journal{Store: st, faults: f, log: log, durable: len(log), halves: make(map[*write]bool)}
}

// do makes a write; it is durable when do returns.
func (j *journal) do(w write) {
	j.mu.Lock()
	w(j.Store)
	j.log = append(j.log, w)
	n := len(j.log)
	if j.faults.early {
		j.mu.Unlock()
		work()
		j.mu.Lock()
	}
	j.durable = max(j.durable, n)
	j.mu.Unlock()
}

// work gives the others time, as a disk does.
func work() {
	for range 20 {
		runtime.Gosched()
	}
}

// left returns what a crash leaves of the log.
func (j *journal) left() []write {
	j.mu.Lock()
	defer j.mu.Unlock()
	log := slices.Clone(j.log[:max(0, j.durable-j.faults.forget)])
	for w := range j.halves {
		log = append(log, *w)
	}
	if j.faults.ids {
		slices.Reverse(log)
	}
	return log
}

func (j *journal) Import(ctx context.Context, app account.SDKAppID, b account.Batch) (got []account.Imported, err error) {
	b.Entries, b.Restore = slices.Clone(b.Entries), slices.Clone(b.Restore)
	part := b
	part.Entries, part.Restore = b.Entries[:len(b.Entries)/2], b.Restore[:len(b.Restore)/2]
	if j.faults.torn && j.tears(ctx, app, part) {
		return nil, ctx.Err()
	}
	defer j.halve(j.faults.half, func(st store.Store) { _, _ = st.Import(context.Background(), app, part) })()
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.Import(ctx, app, b)
		} else if err == nil {
			again := b
			if j.faults.free {
				again.Restore = nil
			}
			_, _ = st.Import(context.Background(), app, again)
		}
	})
	return got, err
}

// halve has a crash leave half a write until done is called, if that fault is on.
func (j *journal) halve(on bool, half write) (done func()) {
	if !on {
		return func() {}
	}
	j.mu.Lock()
	j.halves[&half] = true
	j.mu.Unlock()
	work()
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.halves, &half)
	}
}

// tears imports half of a long batch and reports whether it was given up meanwhile.
func (j *journal) tears(ctx context.Context, app account.SDKAppID, half account.Batch) bool {
	if len(half.Entries) < longSize/2 || ctx.Err() != nil {
		return false
	}
	j.do(func(st store.Store) { _, _ = st.Import(context.Background(), app, half) })
	for range 1 << 16 {
		if ctx.Err() != nil {
			return true
		}
		runtime.Gosched()
	}
	return false
}

func (j *journal) Delete(ctx context.Context, app account.SDKAppID, ids []account.UserID, at int64) (got []bool, err error) {
	ids = slices.Clone(ids)
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.Delete(ctx, app, ids, at)
		} else if err == nil {
			_, _ = st.Delete(context.Background(), app, ids, at)
		}
	})
	return got, err
}

func (j *journal) Kick(ctx context.Context, app account.SDKAppID, ids []account.UserID, validFrom int64) (got []bool, err error) {
	ids = slices.Clone(ids)
	defer j.halve(j.faults.kick, func(st store.Store) { _, _ = st.Kick(context.Background(), app, ids[:len(ids)/2], validFrom) })()
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.Kick(ctx, app, ids, validFrom)
		} else if err == nil {
			_, _ = st.Kick(context.Background(), app, ids, validFrom)
		}
	})
	return got, err
}

func (j *journal) SetProfile(ctx context.Context, app account.SDKAppID, id account.UserID, c account.ProfileChange) (got bool, err error) {
	c.Attrs = slices.Clone(c.Attrs)
	if c.Nick != nil {
		c.Nick = new(*c.Nick)
	}
	j.do(func(st store.Store) {
		if st == j.Store {
			got, err = st.SetProfile(ctx, app, id, c)
		} else if err == nil {
			_, _ = st.SetProfile(context.Background(), app, id, c)
		}
	})
	return got, err
}

func (j *journal) SavePush(ctx context.Context, put []presence.PushDevice, remove []presence.PushKey) (err error) {
	put, remove = slices.Clone(put), slices.Clone(remove)
	defer j.halve(j.faults.half, func(st store.Store) { _ = st.SavePush(context.Background(), put, nil) })()
	j.do(func(st store.Store) {
		if st == j.Store {
			err = st.SavePush(ctx, put, remove)
		} else if err == nil {
			_ = st.SavePush(context.Background(), put, remove)
		}
	})
	return err
}

// disk is the Instance of a journal.
type disk struct{ j *journal }

func (d *disk) Store() store.Store { return d.j }

func (d *disk) Reopen(testing.TB) {
	_ = d.j.Close()
	d.j = replay(d.j.faults, d.j.left())
}

func (d *disk) Crash(testing.TB) {
	log := d.j.left()
	_ = d.j.Close()
	d.j = replay(d.j.faults, log)
}

func journalHarness(f faults) Harness {
	return Harness{Open: func(testing.TB) Instance { return &disk{replay(f, nil)} }}
}

func TestLastingStore(t *testing.T) { runLasting(t, journalHarness(faults{})) }

func TestCrashKillsMutants(t *testing.T) {
	plain := func(tb testing.TB, h Harness) { Crashes(tb, h, 12, 1) }
	linear := func(tb testing.TB, h Harness) { linearizeCrashes(tb, h, 8, 3, DefaultWorkload(1)) }
	reopened := func(tb testing.TB, h Harness) {
		for _, tc := range reopenCases(1) {
			if !tb.Failed() {
				tc.run(newClient(tb, h))
			}
		}
	}
	push := func(tb testing.TB, h Harness) { crashPush(tb, h, 12, 1) }
	messages := func(tb testing.TB, h Harness) { crashMessages(tb, h, 12, 1) }
	kept := func(tb testing.TB, h Harness) {
		for _, tc := range messageReopenCases(1) {
			if !tb.Failed() {
				tc.run(newClient(tb, h))
			}
		}
	}
	abandoned := func(tb testing.TB, h Harness) { abandonLong(newClient(tb, h), 1) }
	long := func(tb testing.TB, h Harness) { crashLong(tb, h, 6, 1) }
	for name, tt := range map[string]struct {
		faults faults
		test   func(tb testing.TB, h Harness)
	}{
		"the last answered writes are lost":              {faults{forget: 3}, plain},
		"the last answered writes are lost, linear":      {faults{forget: 3}, linear},
		"half of an unanswered SavePush is left":         {faults{half: true}, push},
		"the last answered devices are lost":             {faults{forget: 3}, push},
		"half of an unanswered call of messages is left": {faults{half: true}, messages},
		"the last answered messages are lost":            {faults{forget: 3}, messages},
		"the last messages are lost at a clean close":    {faults{forget: 1}, kept},
		"the last writes are lost at a clean close":      {faults{forget: 1}, reopened},
		"half of an unanswered batch is left":            {faults{half: true}, plain},
		"half of an unanswered kick is left":             {faults{kick: true}, plain},
		"half of an unanswered long batch is left":       {faults{half: true}, long},
		"the last answered long batches are lost":        {faults{forget: 20}, long},
		"restored TinyIDs do not last":                   {faults{free: true}, reopened},
		"restored TinyIDs do not outlast a crash":        {faults{free: true}, plain},
		"a long batch that is given up leaves half":      {faults{torn: true}, abandoned},
		"TinyIDs begin anew after a crash":               {faults{ids: true}, plain},
		"TinyIDs begin anew after a clean close":         {faults{ids: true}, reopened},
		"reads are answered from what is not durable":    {faults{early: true}, linear},
	} {
		t.Run(name, func(t *testing.T) {
			if !fails(t, func(tb testing.TB) { tt.test(tb, journalHarness(tt.faults)) }) {
				t.Error("the store passes")
			}
		})
	}
	t.Run("writes wait for each other's sync", func(t *testing.T) {
		if fails(t, func(tb testing.TB) { plain(tb, journalHarness(faults{early: true})) }) {
			t.Error("a store whose every write is durable when it is answered fails")
		}
	})
}
