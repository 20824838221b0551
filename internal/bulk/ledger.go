package bulk

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// saveEvery is how often a checkpoint is written. A process that is killed has to import
// again what it did in that time, which is harmless.
const saveEvery = time.Second

// ledger is where both doors report what is done, in the order of the input. It writes the
// rejects and the checkpoint. It is for one goroutine.
type ledger struct {
	o       *Options
	summary Summary
	check   checkpoint
	rejects *rejectFile
	saved   time.Time // zero until the first time
}

// openLedger makes ready to note what is done. If it resumes, the input stands behind what
// was done before, when it returns.
func openLedger(in *Reader, o Options) (*ledger, error) {
	l := &ledger{o: &o}
	l.check = checkpoint{Version: checkpointVersion, SDKAppID: o.SDKAppID, Format: in.Format(), KeepTinyIDs: o.KeepTinyIDs}
	if o.Resume && o.Checkpoint != "" {
		if err := l.resume(in); err != nil {
			return nil, err
		}
	}
	var err error
	if l.rejects, err = openRejects(o.Rejects, l.check.RejectsSize); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *ledger) resume(in *Reader) error {
	found, err := readCheckpoint(l.o.Checkpoint)
	if err != nil || found == nil {
		return err
	}
	if err := found.fits(&l.check); err != nil {
		return fmt.Errorf("%s: %w", l.o.Checkpoint, err)
	}
	if err := in.Resume(found.Position); err != nil {
		return fmt.Errorf("%s: %w", l.o.Checkpoint, err)
	}
	l.check = *found
	l.summary.Counts, l.summary.Before = found.Counts, found.Counts
	l.summary.Line, l.summary.Resumed, l.summary.Offset = found.Line, found.Line, found.Position.Offset
	l.summary.Checkpoint = l.o.Checkpoint
	return nil
}

// part is a part of the input that is done.
type part struct {
	position Position // a place before line, from which to read on
	line     int64    // the last line that is done
	counts   Counts   // rejects not counted
	rejects  []Reject // in order
}

// settle notes that a part, the next one of the input, is done.
func (l *ledger) settle(p part) error {
	for _, r := range p.rejects {
		if err := l.rejects.write(r); err != nil {
			return err
		}
		if l.o.OnReject != nil {
			l.o.OnReject(r)
		}
	}
	p.counts.Rejected += int64(len(p.rejects))
	l.summary.Counts = l.summary.plus(p.counts)
	// Parts that another door had done before may end before the line it had come to.
	l.summary.Line, l.summary.Offset = max(l.summary.Line, p.line), p.position.Offset
	l.check.Position, l.check.Line = p.position, l.summary.Line
	if l.o.OnProgress != nil {
		l.o.OnProgress(l.summary)
	}
	// The first one at once: a checkpoint that is there may be of an earlier import, whose
	// rejects are gone.
	if now := l.o.Now(); now.Sub(l.saved) >= saveEvery {
		l.saved = now
		return l.save()
	}
	return nil
}

// save writes the checkpoint, after all rejects that it says are written.
func (l *ledger) save() error {
	size, err := l.rejects.sync()
	if err != nil || l.o.Checkpoint == "" {
		return err
	}
	l.check.Counts, l.check.RejectsSize, l.check.Saved = l.summary.Counts, size, l.o.Now().UTC().Truncate(time.Second)
	if err := l.check.write(l.o.Checkpoint); err != nil {
		return err
	}
	l.summary.Checkpoint = l.o.Checkpoint
	return nil
}

// close ends the ledger: an import that is finished needs no checkpoint any more, any other
// one leaves its last, if there is something to go on from.
func (l *ledger) close(finished bool) error {
	var err error
	switch {
	case finished:
		_, err = l.rejects.sync()
	case l.summary.Line > 0:
		err = l.save()
	}
	if err = errors.Join(err, l.rejects.close()); err != nil || !finished {
		return err
	}
	l.summary.Finished, l.summary.Checkpoint = true, ""
	if l.o.Checkpoint == "" {
		return nil
	}
	return removeCheckpoint(l.o.Checkpoint)
}

// next reads the next chunk of the input, less what was done before: a checkpoint may be
// some rows ahead of the position that belongs to it.
func (l *ledger) next(in *Reader, c *Chunk, maxRows int) error {
	if err := in.Next(c, maxRows); err != nil {
		return err
	}
	if done := l.summary.Resumed; c.Start.Line < done {
		c.Rows = slices.DeleteFunc(c.Rows, func(r Row) bool { return r.Line <= done })
		c.Rejects = slices.DeleteFunc(c.Rejects, func(r Reject) bool { return r.Line <= done })
	}
	return nil
}
