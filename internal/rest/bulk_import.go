package rest

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

// runsAhead is how many runs are imported at a time: while one waits for the store's
// committer or the disk, the next one is prepared.
const runsAhead = 2

// bulkImport imports the rows of a body of any length.
//
// One goroutine reads the body, one gathers its rows into runs (rows.go), each run is
// imported by one of its own, and this one reports them in the order of the body. Each
// waits for the next, so that a client which sends faster than the store writes, or which
// does not take the answer, is slowed down and nothing piles up.
func (h *Handler) bulkImport(ctx context.Context, s *stream, c *call) (wire.Reply, error) {
	q, err := wire.ParseBulkQuery(s.request.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if s.request.ProtoMajor < 2 {
		// The next request would begin with what is left of a body that was not read to its
		// end, and whether it will be is not known when the header is written.
		s.w.Header().Set("Connection", "close")
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	// That the client is gone shows when its body is read, or when it is answered. Until then
	// what has come of it is imported, and no import is abandoned.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	b := &bulkImport{
		h: h, c: c, stream: s, policy: c.app.Policy(),
		places: make(chan struct{}, runsAhead), runs: make(chan *run, runsAhead), used: make(chan *run, runsAhead),
		count: wire.BulkCount{Rows: q.From},
	}
	body := readBlocks(ctx, s)
	go func() {
		defer close(b.runs)
		defer h.caught(ctx, c, &b.feedErr)
		b.feedErr = b.feed(ctx, q, body)
	}()
	err = b.report()
	cancel()
	for r := range b.runs { // until the feeder has ended, and all that it has begun
		<-r.done
	}
	c.accounts = int(b.count.Rows - q.From)
	return b.count, cmp.Or(err, b.feedErr)
}

// bulkImport is one bulk_import under way.
type bulkImport struct {
	h      *Handler
	c      *call
	stream *stream
	policy *account.Policy

	places  chan struct{} // one for each run that is being imported
	runs    chan *run     // in the order of the body
	used    chan *run     // what was reported
	feedErr error         // why the feeder ended before the body did; valid once runs is closed
	count   wire.BulkCount
}

// feed reads the body, gathers its rows into runs and has them imported. Whatever ends the
// body: what has been read completely is imported, and it is that of which the client is told.
func (b *bulkImport) feed(ctx context.Context, q wire.BulkQuery, body *blocks) error {
	g := gatherer{skip: q.From, keep: q.KeepTinyIDs, next: new(run).begin(0), used: b.used}
	for {
		block, err := body.next(ctx, b.stream.stop, g.next.waits(b.stream.now()))
		idle := errors.Is(err, errIdle)
		switch {
		case idle: // a slow client shall not wait for others of its rows
		case errors.Is(err, io.EOF):
			g.end()
			if err := g.shortFault(); err != nil {
				return err
			}
			return b.dispatch(ctx, g.take())
		case err != nil:
			return errors.Join(err, b.dispatch(ctx, g.take()))
		}
		for g.add(&block) { // the run is full
			if err := b.dispatch(ctx, g.take()); err != nil {
				return err
			}
		}
		if g.next.aged(b.stream.now()) || idle {
			if err := b.dispatch(ctx, g.take()); err != nil {
				return err
			}
		}
	}
}

// dispatch starts the import of a run as soon as there is a place for it. A run is alone
// where the order of rows counts: the last Nick of a name wins, the first TinyID, and who
// came first as long as the quota had room.
func (b *bulkImport) dispatch(ctx context.Context, r *run) error {
	if r.empty() {
		return nil
	}
	places := 1
	if r.ordered || b.policy.Quota > 0 {
		places = runsAhead
	}
	for range places {
		select {
		case b.places <- struct{}{}:
		case <-ctx.Done():
			return errGone(ctx.Err())
		}
	}
	select {
	case b.runs <- r:
	case <-ctx.Done():
		return errGone(ctx.Err())
	}
	go func() {
		defer close(r.done)
		r.result, r.err = b.importRun(ctx, r)
		for range places {
			<-b.places
		}
	}()
	return nil
}

// importRun imports one run.
func (b *bulkImport) importRun(ctx context.Context, r *run) (result account.RunResult, err error) {
	defer b.h.caught(ctx, b.c, &err)
	if len(r.entries) == 0 {
		return account.RunResult{}, nil
	}
	part := account.Run{Entries: r.entries}
	if len(r.restore) > 0 {
		part.Restore = r.restore
	}
	return b.h.opt.Accounts.ImportRun(ctx, b.policy, part)
}

// report tells the client what became of each run, in order, until the feeder is through or
// one has failed.
func (b *bulkImport) report() error {
	for r := range b.runs {
		<-r.done
		if r.err != nil {
			return r.err
		}
		if err := b.reportRun(r); err != nil {
			return err
		}
		select {
		case b.used <- r:
		default:
		}
	}
	return nil
}

func (b *bulkImport) reportRun(r *run) error {
	b.h.metrics.importedRun(&r.result, len(r.bad))
	if err := r.failures(func(f rowFailure) error {
		return b.stream.write(func(dst []byte) []byte { return wire.AppendRowFailure(dst, f.row, f.id, f.err) })
	}); err != nil {
		return err
	}
	n := &r.result.Count
	b.count.Rows = max(b.count.Rows, r.endRow)
	b.count.Created += n[account.Created]
	b.count.Existed += n[account.Existed]
	b.count.Updated += n[account.Updated]
	b.count.Repeated += n[account.Duplicate]
	b.count.Failed += n[account.Failed] + int64(len(r.bad))
	if err := b.stream.write(func(dst []byte) []byte { return wire.AppendProgress(dst, b.count) }); err != nil {
		return err
	}
	return b.stream.flush()
}
