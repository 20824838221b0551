package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-im/muster/imclient"
)

// Service is what imports accounts; *imclient.Client is one. Its calls repeat themselves
// where that is safe.
type Service interface {
	MultiAccountImport(ctx context.Context, r imclient.ImportRequest) (imclient.ImportReply, error)
	AccountImport(ctx context.Context, a imclient.Account) error
	AccountCheck(ctx context.Context, userIDs []string) ([]imclient.Checked, error)
	BulkImport(ctx context.Context, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error)
}

// Door is the way that accounts take into a service.
type Door string

// The doors.
const (
	Calls  Door = "calls"  // multiaccount_import, which every service has
	Stream Door = "stream" // bulk_import, which Muster has
)

// DefaultConcurrency is how many calls are under way at a time unless Options say otherwise.
const DefaultConcurrency = 32

// Options say how an import works. Service is needed.
type Options struct {
	Service  Service
	SDKAppID uint64 // for the checkpoint, which is of one App
	// Door is the way to take. If it is Stream and the service does not have that, Calls is
	// taken instead, unless KeepTinyIDs, which needs it.
	Door        Door
	KeepTinyIDs bool
	Concurrency int // of Calls

	Checkpoint string // the file; "" keeps none
	Resume     bool   // go on from the checkpoint if there is one
	Rejects    string // the file for rows that were not imported; "" for none

	// OnReject and OnProgress, if set, are called from one goroutine, in the order of the
	// input: for each row that was not imported, and when all rows up to some line are dealt
	// with.
	OnReject   func(Reject)
	OnProgress func(Summary)
	// Notice, if set, gets sentences that people may want to read.
	Notice func(string)
	// StopInput, if set, is called when the import fails while a Read of the input may still
	// wait. It should make that return, as ending the context of Interruptible does: Import
	// returns only when nothing reads any more.
	StopInput func()
	// Now is the clock; nil means the real one.
	Now func() time.Time
	// Wait waits for a time, or returns ctx's error when that ends; nil means real time.
	Wait func(ctx context.Context, d time.Duration) error
}

// withDefaults sets what may be nil.
func (o Options) withDefaults() Options {
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.StopInput == nil {
		o.StopInput = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return o
}

// Counts say what became of rows.
type Counts struct {
	Created  int64 `json:"created"`
	Existed  int64 `json:"existed"`
	Updated  int64 `json:"updated"`
	Repeated int64 `json:"repeated"` // the name stands earlier in the same call
	// Imported are those of a service that does not say which of these they are.
	Imported int64 `json:"imported"`
	Rejected int64 `json:"rejected"`
}

// Rows is how many rows that makes.
func (c Counts) Rows() int64 {
	return c.Created + c.Existed + c.Updated + c.Repeated + c.Imported + c.Rejected
}

// plus adds what else became of rows.
func (c Counts) plus(d Counts) Counts {
	return Counts{
		c.Created + d.Created, c.Existed + d.Existed, c.Updated + d.Updated,
		c.Repeated + d.Repeated, c.Imported + d.Imported, c.Rejected + d.Rejected,
	}
}

// Summary says how far an import has come.
type Summary struct {
	Counts // since the input's beginning, earlier parts of a resumed import included
	// Line is the line of the input up to which all is done.
	Line int64 `json:"line"`
	// Offset is a place in the decompressed input before which all is done, near Line.
	Offset int64 `json:"-"`
	// Resumed is the line after which this part of the import began, and Before what became
	// of the rows up to it.
	Resumed int64  `json:"resumed_after_line"`
	Before  Counts `json:"-"`
	Door    Door   `json:"door"`
	// Finished says that the whole input is through.
	Finished bool `json:"finished"`
	// Checkpoint is the file from which to go on; "" if there is none.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// BeginError says why an import has not even begun: it cannot go on from its checkpoint, or
// the file of rejects cannot be used.
type BeginError struct{ Err error }

// Error returns the cause's.
func (e *BeginError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BeginError) Unwrap() error { return e.Err }

// Import imports all rows of an input.
//
// When ctx ends it lets calls that are under way come to their end, saves the checkpoint
// and returns ctx's error; so it does with the error of a service or an input that makes it
// stop. The Summary is valid in any case. Importing anything twice is harmless.
func Import(ctx context.Context, in *Reader, o Options) (Summary, error) {
	o = o.withDefaults()
	l, err := openLedger(in, o)
	if err != nil {
		return Summary{}, fmt.Errorf("bulk: import: %w", &BeginError{err})
	}
	err = runDoor(ctx, in, &o, l)
	err = errors.Join(err, l.close(err == nil))
	if err != nil {
		return l.summary, fmt.Errorf("bulk: import: %w", err)
	}
	return l.summary, nil
}

// codeNoCommand is what a service answers that does not have a command.
const codeNoCommand = 60009

func runDoor(ctx context.Context, in *Reader, o *Options, l *ledger) error {
	door, err := chooseDoor(ctx, o)
	if err != nil {
		return err
	}
	l.summary.Door = door
	if door == Stream {
		return newUploader(in, o, l).run(ctx)
	}
	return newCaller(in, o, l).run(ctx)
}

// chooseDoor finds out with an empty import whether the service has the door asked for.
func chooseDoor(ctx context.Context, o *Options) (Door, error) {
	if o.Door != Stream && !o.KeepTinyIDs {
		return Calls, nil
	}
	err := probe(ctx, o)
	if err == nil {
		return Stream, nil
	}
	refused, ok := errors.AsType[*imclient.Error](err)
	if !ok || refused.Code != codeNoCommand {
		return "", err
	}
	if o.KeepTinyIDs {
		return "", fmt.Errorf("the service has no bulk_import, without which TinyIDs cannot be kept: %w", err)
	}
	o.Notice("the service has no bulk_import, so multiaccount_import is used")
	return Calls, nil
}

// probe makes an empty bulk_import, again and again while the service has no time for it.
func probe(ctx context.Context, o *Options) error {
	for try := 0; ; try++ {
		_, err := o.Service.BulkImport(ctx, strings.NewReader(""), imclient.BulkImportOptions{})
		refused, ok := errors.AsType[*imclient.Error](err)
		if !ok || !temporary(refused.Code) || try == streamTries {
			return err
		}
		pause := backoff(try)
		o.Notice(fmt.Sprintf("the service takes no stream now, trying again in %v: %v", pause.Round(time.Millisecond), err))
		if err := o.Wait(ctx, pause); err != nil {
			return err
		}
	}
}
