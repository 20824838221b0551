package bulk_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-im/muster/internal/bulk"
)

func TestInterruptible(t *testing.T) {
	text := strings.Repeat("some text\n", 1000)
	for _, in := range []io.Reader{strings.NewReader(text), iotest.DataErrReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text))} {
		ctx, cancel := context.WithCancel(t.Context())
		r := bulk.Interruptible(ctx, in)
		got, err := io.ReadAll(r)
		if string(got) != text || err != nil {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
		cancel()
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %d, error %v", n, err)
		}
	}
}

// TestInterruptibleWaits holds that a Read which waits returns with the cause when ctx ends,
// and that what the source gives later goes nowhere.
func TestInterruptibleWaits(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	reading := make(chan struct{})
	release := make(chan struct{})
	r := bulk.Interruptible(ctx, readerFunc(func(p []byte) (int, error) {
		close(reading)
		<-release
		return copy(p, "late"), nil
	}))
	go func() {
		<-reading
		cancel(cause)
	}()
	buf := []byte("buffer")
	n, err := r.Read(buf)
	close(release)
	if n != 0 || !errors.Is(err, cause) {
		t.Errorf("%d, error %v", n, err)
	}
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, cause) || string(buf) != "buffer" {
		t.Errorf("%d, %s, error %v", n, buf, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
