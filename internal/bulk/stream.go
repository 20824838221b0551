package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

const (
	segmentRows = 4096 // rows of the input that are kept together
	// streamTries is how often in a row a stream is begun anew that comes no further.
	streamTries   = 8
	streamBackoff = 250 * time.Millisecond // doubled each time
)

// uploader imports through bulk_import. The body of that call has a line for each line of
// the input, an empty one where there is no row to import: so what the service says of a
// row is about the line of that number, behind those of earlier calls.
type uploader struct {
	in *Reader
	o  *Options
	l  *ledger

	window *window
	base   int64               // lines of the input before the body of this call
	last   imclient.BulkResult // of this call
	told   []Reject            // by the service, not settled yet
	fault  error               // of settling
}

func newUploader(in *Reader, o *Options, l *ledger) *uploader {
	return &uploader{in: in, o: o, l: l, window: newWindow()}
}

// run imports the input. When ctx ends it sends no more, and settles what the service has
// got. When the connection breaks it begins anew behind what is settled.
func (u *uploader) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, u.window.stop)()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		u.window.finish(u.read())
	}()
	err := u.upload(ctx)
	u.window.close()
	if err != nil {
		u.o.StopInput()
	}
	<-ended
	return err
}

// read fills the window from the input, until its end or until the window is closed.
func (u *uploader) read() error {
	var c Chunk
	for {
		err := u.l.next(u.in, &c, segmentRows)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s := u.window.take()
		s.encode(&c, u.o.KeepTinyIDs)
		if !u.window.add(s) {
			return errUnread
		}
	}
}

// errUnread says that the input was not read to its end, because nobody needs the rest.
var errUnread = errors.New("the import was stopped")

// upload makes calls until everything is settled.
func (u *uploader) upload(ctx context.Context) error {
	for try := 0; ; try++ {
		before := u.l.summary.Line
		err := u.call(ctx)
		switch {
		case u.fault != nil:
			return u.fault
		case err == nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && u.window.settled(u.l.summary.Line):
			return u.window.err()
		case err == nil:
			err = fmt.Errorf("the service has ended the import before its end, at line %d", u.l.summary.Line)
		case ctx.Err() != nil || !worthRepeating(err):
			return errors.Join(context.Cause(ctx), err)
		}
		if u.l.summary.Line > before {
			try = 0
		}
		if try == streamTries {
			return fmt.Errorf("given up after %d tries that came no further: %w", try, err)
		}
		pause := backoff(try)
		u.o.Notice(fmt.Sprintf("the stream broke behind line %d, trying again in %v: %v", u.l.summary.Line, pause.Round(time.Millisecond), err))
		if err := u.o.Wait(ctx, pause); err != nil {
			return err
		}
	}
}

// backoff is how long to wait after so many tries.
func backoff(try int) time.Duration {
	pause := streamBackoff << try
	return pause + time.Duration(rand.Int64N(int64(pause))) //nolint:gosec // it only keeps clients apart
}

// worthRepeating reports whether a call that ended so may come further next time.
func worthRepeating(err error) bool {
	refused, ok := errors.AsType[*imclient.Error](err)
	if !ok {
		return true // the connection, or something between us and the service
	}
	// 60003: the service could not read the body to its end.
	return temporary(refused.Code) || errcode.Code(refused.Code) == errcode.BadJSON
}

// temporary reports whether a code is about the moment, not about what was asked for.
func temporary(code int) bool {
	switch errcode.Code(code) {
	case errcode.CommandRate, errcode.StoreTimeout, errcode.Busy, errcode.Internal, codeTimeout:
		return true
	default:
		return false
	}
}

// codeTimeout is the hosted service's time-out of any command.
const codeTimeout = 60008

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call makes one call, with the rows behind what is settled.
func (u *uploader) call(ctx context.Context) error {
	u.base, u.last, u.told = u.l.summary.Line, imclient.BulkResult{}, u.told[:0]
	// Not ctx: that ends the body, and the service says what became of it.
	longer, end := lingering(ctx)
	defer end()
	result, err := u.o.Service.BulkImport(longer, u.window.body(u.base), imclient.BulkImportOptions{
		KeepTinyIDs: u.o.KeepTinyIDs,
		OnFailure: func(f imclient.BulkFailure) {
			u.told = append(u.told, Reject{Line: u.base + f.Row, UserID: clip(f.UserID), Code: f.Code, Reason: f.Info})
		},
		OnProgress: u.progress,
	})
	u.progress(result)
	return err
}

// progress settles all lines up to those that the service is through with. Of rows behind
// them it may have told already.
func (u *uploader) progress(r imclient.BulkResult) {
	line := u.base + r.Rows
	if u.fault != nil || line <= u.l.summary.Line {
		return
	}
	position, rejects := u.window.settle(line)
	told := upTo(line, u.told)
	u.fault = u.l.settle(part{
		position: position, line: line, rejects: mergeRejects(rejects, u.told[:told]),
		counts: Counts{
			Created: r.Created - u.last.Created, Existed: r.Existed - u.last.Existed,
			Updated: r.Updated - u.last.Updated, Repeated: r.Repeated - u.last.Repeated,
		},
	})
	u.last, u.told = r, slices.Delete(u.told, 0, told)
	if u.fault != nil {
		u.window.close()
	}
}

// upTo returns how many of rejects, which are in the order of lines, are not behind line.
func upTo(line int64, rejects []Reject) int {
	n, _ := slices.BinarySearchFunc(rejects, line+1, func(r Reject, line int64) int { return cmp.Compare(r.Line, line) })
	return n
}

// mergeRejects returns both lists, which are in the order of lines, as one that is.
func mergeRejects(a, b []Reject) []Reject {
	if len(a) == 0 {
		return b
	}
	out := make([]Reject, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Line < b[0].Line {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
