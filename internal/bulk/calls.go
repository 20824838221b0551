package bulk

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// caller imports through multiaccount_import. One goroutine cuts the input into jobs, a
// number of workers make a call for each, and run settles them in order.
type caller struct {
	in *Reader
	o  *Options
	l  *ledger

	todo  chan *job // to the workers
	order chan *job // to run, in the order of the input
	spare chan *job // jobs to use again
	busy  *busyNames
}

// job is the rows of one call.
type job struct {
	chunk    Chunk
	names    []string
	accounts []imclient.Account

	counts  Counts
	rejects []Reject
	err     error
	done    chan struct{} // gets a value when the job is done
}

func newCaller(in *Reader, o *Options, l *ledger) *caller {
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	ahead := 2 * o.Concurrency
	return &caller{in: in, o: o, l: l, todo: make(chan *job), order: make(chan *job, ahead), spare: make(chan *job, ahead), busy: newBusyNames()}
}

// run imports the input. When ctx ends, or a job fails, calls under way are waited for, and
// those that come after the first failure in the input are not settled.
func (c *caller) run(ctx context.Context) error {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// A call that has begun comes to its end, so that its rows are settled.
	calls, end := lingering(ctx)
	defer end()
	var workers sync.WaitGroup
	for range c.o.Concurrency {
		workers.Go(func() {
			for j := range c.todo {
				c.do(calls, j)
				c.busy.end(j)
				j.done <- struct{}{}
			}
		})
	}
	var readErr error
	go func() {
		defer close(c.order)
		defer close(c.todo)
		readErr = c.read(reading)
	}()
	err := c.settle(stop)
	workers.Wait()
	return errors.Join(err, readErr)
}

// settle settles jobs in order until there are no more. After an error it only waits for
// the others to end.
func (c *caller) settle(stop context.CancelCauseFunc) (err error) {
	for j := range c.order {
		<-j.done
		if err == nil {
			err = j.err
		}
		if err == nil {
			err = c.l.settle(part{position: j.chunk.End, line: j.chunk.End.Line, counts: j.counts, rejects: j.rejects})
		}
		if err != nil {
			stop(errSettled)
			c.o.StopInput()
			continue
		}
		select {
		case c.spare <- j:
		default:
		}
	}
	return err
}

// errSettled ends the reading when an error is known already.
var errSettled = errors.New("another call failed")

// read cuts the input into jobs until its end, or until ctx ends.
func (c *caller) read(ctx context.Context) error {
	for {
		j := c.take()
		err := c.l.next(c.in, &j.chunk, account.MaxBatch)
		switch {
		case errors.Is(err, io.EOF), errors.Is(context.Cause(ctx), errSettled):
			return nil
		case err != nil:
			return err
		}
		j.fill()
		c.busy.begin(j)
		if ctx.Err() != nil {
			return c.cause(ctx)
		}
		select {
		case c.order <- j:
		case <-ctx.Done():
			return c.cause(ctx)
		}
		c.todo <- j // its workers end only when this channel is closed
	}
}

// cause returns why the reading ended, nil if that is known elsewhere.
func (c *caller) cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, errSettled) {
		return err
	}
	return nil
}

func (c *caller) take() *job {
	select {
	case j := <-c.spare:
		return j
	default:
		return &job{done: make(chan struct{}, 1)}
	}
}

// fill makes the job's rows into those of a request: names alone if that is all there is.
func (j *job) fill() {
	j.counts, j.err = Counts{}, nil
	j.names, j.accounts, j.rejects = j.names[:0], j.accounts[:0], append(j.rejects[:0], j.chunk.Rejects...)
	plain := !slices.ContainsFunc(j.chunk.Rows, hasProfile)
	for i := range j.chunk.Rows {
		row := &j.chunk.Rows[i]
		if plain {
			j.names = append(j.names, row.UserID)
		} else {
			j.accounts = append(j.accounts, row.account())
		}
	}
}

func hasProfile(r Row) bool { return r.Nick != "" || r.FaceURL != "" }

func (row *Row) account() imclient.Account {
	return imclient.Account{UserID: row.UserID, Nick: row.Nick, FaceURL: row.FaceURL}
}

// do makes the job's call, and more of them if some of its rows fail.
func (c *caller) do(ctx context.Context, j *job) {
	if len(j.chunk.Rows) == 0 {
		return
	}
	request := imclient.ImportRequest{Names: j.names, Accounts: j.accounts, Count: true}
	if j.err = c.call(ctx, j, j.chunk.Rows, request); j.err != nil {
		return
	}
	slices.SortFunc(j.rejects, func(x, y Reject) int { return cmp.Compare(x.Line, y.Line) })
}

// call makes one call for rows. If the service refuses it because of one of them, it makes
// smaller calls until it is clear which.
func (c *caller) call(ctx context.Context, j *job, rows []Row, request imclient.ImportRequest) error {
	reply, err := c.o.Service.MultiAccountImport(ctx, request)
	if err == nil {
		return c.count(ctx, j, rows, reply)
	}
	refused, ok := errors.AsType[*imclient.Error](err)
	if !ok || !blamesRow(refused.Code) {
		return err
	}
	if len(rows) == 1 {
		j.reject(&rows[0], refused.Code, refused.Info)
		return nil
	}
	half := len(rows) / 2
	for _, some := range [][]Row{rows[:half], rows[half:]} {
		if err := c.call(ctx, j, some, requestFor(some)); err != nil {
			return err
		}
	}
	return nil
}

// blamesRow reports whether a code that a whole call was refused with can be about one row
// of it.
func blamesRow(code int) bool {
	switch errcode.Code(code) {
	case errcode.BadParam, errcode.UserIDNotString, errcode.ProfileTooLong, errcode.DeletedRecently:
		return true
	default:
		return false
	}
}

func requestFor(rows []Row) imclient.ImportRequest {
	r := imclient.ImportRequest{Accounts: make([]imclient.Account, len(rows)), Count: true}
	for i := range rows {
		r.Accounts[i] = rows[i].account()
	}
	return r
}

func (j *job) reject(r *Row, code int, reason string) {
	j.rejects = append(j.rejects, Reject{Line: r.Line, UserID: clip(r.UserID), Code: code, Reason: reason})
}

// count notes what became of the rows of a call that succeeded.
func (c *caller) count(ctx context.Context, j *job, rows []Row, reply imclient.ImportReply) error {
	failed := failedRows(rows, reply.FailAccounts)
	if n := reply.Count; n != nil {
		j.counts = j.counts.plus(Counts{
			Created: int64(n.Created), Existed: int64(n.Existed), Updated: int64(n.Updated), Repeated: int64(n.Duplicate),
		})
	} else {
		j.counts.Imported += int64(len(rows) - len(failed))
	}
	if len(failed) == 0 {
		return nil
	}
	in, err := c.explain(ctx, j, failed)
	if n := reply.Count; n != nil {
		// A name that fails in one row, for its Nick, and not in another is in both rows among
		// the failed ones. The service has counted the other.
		in -= len(failed) - n.Failed
	}
	j.counts.Imported += int64(max(in, 0))
	return err
}

func failedRows(rows []Row, names []string) []Row {
	if len(names) == 0 {
		return nil
	}
	var failed []Row
	for i := range rows {
		if slices.Contains(names, rows[i].UserID) {
			failed = append(failed, rows[i])
		}
	}
	return failed
}

// explain finds out why rows failed, of which the service has told only the names: Muster
// says it when they are imported again with IsNeedDetail, any other service when each is
// imported alone. It returns how many of them went in this time.
func (c *caller) explain(ctx context.Context, j *job, rows []Row) (in int, err error) {
	request := requestFor(rows)
	request.Detail = true
	reply, err := c.o.Service.MultiAccountImport(ctx, request)
	if err != nil && !settles(err) {
		return 0, err
	}
	for i := range rows {
		var code int
		var reason string
		if err == nil && len(reply.Items) == len(rows) {
			code, reason = reply.Items[i].Code, reply.Items[i].Info
		} else if code, reason, err = c.explainOne(ctx, &rows[i]); err != nil {
			return 0, err
		}
		if code == 0 {
			in++
			continue
		}
		j.reject(&rows[i], code, reason)
	}
	return in, nil
}

// settles reports whether err is a refusal that another time would meet again.
func settles(err error) bool {
	refused, ok := errors.AsType[*imclient.Error](err)
	return ok && !temporary(refused.Code)
}

func (c *caller) explainOne(ctx context.Context, row *Row) (code int, reason string, err error) {
	err = c.o.Service.AccountImport(ctx, row.account())
	if refused, ok := errors.AsType[*imclient.Error](err); ok && settles(err) {
		return refused.Code, refused.Info, nil
	}
	return 0, "", err
}

// busyNames keeps calls apart that would change the profile of the same account: the last
// row of the input has to be the last one to be imported.
type busyNames struct {
	mu    sync.Mutex
	free  sync.Cond
	names map[string]int
}

func newBusyNames() *busyNames {
	b := &busyNames{names: make(map[string]int)}
	b.free.L = &b.mu
	return b
}

// begin waits until no job that has begun and not ended has a name of this one.
func (b *busyNames) begin(j *job) {
	if len(j.accounts) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for slices.ContainsFunc(j.accounts, func(a imclient.Account) bool { return b.names[a.UserID] > 0 }) {
		b.free.Wait()
	}
	for i := range j.accounts {
		b.names[j.accounts[i].UserID]++
	}
}

func (b *busyNames) end(j *job) {
	if len(j.accounts) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range j.accounts {
		if name := j.accounts[i].UserID; b.names[name] == 1 {
			delete(b.names, name)
		} else {
			b.names[name]--
		}
	}
	b.free.Broadcast()
}
