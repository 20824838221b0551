package bulk_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/bulk"
)

// inputOf makes up an input of so many rows: names that repeat, Nicks, rows that the service
// refuses and rows that cannot be read.
func inputOf(format bulk.Format, rows int, rng *rand.Rand) string {
	var b strings.Builder
	if format == bulk.CSV {
		b.WriteString("UserID,Nick\n")
	}
	for range rows {
		name, nick := fmt.Sprint("user_", rng.IntN(1+rows/2+rng.IntN(10))), ""
		switch rng.IntN(20) {
		case 0:
			name = fmt.Sprint(badName, rng.IntN(5))
		case 1:
			nick = strings.Repeat("x", maxNick+1)
		case 2, 3, 4:
			nick = fmt.Sprint("Nick ", rng.IntN(1000))
		case 5:
			nick = "a \"Nick\"\nof two lines,"
		case 6:
			b.WriteString([]string{"\n", " \n", "\xff\n", "a\x00b\n", "\r\n"}[rng.IntN(5)])
			continue
		case 7:
			if format != bulk.Names {
				b.WriteString([]string{"one,two,three\n", "x\"y,z\n", "{\"UserID\":5}\n", "{\n"}[rng.IntN(4)])
				continue
			}
		}
		switch format {
		case bulk.CSV:
			fmt.Fprintf(&b, "%s,\"%s\"\n", name, strings.ReplaceAll(nick, `"`, `""`))
		case bulk.NDJSON:
			row, _ := json.Marshal(map[string]string{"UserID": name, "Nick": nick})
			b.Write(append(row, '\n'))
		default:
			b.WriteString(name + "\n")
		}
	}
	text := b.String()
	if rng.IntN(4) == 0 {
		text = strings.TrimSuffix(text, "\n")
	}
	return text
}

// importing is an import that is interrupted and resumed until it is through.
type importing struct {
	t       *rapid.T
	dir     string
	text    string
	reader  bulk.ReaderOptions
	rng     *rand.Rand
	service *service
	sum     bulk.Summary
	clock   time.Time
	saves   int // there is a checkpoint after so many steps
}

func (i *importing) checkpoint() string { return filepath.Join(i.dir, "checkpoint") }
func (i *importing) rejects() string    { return filepath.Join(i.dir, "rejects") }

// run makes one attempt, with the door, the interruption and the faults that chance wants,
// or without any if it is the last.
func (i *importing) run(last bool) (finished bool) {
	r, err := bulk.NewReader("in", strings.NewReader(i.text), i.reader)
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := i.watch(cancel, last)
	o := bulk.Options{
		Service: i.service, SDKAppID: 7, Door: []bulk.Door{bulk.Calls, bulk.Stream}[i.rng.IntN(2)], Concurrency: 1 + i.rng.IntN(5),
		Checkpoint: i.checkpoint(), Resume: true, Rejects: i.rejects(), Wait: noWait,
		OnReject: func(r bulk.Reject) {
			watch.tick()
			if r.Line <= watch.rejected {
				i.t.Errorf("line %d was rejected behind line %d", r.Line, watch.rejected)
			}
			watch.rejected = r.Line
		},
		OnProgress: func(s bulk.Summary) {
			watch.tick()
			if s.Line < watch.line || s.Line < s.Resumed {
				i.t.Errorf("it was at line %d, and now %d; resumed behind %d", watch.line, s.Line, s.Resumed)
			}
			watch.line = s.Line
		},
		Now: func() time.Time {
			if i.rng.IntN(i.saves) == 0 {
				i.clock = i.clock.Add(time.Second) // time for a checkpoint
			}
			return i.clock
		},
	}
	i.sum, err = bulk.Import(ctx, r, o)
	if watch.killed != nil {
		watch.killed.restore(i.t)
		return false
	}
	i.check(ctx, err)
	return err == nil
}

// check checks what holds at the end of every attempt.
func (i *importing) check(ctx context.Context, err error) {
	if i.sum.Finished != (err == nil) {
		i.t.Fatalf("finished is %v, the error is %v", i.sum.Finished, err)
	}
	if err != nil && i.service.chance == nil && !errors.Is(err, ctx.Err()) {
		i.t.Fatalf("without a fault: %v", err)
	}
	_, statErr := os.Stat(i.checkpoint())
	if there := statErr == nil; there != (i.sum.Checkpoint != "") || err == nil && there || err != nil && !there && i.sum.Line > 0 {
		i.t.Fatalf("line %d, the summary names the checkpoint %q, there is: %v; the error was %v", i.sum.Line, i.sum.Checkpoint, statErr, err)
	}
	if _, err := os.Stat(i.checkpoint() + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		i.t.Fatalf("a temporary file is left, %v", err)
	}
}

// watcher interrupts a run after some events.
type watcher struct {
	tick     func()
	killed   *disk // what a killed run left; nil if it was not killed
	rejected int64
	line     int64
}

// watch makes ready for one attempt.
func (i *importing) watch(cancel func(), last bool) *watcher {
	s, w := i.service, &watcher{tick: func() {}}
	s.event, s.chance, s.dead = nil, nil, false
	if last {
		return w
	}
	if rate := i.rng.IntN(40); rate > 0 {
		s.chance = func() bool { return s.rand.IntN(rate+3) == 0 }
	}
	// Streams have an event a row, calls a few for a hundred.
	left, kill := i.rng.IntN(1<<i.rng.IntN(3+bits.Len(uint(len(i.text)/8)))), i.rng.IntN(2) == 0
	if left == 0 {
		cancel()
	}
	events := make(chan struct{}, 1) // a mutex that guards left
	w.tick = func() {
		events <- struct{}{}
		defer func() { <-events }()
		if left--; left != 0 {
			return
		}
		if kill {
			s.mu.Lock()
			s.dead = true
			s.mu.Unlock()
			w.killed = i.disk()
		}
		cancel()
	}
	s.event = w.tick
	return w
}

// disk is what there is on disk at a moment.
type disk map[string][]byte

// disk notes it, the checkpoint first: what is written to the rejects meanwhile is behind.
func (i *importing) disk() *disk {
	d := disk{}
	for _, path := range []string{i.checkpoint(), i.rejects()} {
		if text, err := os.ReadFile(path); err == nil {
			d[path] = text
		} else {
			d[path] = nil
		}
	}
	return &d
}

func (d disk) restore(t *rapid.T) {
	for path, text := range d {
		var err error
		if text == nil {
			err = os.RemoveAll(path)
		} else {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportAnyhow imports random inputs by either door into a service with faults, interrupts
// and kills the import at any moment, and goes on until it is through: then the accounts are
// those of the input, and each bad row is in the file of rejects once.
func TestImportAnyhow(t *testing.T) {
	t.Parallel() // it waits for the disk
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		format := rapid.SampledFrom([]bulk.Format{bulk.Names, bulk.CSV, bulk.NDJSON}).Draw(t, "format")
		rows := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 300), rapid.IntRange(0, 100), rapid.IntRange(200, 600), rapid.SampledFrom([]int{300, 1000, 4200, 9000})).Draw(t, "rows")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		s := newService()
		s.rand = rand.New(rand.NewPCG(rng.Uint64(), 0))
		s.noCount, s.noDetail = rng.IntN(2) == 0, rng.IntN(2) == 0
		s.refuses, s.noStream = rng.IntN(4) == 0, rng.IntN(4) == 0
		i := &importing{
			t: t, dir: filepath.Join(dir, strconv.Itoa(n)), text: inputOf(format, rows, rng),
			reader: bulk.ReaderOptions{Format: format}, rng: rng, service: s, clock: time.Unix(1_800_000_000, 0), saves: 1 + rng.IntN(1+rows/50),
		}
		if err := os.Mkdir(i.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		attempts := rapid.IntRange(0, 15).Draw(t, "attempts")
		for attempt := 0; !i.run(attempt == attempts); attempt++ {
			if attempt == attempts {
				t.Fatal("the last attempt did not finish")
			}
		}
		i.checkEnd(modelOf(t, i.text, i.reader))
	})
}

// checkEnd compares what became of an import with what should have.
func (i *importing) checkEnd(want *model) {
	if diff := cmp.Diff(want.accounts, i.service.accounts, cmp.AllowUnexported(account{})); diff != "" {
		i.t.Fatalf("accounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.rejects, readRejects(i.t, i.rejects()), cmpopts.EquateEmpty()); diff != "" {
		i.t.Fatalf("rejects (-want +got):\n%s", diff)
	}
	if n := int64(len(want.rejects)); i.sum.Rows() != want.rows || i.sum.Rejected != n {
		i.t.Fatalf("%+v, want %d rows, %d rejected", i.sum.Counts, want.rows, n)
	}
}

func readRejects(tb failer, path string) (out []bulk.Reject) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil || len(records) == 0 || strings.Join(records[0], ",") != "Row,UserID,Code,Reason" {
		tb.Fatalf("the rejects are %q, error %v", records, err)
	}
	for _, r := range records[1:] {
		line, _ := strconv.ParseInt(r[0], 10, 64)
		code, _ := strconv.Atoi(r[2])
		out = append(out, bulk.Reject{Line: line, UserID: r[1], Code: code, Reason: r[3]})
	}
	return out
}
