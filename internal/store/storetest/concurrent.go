package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
)

const importers = 100 // concurrent callers of the tests about imports

// concurrentCases show what must hold when many call at once.
func concurrentCases(seed uint64) []testCase {
	return []testCase{
		{"100 importers of one name", func(c *client) { importOverlapping(c, seed, 1, 1) }},
		{"100 importers of overlapping names", func(c *client) { importOverlapping(c, seed, 300, 20) }},
		{"counts stay exact under import, delete and kick", func(c *client) { churn(c, seed) }},
		{"imports never exceed the quota", func(c *client) { fillQuota(c) }},
		{"imports and deletes at a full quota", func(c *client) { turnQuota(c, seed) }},
		{"close while calls are under way", func(c *client) { closeUnderLoad(c) }},
		{"restores of the same TinyIDs", func(c *client) { restoreTogether(c, seed) }},
		{"fills never exceed the quota", func(c *client) { fillTogether(c) }},
		{"two overlapping long batches", overlapLong},
		{"long batches and single calls on the same names", func(c *client) { churnLong(c, seed) }},
		{"a long batch is given up and repeated", func(c *client) { repeatLong(c, seed) }},
	}
}

// together runs n goroutines that start at once and waits for them. An error ends the
// test.
func (c *client) together(n int, f func(worker int) error) {
	c.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatalf("concurrent calls: %v", err)
	}
}

// importOverlapping has many callers import a window each of one pool of names. Every
// name must be created once and have one TinyID for all of them.
func importOverlapping(c *client, seed uint64, pool, window int) {
	results := make([]map[account.UserID]account.Imported, importers)
	c.together(importers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		b := account.Batch{At: 50, TinyIDs: true}
		for _, i := range rng.Perm(pool)[:window] {
			b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("n%d", i))})
		}
		got, err := c.store().Import(c.Context(), c.app, b)
		if err != nil {
			return err
		}
		results[w] = make(map[account.UserID]account.Imported)
		for i, im := range got {
			results[w][b.Entries[i].UserID] = im
		}
		return nil
	})
	created := make(map[account.UserID]int)
	tinyIDs := make(map[account.UserID]account.TinyID)
	for _, result := range results {
		for id, im := range result {
			if im.Status == account.Created {
				created[id]++
				if err := c.learn(id, account.Restore{}, im); err != nil {
					c.Error(err)
				}
			}
			if known, ok := tinyIDs[id]; ok && known != im.TinyID {
				c.Errorf("%q got the TinyIDs %d and %d", id, known, im.TinyID)
			}
			tinyIDs[id] = im.TinyID
		}
	}
	for id, want := range tinyIDs {
		if created[id] != 1 {
			c.Errorf("%q was created %d times", id, created[id])
		}
		if got := c.getOne(id).TinyID; got != want {
			c.Errorf("%q has the TinyID %d, its importers got %d", id, got, want)
		}
	}
	c.wantExactCount(len(tinyIDs))
}

// churn mixes imports, deletes and kicks over few names. For each name what was created
// less what was deleted must be what is there.
func churn(c *client, seed uint64) {
	const workers, calls, pool = 16, 40, 12
	var balance [pool]atomic.Int64
	c.together(workers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for range calls {
			picks := rng.Perm(pool)[:1+rng.IntN(4)]
			ids := make([]account.UserID, len(picks))
			for i, p := range picks {
				ids[i] = churnName(p)
			}
			if err := churnCall(c, rng.IntN(3), ids, func(i int, by int64) { balance[picks[i]].Add(by) }); err != nil {
				return err
			}
		}
		return nil
	})
	n := 0
	for p := range pool {
		left := balance[p].Load()
		if left != 0 && left != 1 {
			c.Errorf("%q: created less deleted is %d", churnName(p), left)
		}
		if exists := c.getOne(churnName(p)).Exists(); exists != (left == 1) {
			c.Errorf("%q: created less deleted is %d, Get says it is there: %v", churnName(p), left, exists)
		}
		n += int(left)
	}
	c.wantExactCount(n)
}

func churnName(p int) account.UserID { return account.UserID(fmt.Sprintf("n%d", p)) }

// churnCall makes one call and reports the accounts that it created and deleted.
func churnCall(c *client, kind int, ids []account.UserID, changed func(i int, by int64)) error {
	ctx, st := c.Context(), c.store()
	switch kind {
	case 0:
		got, err := st.Import(ctx, c.app, account.Batch{Entries: entries(ids...), At: 50})
		for i, im := range got {
			if im.Status == account.Created {
				changed(i, 1)
			}
		}
		return err
	case 1:
		got, err := st.Delete(ctx, c.app, ids, 60)
		for i, found := range got {
			if found {
				changed(i, -1)
			}
		}
		return err
	default:
		_, err := st.Kick(ctx, c.app, ids, 60)
		return err
	}
}

// fillQuota has many callers import new names by threes under a quota that is no
// multiple of three: it ends as full as whole batches can make it.
func fillQuota(c *client) {
	const quota, size, fit = 50, 3, 48
	var created atomic.Int64
	refused := make([][]account.UserID, importers)
	c.together(importers, func(w int) error {
		var ids []account.UserID
		for i := range size {
			ids = append(ids, account.UserID(fmt.Sprintf("w%d-%d", w, i)))
		}
		_, err := c.store().Import(c.Context(), c.app, account.Batch{Entries: entries(ids...), At: 50, Quota: quota})
		if errors.Is(err, account.ErrQuota) {
			refused[w] = ids
			return nil
		}
		created.Add(size)
		return err
	})
	if got := created.Load(); got != fit {
		c.Errorf("%d accounts were created, want %d", got, fit)
	}
	for _, ids := range refused {
		if slices.Contains(c.check(ids...), true) {
			c.Errorf("of the refused batch %q something is there", ids)
		}
	}
	c.wantExactCount(fit)
}

// turnQuota replaces accounts while the App is full, and watches that Count never
// exceeds the quota.
func turnQuota(c *client, seed uint64) {
	const workers, rounds, quota = 8, 40, 5
	var balance atomic.Int64
	c.together(workers, func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for range rounds {
			ids := []account.UserID{churnName(rng.IntN(20))}
			got, err := c.store().Import(c.Context(), c.app, account.Batch{Entries: entries(ids...), At: 50, Quota: quota})
			if err != nil && !errors.Is(err, account.ErrQuota) {
				return err
			}
			if err == nil && got[0].Status == account.Created {
				balance.Add(1)
			}
			n, err := c.store().Count(c.Context(), c.app)
			if err != nil {
				return err
			}
			if n > quota {
				return fmt.Errorf("the App holds %d accounts, its quota is %d", n, quota)
			}
			if err := churnCall(c, 1, []account.UserID{churnName(rng.IntN(20))}, func(_ int, by int64) { balance.Add(by) }); err != nil {
				return err
			}
		}
		return nil
	})
	c.wantExactCount(int(balance.Load()))
}

// closeUnderLoad closes the store while calls are under way. Each must succeed or say
// that the store is closed. It returns the names whose import was acknowledged.
func closeUnderLoad(c *client) (acknowledged []account.UserID) {
	const workers = 8
	names := make([][]account.UserID, workers)
	warm := make(chan struct{}, workers)
	st := c.store()
	var closed atomic.Bool
	c.together(workers+1, func(w int) error {
		if w == workers {
			for range workers {
				<-warm
			}
			defer closed.Store(true)
			return st.Close()
		}
		for i := 0; ; i++ {
			id := account.UserID(fmt.Sprintf("w%d-%d", w, i))
			late := closed.Load()
			_, err := st.Import(c.Context(), c.app, account.Batch{Entries: entries(id), At: 50})
			if i == 0 {
				warm <- struct{}{}
			}
			if errors.Is(err, account.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
			if late {
				return fmt.Errorf("an import succeeded that began after Close had returned")
			}
			names[w] = append(names[w], id)
			runtime.Gosched() // on one processor the others would wait long
		}
	})
	return slices.Concat(names...)
}
