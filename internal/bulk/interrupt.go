package bulk

import (
	"context"
	"io"
	"time"
)

// linger is how long calls that are under way may take when an import is interrupted. One
// that a service does not answer would repeat itself for minutes.
const linger = 5 * time.Second

// lingering returns a context that ends some time after ctx, or when the function is called
// that it returns as well.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(linger, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// Interruptible returns a reader of r whose Read returns when ctx ends, also while r waits
// for input that may never come, as a terminal or a pipe does. The goroutine that reads r
// stays with it then, until r returns.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	return &interruptible{ctx: ctx, src: r, asked: make(chan []byte), got: make(chan readResult, 1)}
}

type readResult struct {
	n   int
	err error
}

type interruptible struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no place for it
	src   io.Reader
	begun bool
	buf   []byte
	asked chan []byte
	got   chan readResult
}

// Read implements io.Reader.
func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, context.Cause(i.ctx)
	}
	if !i.begun {
		i.begun = true
		go i.serve()
	}
	// Not into p: a Read that was given up may still write.
	if len(i.buf) < len(p) {
		i.buf = make([]byte, len(p))
	}
	select {
	case i.asked <- i.buf[:len(p)]:
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
	select {
	case r := <-i.got:
		return copy(p, i.buf[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}

func (i *interruptible) serve() {
	for {
		select {
		case p := <-i.asked:
			n, err := i.src.Read(p)
			i.got <- readResult{n, err}
		case <-i.ctx.Done():
			return
		}
	}
}
