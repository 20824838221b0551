package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// runsAhead is how many runs are imported at a time: while one waits for the store's
// committer or the disk, the next one is prepared.
const runsAhead = 2

// bulkImport imports the rows of a body of any length.
//
// One goroutine reads the body and gathers rows into runs (rows.go), each run is imported by
// one of its own, and this one reports them in the order of the body. Each of the three
// waits for the next, so that a client which sends faster than the store writes, or which
// does not take the answer, is slowed down and nothing piles up.
func (h *Handler) bulkImport(ctx context.Context, s *stream, c *call) (wire.Reply, error) {
	q, err := wire.ParseBulkQuery(s.request.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &bulkImport{
		h: h, c: c, stream: s, policy: c.app.Policy(),
		places: make(chan struct{}, runsAhead), runs: make(chan *run, runsAhead), used: make(chan *run, runsAhead),
		count: wire.BulkCount{Rows: q.From},
	}
	body := readBlocks(ctx, s)
	go func() {
		defer close(b.runs)
		b.feedErr = b.feed(ctx, q, body)
	}()
	err = b.report()
	cancel()
	for range b.runs { // until the feeder has ended
	}
	if err = cmp.Or(err, b.feedErr); err != nil {
		s.abandon()
	}
	for range body.ch { // until nobody reads any more
	}
	c.accounts = int(b.count.Rows - q.From)
	return b.count, err
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

// feed reads the body, gathers its rows into runs and has them imported.
func (b *bulkImport) feed(ctx context.Context, q wire.BulkQuery, body *blocks) error {
	g := gatherer{skip: q.From, keep: q.KeepTinyIDs, next: new(run).begin(0), used: b.used}
	for {
		block, err := body.next(g.next.waits())
		switch {
		case errors.Is(err, errIdle): // a slow client shall not wait for others of its rows
		case errors.Is(err, io.EOF):
			g.end()
			return errors.Join(b.dispatch(ctx, g.take()), g.shortFault())
		case err != nil:
			// What has been read completely is imported: it is what the client will be told.
			return errors.Join(b.dispatch(ctx, g.take()), b.bodyFault(err))
		}
		for g.add(&block) { // the run is full
			if err := b.dispatch(ctx, g.take()); err != nil {
				return err
			}
		}
		if err != nil {
			if err := b.dispatch(ctx, g.take()); err != nil {
				return err
			}
		}
		select {
		case <-b.stream.stop:
			return errors.Join(b.dispatch(ctx, g.take()), errStopping())
		default:
		}
	}
}

func (b *bulkImport) bodyFault(err error) error {
	e := bodyError(errcode.BadJSON, "it could not be read to its end")
	e.Err = fmt.Errorf("rest: read body: %w", err)
	return e
}

// dispatch starts the import of a run as soon as there is a place for it. Runs in which the
// order counts, since the last Nick of a name wins and the first TinyID, are alone.
func (b *bulkImport) dispatch(ctx context.Context, r *run) error {
	places := 1
	if r.ordered {
		places = runsAhead
	}
	for range places {
		select {
		case b.places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case b.runs <- r:
	case <-ctx.Done():
		return ctx.Err()
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

// importRun imports one run. A panic becomes an internal error, as in every command.
func (b *bulkImport) importRun(ctx context.Context, r *run) (result account.RunResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.h.opt.Logger.LogAttrs(ctx, slog.LevelError, "panic",
				slog.String("command", b.c.route.name), slog.String("request_id", b.c.id),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = errcode.New(errcode.Internal)
		}
	}()
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
