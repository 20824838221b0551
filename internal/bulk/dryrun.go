package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
)

// DryRun says what an import would do.
type DryRun struct {
	New      int64 `json:"new"`      // names that are not imported
	Existing int64 `json:"existing"` // names that are
	Repeated int64 `json:"repeated"` // rows whose name stands in an earlier row
	Invalid  int64 `json:"invalid"`  // rows that cannot be imported
	Line     int64 `json:"line"`     // up to which the input was looked at
}

// Rows is how many rows that makes.
func (d DryRun) Rows() int64 { return d.New + d.Existing + d.Repeated + d.Invalid }

// Checker tells which accounts there are; *imclient.Client is one.
type Checker interface {
	AccountCheck(ctx context.Context, userIDs []string) ([]imclient.Checked, error)
}

// DryRunOptions say how a dry run works. Service is needed.
type DryRunOptions struct {
	Service     Checker
	Concurrency int
	OnReject    func(Reject) // for each row that could not be imported, in no order
	OnProgress  func(line int64)
	TempDir     string // where names are counted; "" for the system's
	StopInput   func() // see Options; may be nil
}

// TryImport reads the whole input and asks the service about every name, without changing
// anything. It needs memory for a few thousand rows only: which names are repeated is counted
// on disk.
func TryImport(ctx context.Context, in *Reader, o DryRunOptions) (DryRun, error) {
	spool, err := NewSpool(o.TempDir)
	if err != nil {
		return DryRun{}, fmt.Errorf("bulk: dry run: %w", err)
	}
	d := &dryRun{in: in, o: o, spool: spool}
	err = d.run(ctx)
	if err == nil {
		d.result.New, d.result.Existing, d.result.Repeated, err = spool.Finish()
	}
	if err = errors.Join(err, spool.Close()); err != nil {
		return d.result, fmt.Errorf("bulk: dry run: %w", err)
	}
	return d.result, nil
}

type dryRun struct {
	in *Reader
	o  DryRunOptions

	mu     sync.Mutex // of all below
	spool  *Spool
	result DryRun
	err    error
}

func (d *dryRun) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	chunks := make(chan *Chunk)
	var workers sync.WaitGroup
	for range max(d.o.Concurrency, 1) {
		workers.Go(func() {
			for c := range chunks {
				if err := d.check(ctx, c); err != nil {
					d.fail(err)
					stop()
					if d.o.StopInput != nil {
						d.o.StopInput()
					}
				}
			}
		})
	}
	readErr := d.read(ctx, chunks)
	close(chunks)
	workers.Wait()
	if d.err != nil {
		return d.err
	}
	return readErr
}

func (d *dryRun) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

func (d *dryRun) read(ctx context.Context, chunks chan<- *Chunk) error {
	for {
		c := new(Chunk)
		err := d.in.Next(c, account.MaxBatch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case chunks <- c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// check asks the service about the names of a chunk.
func (d *dryRun) check(ctx context.Context, c *Chunk) error {
	names := make([]string, len(c.Rows))
	for i := range c.Rows {
		names[i] = c.Rows[i].UserID
	}
	var checked []imclient.Checked
	if len(names) > 0 {
		var err error
		if checked, err = d.o.Service.AccountCheck(ctx, names); err != nil {
			return err
		}
		if len(checked) != len(names) {
			return fmt.Errorf("the service answered for %d of %d accounts", len(checked), len(names))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, k := range checked {
		if k.Code != 0 {
			c.reject(c.Rows[i].Line, k.UserID, 0, k.Info)
			c.Rejects[len(c.Rejects)-1].Code = k.Code
			continue
		}
		if err := d.spool.Add(names[i], k.Imported); err != nil {
			return err
		}
	}
	d.note(c)
	return nil
}

// note counts the rejects of a chunk and tells about them.
func (d *dryRun) note(c *Chunk) {
	d.result.Invalid += int64(len(c.Rejects))
	d.result.Line = max(d.result.Line, c.End.Line)
	if d.o.OnReject != nil {
		for _, r := range c.Rejects {
			d.o.OnReject(r)
		}
	}
	if d.o.OnProgress != nil {
		d.o.OnProgress(d.result.Line)
	}
}
