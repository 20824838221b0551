package crashtest_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

// TestImportKilled imports files with muster import, through both doors, while the importer
// and the server are killed some MUSTER_CRASH_CYCLES times for each door, 6 if that is not
// set. In the end the server has exactly what the file says.
func TestImportKilled(t *testing.T) {
	cycles := crashCycles(t)
	exe := buildServer(t)
	doors := []door{
		// At its full speed this one would be through before anything could be killed.
		{name: "calls", rows: 60_000, args: []string{"--rate=200", "--concurrency=16"}, pause: 1200 * time.Millisecond},
		{name: "stream", rows: 600_000, args: []string{"--stream", "--rate=0"}, pause: 350 * time.Millisecond},
	}
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			// One or two kills that are left are not worth another file.
			for left := cycles; (left == cycles || left > 2) && !t.Failed(); {
				left -= max(importKilled(t, exe, d, rng, min(left, 6)), 1)
			}
		})
	}
}

// door is a way to import.
type door struct {
	name  string
	rows  int
	args  []string
	pause time.Duration // between two kills, at the most
}

// importKilled imports one file into one new store, killing something up to kills times,
// and returns how often that was.
func importKilled(t *testing.T, exe string, d door, rng *rand.Rand, kills int) int {
	dir := t.TempDir()
	want := writeInput(t, filepath.Join(dir, "in.csv"), d.rows, rng)
	i := &interrupted{
		t: t, exe: exe, dir: dir, args: d.args, rng: rng, tinyIDs: make([]uint64, len(want.accounts)),
	}
	i.server = start(t, exe, i.store())
	i.listen = strings.TrimPrefix(i.server.base, "http://")
	i.run = i.startImport()
	done := 0
	for done < kills && i.goesOn(time.Duration(rng.Int64N(int64(d.pause)))) {
		i.kill()
		if done++; done%2 == 0 || i.middle == 0 {
			i.middle = i.compareTinyIDs(nil)
		}
	}
	for i.goesOn(time.Minute) {
		t.Fatalf("the import does not end; it said\n%s", i.run.stderr)
	}
	i.verify(want)
	t.Logf("%d kills (%s), %d accounts, of which %d were exported in the middle", done, strings.Join(i.log, " "), i.last, i.middle)
	return done
}

// interrupted is an import that is killed now and then.
type interrupted struct {
	t      *testing.T
	exe    string
	dir    string
	listen string
	args   []string
	rng    *rand.Rand
	log    []string

	server *server
	run    *importRun
	starts int

	tinyIDs      []uint64 // by number, as they were first seen
	middle, last int      // how many were seen before the end and at the end
}

func (i *interrupted) store() string { return filepath.Join(i.dir, "store") }

// importRun is one run of muster import.
type importRun struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr *tail
	exited chan struct{}
}

// importSummary is what muster import --json prints.
type importSummary struct {
	Rows     int  `json:"rows"`
	Rejected int  `json:"rejected"`
	Finished bool `json:"finished"`
}

func (i *interrupted) startImport() *importRun {
	i.t.Helper()
	if i.starts++; i.starts > 100 {
		i.t.Fatalf("the import was started %d times; the last one said\n%s", i.starts, i.run.stderr)
	}
	run := &importRun{stderr: &tail{}, exited: make(chan struct{})}
	args := append([]string{
		"import", filepath.Join(i.dir, "in.csv"), "--resume", "--json", "--url=http://" + i.listen,
		fmt.Sprintf("--sdkappid=%d", sdkAppID), "--key=" + key, "--admin=" + admin, "--rejects=" + filepath.Join(i.dir, "rejects.csv"),
	}, i.args...)
	run.cmd = exec.CommandContext(context.WithoutCancel(i.t.Context()), i.exe, args...)
	run.cmd.Stdout, run.cmd.Stderr = &run.stdout, run.stderr
	if err := run.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() {
		_ = run.cmd.Wait()
		close(run.exited)
	}()
	i.t.Cleanup(func() {
		_ = run.cmd.Process.Kill()
		<-run.exited
	})
	return run
}

// summary returns what the run, which has exited, has printed.
func (r *importRun) summary() (s importSummary) {
	_ = json.Unmarshal(r.stdout.Bytes(), &s) // one that was killed has printed nothing
	return s
}

// goesOn waits for some time and reports whether the import still runs then. One that had
// to stop is started again.
func (i *interrupted) goesOn(d time.Duration) bool {
	i.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-i.run.exited:
		}
		if i.run.summary().Finished {
			return false
		}
		i.log = append(i.log, fmt.Sprintf("exit=%d", i.run.cmd.ProcessState.ExitCode()))
		i.run = i.startImport()
	}
}

// kill kills the importer, the server, or both, or interrupts the importer as Ctrl-C does,
// and starts again what does not run any more.
func (i *interrupted) kill() {
	i.t.Helper()
	what := []string{"importer", "server", "both", "interrupt"}[i.rng.IntN(4)]
	i.log = append(i.log, what)
	switch what {
	case "interrupt":
		_ = i.run.cmd.Process.Signal(os.Interrupt)
		<-i.run.exited
		if code := i.run.cmd.ProcessState.ExitCode(); code != 3 && !i.run.summary().Finished && !strings.Contains(i.run.stderr.String(), "before anything") {
			i.t.Errorf("interrupted, the importer ended with exit status %d; it said\n%s", code, i.run.stderr)
		}
	case "importer", "both":
		_ = i.run.cmd.Process.Kill()
		<-i.run.exited
	}
	if what == "server" || what == "both" {
		i.server.kill()
		i.server = startAt(i.t, i.exe, i.store(), i.listen)
	}
	select {
	case <-i.run.exited:
		if !i.run.summary().Finished {
			i.run = i.startImport()
		}
	default:
	}
}

// compareTinyIDs exports all accounts but the admin's. It notes TinyIDs that it sees for the
// first time, and all others must be as they were. It returns how many accounts there are.
// each may be nil.
func (i *interrupted) compareTinyIDs(each func(number int, a imclient.Exported) error) (accounts int) {
	i.t.Helper()
	_, err := i.server.client(i.t).BulkExport(i.t.Context(), imclient.BulkExportOptions{}, func(line []byte) error {
		a, err := imclient.DecodeExported(line)
		if err != nil || a.UserID == admin {
			return err
		}
		accounts++
		digits, _ := strings.CutPrefix(a.UserID, namePrefix)
		number, err := strconv.Atoi(digits)
		if err != nil || number < 0 || number >= len(i.tinyIDs) {
			return fmt.Errorf("the account %q is of no file", a.UserID)
		}
		if first := i.tinyIDs[number]; first != 0 && first != a.TinyID {
			return fmt.Errorf("%s had the TinyID %d and has %d", a.UserID, first, a.TinyID)
		}
		i.tinyIDs[number] = a.TinyID
		if each == nil {
			return nil
		}
		return each(number, a)
	})
	if err != nil {
		i.t.Errorf("export: %v", err)
	}
	return accounts
}

// verify compares what there is with what the file says.
func (i *interrupted) verify(want input) {
	i.t.Helper()
	if s, code := i.run.summary(), i.run.cmd.ProcessState.ExitCode(); code != 1 || s.Rows != want.rows || s.Rejected != want.rejected {
		i.t.Errorf("the import ended with exit status %d and %+v, want 1 and %d rows, %d of them rejected; it said\n%s", code, s, want.rows, want.rejected, i.run.stderr)
	}
	rejects, err := os.ReadFile(filepath.Join(i.dir, "rejects.csv"))
	if err != nil {
		i.t.Fatal(err)
	}
	if diff := cmp.Diff(want.rejects, string(rejects)); diff != "" {
		i.t.Errorf("the rejects, -want +got:\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(i.dir, "in.csv.checkpoint")); !errors.Is(err, os.ErrNotExist) {
		i.t.Errorf("the checkpoint is still there: %v", err)
	}
	next := 0 // the number behind the last account
	i.last = i.compareTinyIDs(func(number int, a imclient.Exported) error {
		for ; next < number; next++ {
			if want.accounts[next].there {
				return fmt.Errorf("account %d is not there", next)
			}
		}
		next = number + 1
		if nick := want.accounts[number].nick(); !want.accounts[number].there || a.Nick != nick {
			return fmt.Errorf("%+v is there; its Nick should be %q", a, nick)
		}
		return nil
	})
	if slices.ContainsFunc(want.accounts[next:], func(w wanted) bool { return w.there }) {
		i.t.Errorf("accounts behind number %d are not there", next)
	}
	ids := slices.DeleteFunc(i.tinyIDs, func(id uint64) bool { return id == 0 })
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != i.last {
		i.t.Errorf("%d accounts have %d different TinyIDs", i.last, n)
	}
	i.server.stop(i.t)
	fsck(i.t, i.exe, i.store())
}

// input is what a file says.
type input struct {
	rows, rejected int
	accounts       []wanted // by number
	rejects        string   // the file of rejects
}

// wanted is the account that has a number, if there is one.
type wanted struct {
	there bool
	row   int // of the file, that has its last Nick
	kind  int // of that Nick; 0 if there is none
}

// nick returns its Nick.
func (w wanted) nick() string { return string(appendNick(nil, w.row, w.kind)) }

func appendNick(dst []byte, row, kind int) []byte {
	switch kind {
	case 1:
		return append(strconv.AppendInt(append(dst, "Nick, \"the\" "...), int64(row), 10), "\nof two lines"...)
	case 2:
		return strconv.AppendInt(append(dst, "Nick "...), int64(row), 10)
	default:
		return dst
	}
}

const namePrefix = "acc_"

// writeInput writes a CSV in which names are in no order and some stand several times, with
// other Nicks or none, and some rows are bad.
func writeInput(t *testing.T, path string, rows int, rng *rand.Rand) input {
	t.Helper()
	numbers := 1 << bits.Len(uint(rows)) // with an odd factor each comes once
	factor := rng.IntN(numbers) | 1
	in := input{rows: rows, accounts: make([]wanted, numbers)}
	var rejects strings.Builder
	list := csv.NewWriter(&rejects)
	_ = list.Write([]string{"Row", "UserID", "Code", "Reason"}) // a strings.Builder takes everything
	text := []byte("UserID,Nick\n")
	line := 2
	for row := range rows {
		dice := rng.IntN(2000)
		if dice < len(badRows) {
			bad := badRows[dice]
			text = append(append(text, bad.text...), '\n')
			_ = list.Write([]string{strconv.Itoa(line), bad.userID, "70402", bad.reason})
			in.rejected++
			line++
			continue
		}
		n := row
		if dice < 200 {
			n = rng.IntN(row + 1) // one that was there, or should have been but for a bad row
		}
		n = n * factor % numbers
		kind := dice % 5
		text = append(text, namePrefix...)
		text = append(text, strconv.Itoa(10_000_000 + n)[1:]...)
		text = appendField(append(text, ','), appendNick(nil, row, kind))
		text = append(text, '\n')
		line++
		in.accounts[n].there = true
		switch kind {
		case 1:
			line++
			fallthrough
		case 2:
			in.accounts[n].row, in.accounts[n].kind = row, kind
		}
	}
	list.Flush()
	in.rejects = rejects.String()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return in
}

// appendField appends a field of a CSV.
func appendField(dst, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\n") {
		return append(dst, field...)
	}
	field = bytes.ReplaceAll(field, []byte{'"'}, []byte{'"', '"'})
	return append(append(append(dst, '"'), field...), '"')
}

// badRows are rows that cannot be imported.
var badRows = []struct{ text, userID, reason string }{
	{"two words,x", "two words", "the UserID has the byte 0x20 at 3; only printable ASCII without spaces is allowed"},
	{"three,columns,here", "three", "the row has 3 columns, the header 2"},
	{",Nobody", "", "UserID is empty"},
	{"012345678901234567890123456789012,", "012345678901234567890123456789012", "the UserID has 33 bytes, the limit is 32"},
	{"n\x00l,x", "n\x00l", "the row has a NUL byte"},
	{"bad,\xff", "bad", "the row is not UTF-8"},
}
