package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

// prepare makes the store with existing accounts, through the API.
func (s *suite) prepare(ctx context.Context) (Result, error) {
	s.logf("preparing a store with %s accounts", grouped(s.o.Existing))
	return s.with(ctx, s.existingDir(), s.service, func(c *child) (Result, error) {
		logged := time.Duration(0)
		return s.drive(ctx, c, "prepared", Options{
			Command: Import, Accounts: s.o.Existing, From: s.take(s.o.Existing),
			Progress: func(p Progress) {
				if p.Elapsed-logged >= 10*time.Second {
					logged = p.Elapsed
					s.logf("  %s of %s accounts", grouped(p.Accounts), grouped(p.Total))
				}
			},
		})
	})
}

// with starts a server on dir, calls f, and stops the server.
func (s *suite) with(ctx context.Context, dir string, start func(context.Context, string) (*child, error),
	f func(*child) (Result, error),
) (Result, error) {
	c, err := start(ctx, dir)
	if err != nil {
		return Result{}, err
	}
	result, err := f(c)
	return result, errors.Join(err, c.stop())
}

// round measures everything once. stored is how many accounts the prepared store has;
// round adds to it.
func (s *suite) round(ctx context.Context, n int, stored *int64) (Round, error) {
	s.logf("round %d of %d", n+1, s.o.Rounds)
	r := Round{Existing: *stored}
	// The ceiling and the service import the same names, in turn first and second.
	first := s.take(s.o.Accounts)
	steps := []func(context.Context, *Round, int64) error{s.ceiling, s.fresh}
	if n%2 == 1 {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if err := step(ctx, &r, first); err != nil {
			return r, err
		}
	}
	return r, s.existing(ctx, &r, stored)
}

// ceiling imports new accounts into an empty database of the ceiling.
func (s *suite) ceiling(ctx context.Context, r *Round, first int64) (err error) {
	dir := filepath.Join(s.root, "ceiling")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := func(ctx context.Context, dir string) (*child, error) {
		return serve(ctx, s.root, s.o.Exe, "bench", "ceiling", "--listen", "127.0.0.1:0", "--store", dir)
	}
	r.Ceiling, err = s.with(ctx, dir, start, func(c *child) (Result, error) {
		return s.drive(ctx, c, "ceiling", Options{Command: Import, Accounts: s.o.Accounts, From: first})
	})
	return err
}

// fresh starts the service on an empty store: import, re-import, check, open loop.
func (s *suite) fresh(ctx context.Context, r *Round, first int64) (err error) {
	dir := filepath.Join(s.root, "fresh")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := s.service(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	same := Options{Command: Import, Accounts: s.o.Accounts, From: first}
	if r.Import, err = s.drive(ctx, c, "import", same); err != nil {
		return err
	}
	if r.Reimport, err = s.drive(ctx, c, "re-import", same); err != nil {
		return err
	}
	same.Command = Check
	if r.Check, err = s.drive(ctx, c, "check", same); err != nil {
		return err
	}
	calls := int64(math.Ceil(s.o.OpenRate * s.o.OpenFor.Seconds()))
	n := max(calls, 1) * DefaultBatch
	r.Open, err = s.drive(ctx, c, "import, open loop", Options{Command: Import, Accounts: n, From: s.take(n), Rate: s.o.OpenRate})
	return err
}

// existing starts the service on the prepared store: first answer, import, memory, and
// the size on disk once it has stopped.
func (s *suite) existing(ctx context.Context, r *Round, stored *int64) error {
	settleDisk() // what the steps before left to be written is not this one's business
	c, err := s.service(ctx, s.existingDir())
	if err != nil {
		return err
	}
	if err := errors.Join(s.onExisting(ctx, c, r), c.stop()); err != nil {
		return err
	}
	*stored += DefaultBatch + s.o.Accounts
	r.Disk, err = s.measureDisk(*stored)
	return err
}

func (s *suite) onExisting(ctx context.Context, c *child, r *Round) error {
	one, err := s.drive(ctx, c, "first call", Options{Command: Import, Accounts: DefaultBatch, From: s.take(DefaultBatch), Concurrency: 1})
	r.FirstAnswer = now().Sub(c.started)
	if err = errors.Join(err, one.Err()); err != nil {
		return fmt.Errorf("bench: the first call after a restart: %w", err)
	}
	s.logf("  first answer %s after the start of the process", millis(r.FirstAnswer))
	if err := c.awaitIndex(ctx); err != nil {
		return err
	}
	r.IndexComplete = now().Sub(c.started)
	s.logf("  at full speed %s after the start of the process", millis(r.IndexComplete))
	title := "import into " + grouped(r.Existing)
	if r.IntoExisting, err = s.drive(ctx, c, title, Options{Command: Import, Accounts: s.o.Accounts, From: s.take(s.o.Accounts)}); err != nil {
		return err
	}
	r.Memory, err = memoryOf(c.cmd.Process.Pid)
	return err
}

// compact compacts the prepared store and returns its size.
func (s *suite) compact(ctx context.Context, stored int64) (Disk, error) {
	s.logf("compacting the store with %s accounts", grouped(stored))
	c, err := launch(ctx, s.root, s.o.Exe, io.Discard, "bench", "compact", "--store", s.existingDir())
	if err != nil {
		return Disk{}, fmt.Errorf("bench: compact: %w", err)
	}
	if err := c.wait(); err != nil {
		return Disk{}, err
	}
	if err := ctx.Err(); err != nil {
		return Disk{}, fmt.Errorf("bench: compact: %w", err)
	}
	return s.measureDisk(stored)
}

func (s *suite) measureDisk(stored int64) (Disk, error) {
	bytes, err := diskUsage(s.existingDir())
	if err != nil {
		return Disk{}, err
	}
	return Disk{Accounts: stored, Bytes: bytes, PerAccount: float64(bytes) / float64(stored)}, nil
}
