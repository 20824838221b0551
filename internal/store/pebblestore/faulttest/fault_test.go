package faulttest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

const app account.SDKAppID = 1400000001

// TestFaultSweep makes the i-th operation of the file system fail, for one i after the
// other until none is left to fail. Whatever happens, opening the store again on what was
// synced must show every acknowledged account with its first TinyID, every batch whole
// or not at all, and retries must do the rest.
func TestFaultSweep(t *testing.T) { sweep(t, pebblestore.Options{}, 1) }

// TestFaultSweepByRuns does so for imports that become tables of their own. They have a
// thousand operations, of which each time others are made to fail.
func TestFaultSweepByRuns(t *testing.T) { sweep(t, pebblestore.Options{RunLength: 1}, 5) }

func sweep(t *testing.T, o pebblestore.Options, step int32) {
	t.Helper()
	if testing.Short() {
		step = max(step, 7)
	}
	runs, surfaced := 0, 0
	first := rand.Int32N(step)
	t.Logf("every %d. operation from %d on", step, first)
	for i := first; ; i += step {
		mem := vfs.NewCrashableMem()
		var ops atomic.Int32
		inject := errorfs.InjectorFunc(func(errorfs.Op) error {
			if ops.Add(1) == i+1 {
				return errorfs.ErrInjected
			}
			return nil
		})
		o.FS = errorfs.Wrap(mem, inject)
		acked, failed := writeUntilFault(t, o)
		if runs++; failed {
			surfaced++
		}
		verify(t, fmt.Sprintf("fault at %d", i), mem.CrashClone(vfs.CrashCloneCfg{}), acked)
		if t.Failed() {
			return
		}
		if ops.Load() <= i { // the run had fewer operations
			break
		}
	}
	t.Logf("%d runs, in %d of them the fault surfaced", runs, surfaced)
	if surfaced == 0 {
		t.Error("no fault ever surfaced: the sweep tests nothing")
	}
}

const batches, batchSize = 20, 10

func batch(i int) account.Batch {
	b := account.Batch{At: int64(i + 1)}
	for j := range batchSize {
		b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("user-%d-%d", i, j))})
	}
	return b
}

// devices are those that can be reached by push after the i-th save: always the same two,
// and a third every other time.
func devices(i int) (put []presence.PushDevice, remove []presence.PushKey) {
	for k := range 3 {
		d := presence.PushDevice{
			PushKey: presence.PushKey{SDKAppID: app, UserID: "user", Platform: presence.IPhone, InstanceID: fmt.Sprint(k)},
			Seen:    int64(i),
		}
		if k == 2 && i%2 == 1 {
			remove = append(remove, d.PushKey)
			continue
		}
		put = append(put, d)
	}
	return put, remove
}

// acknowledged is what a store has answered.
type acknowledged struct {
	ids map[account.UserID]account.TinyID
	// saved is the last save of devices that was answered, tried the last one that was made;
	// 0 for none.
	saved, tried int
	// sent are the numbers in the recipient's box by message; noted as soon as it was answered.
	sent map[uint32]uint64
}

// writeUntilFault imports the batches, saves devices in between, and returns what was
// acknowledged, and whether the store ever returned an error.
func writeUntilFault(t *testing.T, o pebblestore.Options) (acked acknowledged, failed bool) {
	t.Helper()
	acked.ids, acked.sent = map[account.UserID]account.TinyID{}, map[uint32]uint64{}
	s, err := pebblestore.Open("store", o)
	if err != nil {
		return acked, true
	}
	for i := range batches {
		if i == batches/2 { // a reopening turns the log into a table
			if err := s.Close(); err != nil {
				return acked, true
			}
			if s, err = pebblestore.Open("store", o); err != nil {
				return acked, true
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		out, err := s.Import(ctx, app, batch(i))
		errPush, errSend := savePush(ctx, s, i+1, &acked), sendMessages(ctx, s, uint32(i), &acked)
		cancel()
		if err := errors.Join(err, errPush, errSend); errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("a call hung although the store had failed")
		} else if err != nil {
			failed = true
		}
		for j, o := range out {
			acked.ids[batch(i).Entries[j].UserID] = o.TinyID
		}
	}
	if err := s.Close(); err != nil {
		failed = true
	}
	return acked, failed
}

func savePush(ctx context.Context, s *pebblestore.Store, i int, acked *acknowledged) error {
	put, remove := devices(i)
	acked.tried = i
	err := s.SavePush(ctx, put, remove)
	if err == nil {
		acked.saved = i
	}
	return err
}

func verify(t *testing.T, when string, fsys vfs.FS, acked acknowledged) {
	t.Helper()
	s, err := pebblestore.Open("store", pebblestore.Options{FS: fsys})
	if err != nil {
		t.Fatalf("%s: open again: %v", when, err)
	}
	defer s.Close()
	verifyPush(t, when, s, acked)
	verifyMessages(t, when, s, acked)
	seen := map[account.TinyID]account.UserID{}
	for i := range batches {
		there := verifyBatch(t, when, s, i, acked)
		if there != 0 && there != batchSize {
			t.Errorf("%s: %d of %d accounts of batch %d are there", when, there, batchSize, i)
		}
		b := batch(i)
		b.TinyIDs = true
		out, err := s.Import(t.Context(), app, b)
		if err != nil {
			t.Fatalf("%s: retry: %v", when, err)
		}
		for j, o := range out {
			if other, twice := seen[o.TinyID]; twice {
				t.Errorf("%s: %s and %s have the same TinyID", when, other, b.Entries[j].UserID)
			}
			seen[o.TinyID] = b.Entries[j].UserID
		}
	}
	if n, err := s.Count(t.Context(), app); err != nil || n != batches*batchSize {
		t.Errorf("%s: count %d (%v), want %d", when, n, err, batches*batchSize)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: close: %v", when, err)
	}
}

// verifyBatch checks the accounts of batch i and returns how many there are.
func verifyBatch(t *testing.T, when string, s *pebblestore.Store, i int, acked acknowledged) (there int) {
	t.Helper()
	var ids []account.UserID
	for _, e := range batch(i).Entries {
		ids = append(ids, e.UserID)
	}
	found, err := s.Get(t.Context(), app, ids)
	if err != nil {
		t.Fatalf("%s: get: %v", when, err)
	}
	for _, a := range found {
		if a.Exists() {
			there++
		}
		if want := acked.ids[a.UserID]; want != 0 && a.TinyID != want {
			t.Errorf("%s: %s was acknowledged with TinyID %d and has %d", when, a.UserID, want, a.TinyID)
		}
	}
	return there
}

// verifyPush checks that the devices are those of one save: the last that was acknowledged
// or one that was tried after it.
func verifyPush(t *testing.T, when string, s *pebblestore.Store, acked acknowledged) {
	t.Helper()
	var got []presence.PushDevice
	err := s.LoadPush(t.Context(), func(d presence.PushDevice) error {
		got = append(got, d)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: load push: %v", when, err)
	}
	slices.SortFunc(got, func(x, y presence.PushDevice) int { return strings.Compare(x.InstanceID, y.InstanceID) })
	for i := acked.saved; i <= acked.tried; i++ {
		want, _ := devices(i)
		if i == 0 {
			want = nil
		}
		if slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("%s: the devices are %+v, save %d was acknowledged and %d tried", when, got, acked.saved, acked.tried)
}
