package crashtest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
)

// TestCrash kills the server MUSTER_CRASH_CYCLES times, 6 if that is not set.
func TestCrash(t *testing.T) {
	cycles := crashCycles(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	exe := buildServer(t)
	dir := filepath.Join(t.TempDir(), "store")

	workers := make([]*worker, 8)
	for i := range workers {
		workers[i] = &worker{id: i, rng: rand.New(rand.NewPCG(seed, uint64(i+1))), known: map[string]string{}, gone: map[string]string{}}
	}
	for cycle := range cycles {
		s := start(t, exe, dir)
		for _, w := range workers {
			w.verify(t, s, false)
		}
		if t.Failed() {
			t.Fatalf("cycle %d: the store lost or changed what it had acknowledged", cycle)
		}
		loadThenKill(t, s, workers, time.Duration(50+rng.IntN(400))*time.Millisecond)
	}

	s := start(t, exe, dir)
	calls, accounts := 0, 0
	tinyIDs := map[string]string{}
	for _, w := range workers {
		w.verify(t, s, true)
		calls += w.acked
		accounts += len(w.known)
		for name, id := range w.known {
			if other, twice := tinyIDs[id]; twice {
				t.Errorf("%s and %s have the TinyID %s", name, other, id)
			}
			tinyIDs[id] = name
		}
	}
	s.stop(t)
	fsck(t, exe, dir)
	t.Logf("%d kills, %d acknowledged calls, %d accounts there at the end", cycles, calls, accounts)
	if calls < cycles {
		t.Errorf("only %d calls were acknowledged in %d cycles: the test proves nothing", calls, cycles)
	}
}

// crashCycles returns how often something is killed.
func crashCycles(t *testing.T) int {
	t.Helper()
	v := os.Getenv("MUSTER_CRASH_CYCLES")
	if v == "" {
		return 6
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("MUSTER_CRASH_CYCLES=%q is not a number of cycles", v)
	}
	return n
}

// fsck checks a store that no server has open.
func fsck(t *testing.T, exe, dir string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), exe, "fsck", "--store=pebble:"+dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "0 faults") {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}

// loadThenKill lets all workers call the server and kills it after a while, as soon as
// at least one call was acknowledged.
func loadThenKill(t *testing.T, s *server, workers []*worker, after time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for _, w := range workers {
		client := s.client(t)
		wg.Go(func() { w.run(t, client) })
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	<-timer.C
	s.kill()
	wg.Wait()
}

// worker owns the names that begin with its number, and remembers what became of each
// as far as the server told.
type worker struct {
	id    int
	rng   *rand.Rand
	next  int
	known map[string]string // name → TinyID of acknowledged imports
	gone  map[string]string // name → last TinyID of acknowledged deletions
	fresh []string          // names that were acknowledged since the last verify
	doubt *call             // the call under way when the server died
	acked int
}

// call is a batch of names whose import or deletion was asked for.
type call struct {
	remove bool
	names  []string
}

// run calls until a call fails, which is when the server is killed.
func (w *worker) run(t *testing.T, c *imclient.Client) {
	for {
		next := w.draw()
		err := w.do(t, c, next)
		if err == nil {
			w.acked++
			continue
		}
		if _, refused := errors.AsType[*imclient.Error](err); refused {
			t.Errorf("worker %d: %v", w.id, err)
		}
		w.doubt = &next
		return
	}
}

// draw makes the next call: mostly imports of new names, which may repeat known ones,
// and sometimes a deletion.
func (w *worker) draw() call {
	some := w.some(10)
	if len(some) > 0 && w.rng.IntN(8) == 0 {
		return call{remove: true, names: some}
	}
	names := some
	for range 1 + w.rng.IntN(90) {
		names = append(names, fmt.Sprintf("w%d-%d", w.id, w.next))
		w.next++
	}
	return call{names: names}
}

// some returns up to n of the known names.
func (w *worker) some(n int) []string {
	var names []string
	for name := range w.known {
		if len(names) >= n {
			break
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (w *worker) do(t *testing.T, c *imclient.Client, next call) error {
	if next.remove {
		results, err := c.AccountDelete(t.Context(), next.names)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Code != 0 {
				t.Errorf("worker %d: deleting %s: %d %s", w.id, r.UserID, r.Code, r.Info)
			}
			w.gone[r.UserID] = w.known[r.UserID]
			delete(w.known, r.UserID)
		}
		return nil
	}
	reply, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: next.names, Detail: true})
	if err != nil {
		return err
	}
	for _, item := range reply.Items {
		w.learn(t, item)
	}
	return nil
}

// learn compares an import's result with what is known, and remembers it.
func (w *worker) learn(t *testing.T, item imclient.ImportItem) {
	name, id := item.UserID, item.TinyID
	switch want, known := w.known[name]; {
	case item.Code != 0 || id == "":
		t.Errorf("worker %d: importing %s: %d %s", w.id, name, item.Code, item.Info)
	case known && id != want:
		t.Errorf("worker %d: %s had TinyID %s and has %s", w.id, name, want, id)
	case !known && w.gone[name] == id:
		t.Errorf("worker %d: %s was deleted and is back with its TinyID %s", w.id, name, id)
	}
	w.known[name] = id
	w.fresh = append(w.fresh, name)
}

// verify checks what the worker was told since the last time and a thousand older names,
// or everything it was ever told, and finds out what became of the call whose answer never
// came.
func (w *worker) verify(t *testing.T, s *server, everything bool) {
	t.Helper()
	c := s.client(t)
	if w.doubt != nil {
		w.settle(t, c, *w.doubt)
		w.doubt = nil
	}
	var there, deleted []string
	for name := range w.known {
		if everything || len(there) < 1000 {
			there = append(there, name)
		}
	}
	for _, name := range w.fresh {
		if _, known := w.known[name]; known && !everything {
			there = append(there, name)
		}
	}
	for name := range w.gone {
		if _, back := w.known[name]; !back {
			deleted = append(deleted, name)
		}
	}
	slices.Sort(there)
	there = slices.Compact(there)
	w.expect(t, c, there, true)
	w.expect(t, c, deleted, false)
	for batch := range slices.Chunk(there, 100) {
		if err := w.do(t, c, call{names: batch}); err != nil {
			t.Fatalf("worker %d: asking for TinyIDs: %v", w.id, err)
		}
	}
	w.fresh = w.fresh[:0]
}

// settle checks that a call in doubt happened wholly or not at all, and remembers which.
func (w *worker) settle(t *testing.T, c *imclient.Client, doubt call) {
	t.Helper()
	checked, err := c.AccountCheck(t.Context(), doubt.names)
	if err != nil {
		t.Fatalf("worker %d: check: %v", w.id, err)
	}
	fresh, there := 0, 0
	for _, r := range checked {
		_, known := w.known[r.UserID]
		if known && !doubt.remove {
			continue // it was there before, and expect will look
		}
		if fresh++; r.Imported {
			there++
		}
	}
	if there != 0 && there != fresh {
		t.Errorf("worker %d: %d of the %d accounts of a call are there", w.id, there, fresh)
	}
	for _, name := range doubt.names {
		if doubt.remove && there == 0 {
			w.gone[name] = w.known[name]
			delete(w.known, name)
		}
	}
	if !doubt.remove && there > 0 {
		if err := w.do(t, c, doubt); err != nil {
			t.Fatalf("worker %d: retry: %v", w.id, err)
		}
	}
}

// expect checks that all names are imported, or that none is.
func (w *worker) expect(t *testing.T, c *imclient.Client, names []string, imported bool) {
	t.Helper()
	for batch := range slices.Chunk(names, 100) {
		checked, err := c.AccountCheck(t.Context(), batch)
		if err != nil {
			t.Fatalf("worker %d: check: %v", w.id, err)
		}
		for _, r := range checked {
			if r.Imported != imported {
				t.Errorf("worker %d: %s is imported: %v, want %v", w.id, r.UserID, r.Imported, imported)
			}
		}
	}
}
