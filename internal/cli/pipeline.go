package cli

import (
	"context"
	"errors"
	"time"

	"github.com/muster-im/muster/internal/bulk"
)

// pipeline calls a service for batch after batch, several at a time, and hands over what
// it said in the order of the batches.
type pipeline struct {
	// do makes the call for a batch.
	do func(ctx context.Context, userIDs []string) ([]answer, error)
	// emit takes the calls in order, also those that failed. It is never called twice at
	// a time. Its error ends everything.
	emit func(*call) error

	concurrency int           // calls at a time, at least 1
	grace       time.Duration // how long calls under way may go on once ctx has ended
}

// batch is what goes into one call, and the rows before its end that name no account.
type batch struct {
	userIDs     []string
	first, last int64         // the lines, or arguments, of the first and last of them
	rejects     []bulk.Reject // Line is the number of the argument if there is no file
	read        int64         // bytes of the file that were read so far
	err         error         // the names could not be read on; it is the last batch
}

// cut makes batches of what was read. The first has the rejects, the last one the error.
func cut(chunk bulk.Chunk, limit int, read int64, err error) []batch {
	rows := chunk.Rows
	batches := make([]batch, 0, len(rows)/limit+2)
	for len(rows) > 0 {
		n := min(limit, len(rows))
		b := batch{userIDs: make([]string, n), first: rows[0].Line, last: rows[n-1].Line, read: read}
		for i := range b.userIDs {
			b.userIDs[i] = rows[i].UserID
		}
		batches = append(batches, b)
		rows = rows[n:]
	}
	if len(batches) == 0 {
		batches = append(batches, batch{read: read})
	}
	batches[0].rejects = chunk.Rejects
	if err != nil {
		batches = append(batches, batch{err: err, read: read})
	}
	return batches
}

// call is what became of a batch.
type call struct {
	batch
	answers []answer // one for each name, in order, unless err is set
	err     error
	done    chan struct{} // closed once answers and err are there
}

// errInterrupted says that a command was stopped before it was done.
var errInterrupted = errors.New("interrupted")

// errNotCalled says that a call was not made because of another that failed before.
var errNotCalled = errors.New("the call was not made")

// run takes the batches until there are no more, a call fails, or ctx ends. Calls under
// way then are waited for and handed over. It reports whether it came to the end, and
// returns the first error.
func (p *pipeline) run(ctx context.Context, batches <-chan batch) (complete bool, err error) {
	starting, stop := context.WithCancel(ctx)
	defer stop()
	calling, cancel := linger(ctx, p.grace)
	defer cancel()
	// One call is waited for, and so many queue behind it.
	queue := make(chan *call, p.concurrency-1)
	go func() {
		defer close(queue)
		complete = p.start(starting, calling, batches, queue)
	}()
	for c := range queue {
		<-c.done
		fault := p.emit(c)
		if c.err != nil && !errors.Is(c.err, errNotCalled) {
			fault = errors.Join(c.err, fault)
		}
		if fault != nil {
			stop()
		}
		if err == nil {
			err = fault
		}
	}
	return complete && err == nil, err
}

// start starts the calls, each as soon as it has its place in the queue. The first goes
// alone: what is wrong with it is most often wrong with all, and several calls with a
// wrong Key get the App locked out.
func (p *pipeline) start(ctx, calling context.Context, batches <-chan batch, queue chan<- *call) (complete bool) {
	alone := true
	for {
		b, more, ok := receive(ctx, batches)
		if !more || !ok {
			return ok
		}
		c := &call{batch: b, err: b.err, done: make(chan struct{})}
		queue <- c // which is always emptied
		switch {
		case len(c.userIDs) == 0:
			close(c.done)
		case ctx.Err() != nil:
			c.err = errNotCalled
			close(c.done)
			return false
		default:
			go p.call(calling, c)
			if !alone {
				continue
			}
			if <-c.done; c.err != nil {
				return false
			}
			alone = false
		}
	}
}

func (p *pipeline) call(ctx context.Context, c *call) {
	defer close(c.done)
	c.answers, c.err = p.do(ctx, c.userIDs)
}

// receive returns the next batch; more is false behind the last one, and ok is false if
// ctx ended instead.
func receive(ctx context.Context, batches <-chan batch) (b batch, more, ok bool) {
	if ctx.Err() != nil {
		return batch{}, true, false
	}
	select {
	case b, more = <-batches:
		return b, more, true
	case <-ctx.Done():
		return batch{}, true, false
	}
}

// linger returns a context that ends some time after ctx.
func linger(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return lasting, func() {
		release()
		cancel()
	}
}
