package bulk_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-im/muster/internal/bulk"
)

func TestResumeOtherInput(t *testing.T) {
	const text = "UserID,Nick\nann,Ann\nbob,Bob\neve,Eve"
	ends := drain(t, newReader(t, text, bulk.ReaderOptions{}), bulk.Position{}, 1).Ends
	for _, tt := range []struct {
		name, text string
		at         bulk.Position
		want       string // "" if it fits
	}{
		{"same", text, ends[1], ""},
		{"same at the end", text, ends[2], ""},
		{"beginning", text, bulk.Position{}, ""},
		{"longer", text[:ends[1].Offset] + "x,y\nz,z\n", ends[1], ""},
		{"a byte changed", strings.Replace(text, "ann", "ana", 1), ends[1], "in:3: the checkpoint is not of this input: the 28 bytes before the checkpoint are not the same"},
		{"shorter", text[:ends[0].Offset+3], ends[1], "in:3: the checkpoint is not of this input: the input ends after 23 bytes, the checkpoint stands at byte 28"},
		{"only shorter at the end", text[:len(text)-1], ends[2], "in:4: the checkpoint is not of this input: the input ends after 34 bytes, the checkpoint stands at byte 35"},
		{"the last line has grown", text + "lyn\n", ends[2], "in:4: the checkpoint is not of this input: the checkpoint stands in the middle of a line"},
		{"the last line has got an end", text + "\n", ends[2], "in:4: the checkpoint is not of this input: the checkpoint stands in the middle of a line"},
		{"inside the header", text, bulk.Position{Line: 0, Offset: 3, Sum: 1}, "in:0: the checkpoint is not of this input: it stands before the first row"},
		{"inside a line", text, bulk.Position{Line: 2, Offset: 22, Sum: ends[0].Sum}, "in:2: the checkpoint is not of this input: the checkpoint stands in the middle of a line"},
		{"another count of lines", text, bulk.Position{Line: 7, Offset: ends[1].Offset, Sum: ends[1].Sum}, "in:7: the checkpoint is not of this input: the 28 bytes before the checkpoint are not the same"},
		{"negative", text, bulk.Position{Line: -1, Offset: -1}, "in:-1: the checkpoint is not of this input: it stands before the first row"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
				r, err := bulk.NewReader("in", in, bulk.ReaderOptions{})
				if err != nil {
					t.Fatal(err)
				}
				err = r.Resume(tt.at)
				if tt.want == "" {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if _, ok := errors.AsType[*bulk.MismatchError](err); !ok || err.Error() != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
			}
		})
	}
}

func TestResumeReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	ends := drain(t, newReader(t, "ann\nbob\n", bulk.ReaderOptions{}), bulk.Position{}, 1).Ends
	r, err := bulk.NewReader("in", io.MultiReader(strings.NewReader("ann\nbo"), iotest.ErrReader(broken)), bulk.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Resume(ends[1]); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestResumeComesFirst(t *testing.T) {
	r := newReader(t, "ann\nbob\n", bulk.ReaderOptions{})
	var c bulk.Chunk
	if err := r.Next(&c, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Resume(c.End); err == nil {
		t.Error("resumed after Next")
	}
}
