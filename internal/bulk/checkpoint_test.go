package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
)

// names is an input of which the tests here import a part.
var names = strings.Repeat("ann\nbob\nbad1\neve\n", 100)

// stop imports a part of names into an App and leaves its checkpoint and rejects, in which
// there are some already.
func stop(t *testing.T, dir string) (o bulk.Options, sum bulk.Summary) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o = bulk.Options{
		Service: newService(), SDKAppID: 7, Concurrency: 1, Wait: noWait,
		Checkpoint: filepath.Join(dir, "c"), Rejects: filepath.Join(dir, "r"), Resume: true,
		OnProgress: func(bulk.Summary) { cancel() },
	}
	sum, err := bulk.Import(ctx, newReader(t, names, bulk.ReaderOptions{}), o)
	if !errors.Is(err, context.Canceled) || sum.Checkpoint != o.Checkpoint || sum.Line == 0 || sum.Line == 400 || sum.Finished {
		t.Fatalf("%+v, error %v", sum, err)
	}
	o.OnProgress = nil
	return o, sum
}

func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	o, sum := stop(t, dir)
	text, err := os.ReadFile(o.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Version      int
		SDKAppID     uint64
		Format       bulk.Format
		Position     bulk.Position
		Line         int64
		Counts       bulk.Counts
		RejectsSize  int64 `json:"rejects_size"`
		Saved        time.Time
		KeepTinyIDs  bool `json:"keep_tinyids"`
		NothingOther bool
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	rejects, err := os.Stat(o.Rejects)
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != 1 || c.SDKAppID != 7 || c.Format != bulk.Names || c.Position.Line != c.Line || c.Line != sum.Line ||
		c.Counts != sum.Counts || c.RejectsSize != rejects.Size() || c.KeepTinyIDs || time.Since(c.Saved) > time.Hour {
		t.Errorf("the checkpoint is %s", text)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("there are %v, error %v", left, err)
	}

	sum, err = bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o)
	if want := (bulk.Counts{Created: 3, Existed: 3 * 3, Repeated: 400 - 100 - 4*3, Rejected: 100}); err != nil || sum.Counts != want || !sum.Finished || sum.Resumed != c.Line || sum.Before != c.Counts {
		t.Errorf("%+v, error %v; want %+v", sum, err, want)
	}
	if _, err := os.Stat(o.Checkpoint); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the checkpoint is still there, %v", err)
	}
}

// TestNoCheckpoint holds that there need not be one, and that the rejects are whole all the
// same.
func TestNoCheckpoint(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := bulk.Options{Service: newService(), Concurrency: 1, Rejects: writeFile(t, "r", bytes.Repeat([]byte("something old\n"), 10_000))}
		if stopped {
			o.OnProgress = func(bulk.Summary) { cancel() }
		}
		sum, err := bulk.Import(ctx, newReader(t, names, bulk.ReaderOptions{}), o)
		if (err != nil) != stopped || sum.Checkpoint != "" {
			t.Errorf("%+v, error %v", sum, err)
		}
		if n := len(readRejects(t, o.Rejects)); n == 0 || int64(n) != sum.Rejected || (n < 100) != stopped {
			t.Errorf("%d rejects, %+v", n, sum)
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	number := func(text string) string { return strings.Replace(text, `"rejects_size": `, `"rejects_size": 9`, 1) }
	for _, tt := range []struct {
		name   string
		change func(text string) string
		input  string // names if ""
		o      bulk.ReaderOptions
		adjust func(*bulk.Options)
		want   string // DIR is the directory
	}{
		{"empty", func(string) string { return "" }, "", bulk.ReaderOptions{}, nil, "DIR/c: it is no checkpoint of muster import"},
		{"cut off", func(text string) string { return text[:len(text)/2] }, "", bulk.ReaderOptions{}, nil, "DIR/c: it is no checkpoint of muster import"},
		{"another file", func(string) string { return names }, "", bulk.ReaderOptions{}, nil, "DIR/c: it is no checkpoint of muster import"},
		{"another JSON", func(string) string { return `{"name":"x"}` }, "", bulk.ReaderOptions{}, nil, "DIR/c: it is no checkpoint of muster import"},
		{"a number below", func(text string) string { return strings.Replace(text, `"version": 1`, `"version": -1`, 1) }, "", bulk.ReaderOptions{}, nil, "DIR/c: it is no checkpoint of muster import"},
		{"large", func(text string) string { return text + strings.Repeat(" ", 64<<10-len(text)+1) }, "", bulk.ReaderOptions{}, nil, "DIR/c: it has 65537 bytes and is no checkpoint"},
		{"newer", func(text string) string { return strings.Replace(text, `"version": 1`, `"version": 2`, 1) }, "", bulk.ReaderOptions{}, nil, "DIR/c: it was written by a newer version of Muster"},
		{"other App", nil, "", bulk.ReaderOptions{}, func(o *bulk.Options) { o.SDKAppID = 8 }, "DIR/c: the checkpoint is of App 7, the import is into App 8"},
		{"other format", nil, "UserID\nann\n", bulk.ReaderOptions{}, nil, "DIR/c: the checkpoint is of a file that was read as names, this one is read as csv"},
		{"other choice", nil, "", bulk.ReaderOptions{KeepTinyIDs: true}, func(o *bulk.Options) { o.KeepTinyIDs = true }, "DIR/c: the checkpoint is of an import with another choice of --keep-tinyids"},
		{"other input", nil, strings.Replace(names, "bob", "bop", 1), bulk.ReaderOptions{}, nil, "DIR/c: in:LINE: the checkpoint is not of this input: the BYTES bytes before the checkpoint are not the same"},
		{"shorter input", nil, "ann\n", bulk.ReaderOptions{}, nil, "DIR/c: in:LINE: the checkpoint is not of this input: the input ends after 4 bytes, the checkpoint stands at byte BYTES"},
		{"other rejects", number, "", bulk.ReaderOptions{}, nil, "rejects: DIR/r has SIZE bytes, with the checkpoint it had 9SIZE: it is another file"},
		{"no directory of rejects", nil, "", bulk.ReaderOptions{}, func(o *bulk.Options) { o.Rejects += "/r" }, "rejects: open DIR/r/r: not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			o, sum := stop(t, dir)
			text, err := os.ReadFile(o.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				text = []byte(tt.change(string(text)))
			}
			if err := os.WriteFile(o.Checkpoint, text, 0o600); err != nil {
				t.Fatal(err)
			}
			rejects, err := os.ReadFile(o.Rejects)
			if err != nil {
				t.Fatal(err)
			}
			if tt.adjust != nil {
				tt.adjust(&o)
			}
			if tt.input == "" {
				tt.input = names
			}
			_, err = bulk.Import(t.Context(), newReader(t, tt.input, tt.o), o)
			want := strings.NewReplacer("DIR", dir, "LINE", itoa(sum.Line), "BYTES", itoa(sum.Line/4*17), "SIZE", itoa(int64(len(rejects)))).Replace(tt.want)
			if err == nil || err.Error() != "bulk: import: "+want {
				t.Errorf("error %v\nwant bulk: import: %s", err, want)
			}
			if after, err := os.ReadFile(o.Checkpoint); err != nil || string(after) != string(text) {
				t.Errorf("the checkpoint has changed, %v", err)
			}
			if after, err := os.ReadFile(filepath.Join(dir, "r")); err != nil || string(after) != string(rejects) {
				t.Errorf("the rejects have changed, %v", err)
			}
		})
	}
}

func TestCheckpointIsADirectory(t *testing.T) {
	dir := t.TempDir()
	o := bulk.Options{Service: newService(), Checkpoint: dir, Resume: true}
	if _, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err == nil || err.Error() != "bulk: import: read "+dir+": is a directory" {
		t.Errorf("error %v", err)
	}
}

// TestCheckpointCannotBeWritten holds that the one before stays, and that the import says so.
func TestCheckpointCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	o, _ := stop(t, dir)
	before, err := os.ReadFile(o.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(o.Checkpoint+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o)
	if err == nil || !strings.Contains(err.Error(), "write the checkpoint: open "+o.Checkpoint+".tmp: is a directory") || sum.Finished {
		t.Errorf("%+v, error %v", sum, err)
	}
	if after, err := os.ReadFile(o.Checkpoint); err != nil || string(after) != string(before) {
		t.Errorf("it has changed, error %v", err)
	}
	if err := os.Remove(o.Checkpoint + ".tmp"); err != nil {
		t.Fatal(err)
	}
	if sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err != nil || sum.Rows() != 400 || len(readRejects(t, o.Rejects)) != 100 {
		t.Errorf("%+v, error %v", sum, err)
	}
}

// TestBeginAnew holds that an import which is not to resume replaces the checkpoint and the
// rejects as soon as something is done, and touches neither before.
func TestBeginAnew(t *testing.T) {
	dir := t.TempDir()
	o, before := stop(t, dir)
	o.Resume = false
	s := o.Service.(*service)
	s.rand, s.chance = newService().rand, func() bool { return true }
	if sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err == nil || sum.Line != 0 || sum.Checkpoint != "" {
		t.Fatalf("%+v, error %v", sum, err)
	}
	if n := len(readRejects(t, o.Rejects)); int64(n) != before.Rejected {
		t.Errorf("%d rejects are left of %d", n, before.Rejected)
	}
	s.chance = nil
	ctx, cancel := context.WithCancel(t.Context())
	o.OnProgress = func(bulk.Summary) { cancel() }
	o.Now = func() time.Time { return time.Unix(1, 0) } // never time for a second one
	sum, err := bulk.Import(ctx, newReader(t, names, bulk.ReaderOptions{}), o)
	if !errors.Is(err, context.Canceled) || sum.Rejected != int64(len(readRejects(t, o.Rejects))) || sum.Created != 0 {
		t.Errorf("%+v, error %v", sum, err)
	}
	o.Resume, o.OnProgress = true, nil
	if sum, err := bulk.Import(t.Context(), newReader(t, names, bulk.ReaderOptions{}), o); err != nil || sum.Rows() != 400 || len(readRejects(t, o.Rejects)) != 100 {
		t.Errorf("%+v, error %v", sum, err)
	}
}

var _ bulk.Service = (*imclient.Client)(nil)
