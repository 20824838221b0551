package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

// restoreTogether has many callers restore accounts with TinyIDs from one small pool, in
// two Apps, beside imports that have theirs from the sequence. Each TinyID must be given
// once.
func restoreTogether(c *client, seed uint64) {
	const callers, rounds = 16, 20
	pool := freshTinyIDs(rand.New(rand.NewPCG(seed, 1<<32)), 40)
	pool = append(pool, account.FirstTinyID+1, account.FirstTinyID+20, account.FirstTinyID+100)
	type call struct {
		b   account.Batch
		got []account.Imported
	}
	calls := make([][]call, callers)
	c.together(callers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for n := range rounds {
			b := restoreBatch(nil)
			for i := range 4 {
				b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("w%d-%d-%d", w, n, i))})
				b.Restore = append(b.Restore, account.Restore{})
				if i%2 == 0 {
					b.Restore[i].TinyID = pool[rng.IntN(len(pool))]
				}
			}
			got, err := c.store().Import(c.Context(), []account.SDKAppID{c.app, 7}[w%2], b)
			if err != nil {
				return err
			}
			calls[w] = append(calls[w], call{b, got})
		}
		return nil
	})
	created := [2]int{}
	for w := range calls {
		for _, call := range calls[w] {
			c.checkAllImported(call.b, call.got)
			for _, im := range call.got {
				if im.Status == account.Created {
					created[w%2]++
				}
			}
		}
	}
	c.wantExactCount(created[0])
	c.of(7).wantExactCount(created[1])
	for _, id := range pool {
		if _, given := c.given[id]; !given && id > account.FirstTinyID+100 {
			c.Errorf("the TinyID %d was Taken every time", id)
		}
	}
}

// fillTogether has many callers fill one quota: it ends full to the last account.
func fillTogether(c *client) {
	const quota, size = 51, 4
	var created atomic.Int64
	c.together(importers, func(w int) error {
		var ids []account.UserID
		for i := range size {
			ids = append(ids, account.UserID(fmt.Sprintf("w%d-%d", w, i)))
		}
		got, err := c.store().Import(c.Context(), c.app, account.Batch{Entries: entries(ids...), At: 50, Quota: quota, Fill: true})
		full := false
		for i, im := range got {
			if im.Status == account.Created {
				created.Add(1)
			}
			if full && im.Status != account.OverQuota {
				return fmt.Errorf("%q is %v behind one that is OverQuota", ids[i], im.Status)
			}
			full = im.Status == account.OverQuota
		}
		return err
	})
	if got := created.Load(); got != quota {
		c.Errorf("%d accounts were created, want %d", got, quota)
	}
	c.wantExactCount(quota)
}

// overlapLong imports two long batches at once that share half of their names. Every name
// must be created once, and have the TinyID that whoever created it was answered.
func overlapLong(c *client) {
	names := longNames(0, longSize+longSize/2)
	windows := [2][]account.UserID{names[:longSize], names[longSize/2:]}
	var got [2][]account.Imported
	c.together(2, func(w int) (err error) {
		b := account.Batch{Entries: entries(windows[w]...), At: 50, TinyIDs: w == 0}
		if got[w], err = c.store().Import(c.Context(), c.app, b); err == nil && len(got[w]) != len(windows[w]) {
			err = fmt.Errorf("%d results for %d entries", len(got[w]), len(windows[w]))
		}
		return err
	})
	want := make([]account.Account, len(names))
	for w, ids := range windows {
		c.checkAllImported(account.Batch{Entries: entries(ids...)}, got[w])
		for i, im := range got[w] {
			a := &want[i+w*longSize/2]
			if im.Status == account.Created {
				*a = account.Account{UserID: ids[i], TinyID: im.TinyID, Created: 50}
			}
		}
	}
	sameEach(c.TB, "accounts", c.listAll(len(names)+1), want)
	for w := range windows {
		for i, im := range got[w] {
			if real := want[i+w*longSize/2].TinyID; im.TinyID != real && (w == 0 || im.TinyID != 0) {
				c.Fatalf("%q has the TinyID %d, an importer got %d", windows[w][i], real, im.TinyID)
			}
		}
	}
	c.wantExactCount(len(names))
}

// hot is one of the few names that single calls touch while long batches have them too.
type hot struct {
	id      account.UserID
	deleted bool // single calls delete and import it; else it is always there
	balance atomic.Int64
	kicked  atomic.Int64 // the highest ValidFrom that a kick or a delete was answered for
	tag     int          // the last value set; its one worker's
}

// churnLong imports long batches while others import, delete, kick, check and change some
// of their names. No answered call may be lost.
func churnLong(c *client, seed uint64) {
	const singles, rounds, perWorker = 4, 3, 6
	names := longNames(0, longSize)
	hots := make([]*hot, 0, singles*perWorker)
	for i := range singles * perWorker {
		hots = append(hots, &hot{id: names[(i+1)*longSize/(singles*perWorker+1)], deleted: i%2 == 0})
		if i%2 == 1 {
			c.importIDs(40, hots[i].id)
			hots[i].balance.Store(1)
		}
	}
	byID := make(map[account.UserID]*hot)
	for _, h := range hots {
		byID[h.id] = h
	}
	long := make([][][]account.Imported, 2)
	var running atomic.Int64
	running.Store(2)
	st := c.store()
	c.together(2+singles, func(w int) error {
		if w >= 2 {
			return churnSingles(c.Context(), st, c.app, rand.New(rand.NewPCG(seed, uint64(w))), hots[(w-2)*perWorker:][:perWorker], &running)
		}
		defer running.Add(-1)
		for round := range rounds {
			b := account.Batch{Entries: entries(names...), At: 50, TinyIDs: w+round == 0}
			for i := range b.Entries {
				if byID[b.Entries[i].UserID] != nil && round > 0 {
					b.Entries[i].Nick = fmt.Sprint(w, round)
				}
			}
			got, err := st.Import(c.Context(), c.app, b)
			if err != nil {
				return err
			}
			long[w] = append(long[w], got)
		}
		return nil
	})
	settleLong(c, names, byID, long)
}

// churnSingles calls until the long batches are through. Its names are no other worker's.
func churnSingles(ctx context.Context, st store.Store, app account.SDKAppID, rng *rand.Rand, hots []*hot, running *atomic.Int64) error {
	for n := int64(1); running.Load() > 0; n++ {
		h := hots[rng.IntN(len(hots))]
		ids := []account.UserID{h.id}
		switch op := rng.IntN(6); {
		case op < 2 && h.deleted:
			got, err := st.Delete(ctx, app, ids, n)
			if err != nil {
				return err
			}
			if got[0] {
				h.balance.Add(-1)
				h.kicked.Store(n)
			}
		case op < 2:
			h.tag++
			found, err := st.SetProfile(ctx, app, h.id, account.ProfileChange{Attrs: []account.Attr{{Tag: "t", Value: strconv.Itoa(h.tag)}}})
			if err != nil || !found {
				return fmt.Errorf("SetProfile of %q gave %v, %w", h.id, found, err)
			}
		case op == 2:
			got, err := st.Import(ctx, app, account.Batch{Entries: entries(ids...), At: 50})
			if err != nil {
				return err
			}
			if got[0].Status == account.Created {
				h.balance.Add(1)
			}
		case op == 3:
			found, err := st.Kick(ctx, app, ids, n)
			if err != nil {
				return err
			}
			if found[0] {
				h.kicked.Store(n)
			}
		default:
			a, err := st.Get(ctx, app, ids)
			if err != nil {
				return err
			}
			if !h.deleted && (!a[0].Exists() || a[0].ValidFrom != h.kicked.Load()) {
				return fmt.Errorf("Get gave %+v; it was there always and its ValidFrom is %d", a[0], h.kicked.Load())
			}
		}
		runtime.Gosched()
	}
	return nil
}

// settleLong checks what is left once all calls of churnLong have returned.
func settleLong(c *client, names []account.UserID, hots map[account.UserID]*hot, long [][][]account.Imported) {
	c.Helper()
	created := make([]int64, len(names))
	for _, results := range long {
		for _, got := range results {
			if len(got) != len(names) {
				c.Fatalf("Import gave %d results for %d entries", len(got), len(names))
			}
			for i, im := range got {
				if im.Status == account.Created {
					created[i]++
				}
			}
		}
	}
	there := make(map[account.UserID]account.Account)
	owners := make(map[account.TinyID]account.UserID)
	for _, a := range c.listAll(len(names) + 1) {
		if other, taken := owners[a.TinyID]; taken {
			c.Fatalf("%q and %q have the TinyID %d", other, a.UserID, a.TinyID)
		}
		owners[a.TinyID] = a.UserID
		there[a.UserID] = a
	}
	total := 0
	for i, id := range names {
		left := created[i]
		if h := hots[id]; h != nil {
			left += h.balance.Load()
			c.settleHot(h, c.getOne(id))
		}
		if exists := there[id].Exists(); left != 0 && left != 1 || exists != (left == 1) {
			c.Fatalf("%q: created less deleted is %d, List says it is there: %v", id, left, exists)
		}
		total += int(left)
	}
	c.wantExactCount(total)
}

func (c *client) settleHot(h *hot, a account.Account) {
	c.Helper()
	if a.ValidFrom != h.kicked.Load() {
		c.Errorf("%q: ValidFrom is %d, it was raised to %d", h.id, a.ValidFrom, h.kicked.Load())
	}
	if h.tag > 0 && (len(a.Profile.Attrs) != 1 || a.Profile.Attrs[0].Value != strconv.Itoa(h.tag)) {
		c.Errorf("%q: the profile's tags are %v, the last set is %d", h.id, a.Profile.Attrs, h.tag)
	}
}

// repeatLong gives long batches up at some moment and repeats them, several at a time. In
// the end every name must be there, once.
func repeatLong(c *client, seed uint64) {
	const callers = 3
	names := longNames(0, longSize)
	c.together(callers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		b := account.Batch{Entries: entries(names...), At: 50}
		for try := range 3 {
			ctx, cancel := context.WithCancel(c.Context())
			if try < 2 {
				go cancelAfter(rng.Int64N(1<<rng.IntN(16)), cancel)
			}
			_, err := c.store().Import(ctx, c.app, b)
			ended := ctx.Err() != nil
			cancel()
			if err != nil && (!ended || !errors.Is(err, context.Canceled)) {
				return err
			}
		}
		return nil
	})
	owners := make(map[account.TinyID]account.UserID)
	for _, a := range c.listAll(len(names) + 1) {
		if other, taken := owners[a.TinyID]; taken {
			c.Fatalf("%q and %q have the TinyID %d", other, a.UserID, a.TinyID)
		}
		owners[a.TinyID] = a.UserID
	}
	c.wantExactCount(len(names))
}

// cancelAfter lets the others go on n times before it cancels.
func cancelAfter(n int64, cancel func()) {
	for range n {
		runtime.Gosched()
	}
	cancel()
}
