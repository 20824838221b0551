package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The saver writes behind: a login does not wait for the disk because its device can be
// reached by push. What is lost in a crash is what the last few milliseconds changed; Load
// makes good what would be wrong, and who must know that it is on disk calls flush.
type saver struct {
	store Store
	log   *slog.Logger

	mu      sync.Mutex
	changed sync.Cond
	pending map[PushKey]int64 // Seen, or removed
	made    uint64            // changes so far
	saved   uint64            // of those, how many are in the store
	stopped bool
	wake    chan struct{} // closed and renewed when saved or stopped changes
	done    chan struct{} // closed when run has returned
	cancel  context.CancelFunc
}

// removed stands for a device that is to be removed from the store.
const removed = -1

// Bounds of one write, and the pause after one that failed.
const (
	maxSave   = 10_000
	savePause = time.Second
)

// newSaver returns a saver that is at work until stop.
func newSaver(store Store, log *slog.Logger) *saver {
	ctx, cancel := context.WithCancel(context.Background())
	s := &saver{
		store:   store,
		log:     log,
		pending: make(map[PushKey]int64),
		wake:    make(chan struct{}),
		done:    make(chan struct{}),
		cancel:  cancel,
	}
	s.changed.L = &s.mu
	go s.run(ctx)
	return s
}

func (s *saver) put(d PushDevice) { s.set(d.PushKey, d.Seen) }
func (s *saver) remove(k PushKey) { s.set(k, removed) }
func (s *saver) set(k PushKey, seen int64) {
	s.mu.Lock()
	s.pending[k] = seen
	s.made++
	s.mu.Unlock()
	s.changed.Signal()
}

// run writes until stop, and gives up on what cannot be written when ctx ends.
func (s *saver) run(ctx context.Context) {
	defer close(s.done)
	for {
		put, remove, upTo, more := s.take()
		if !more {
			return
		}
		for s.save(ctx, put, remove) != nil {
			select {
			case <-time.After(savePause):
			case <-ctx.Done():
				return
			}
		}
		s.settle(upTo)
	}
}

// take waits for changes and takes some; upTo is the number of changes that are then in the
// store. It reports false once the saver is stopped and nothing is left.
func (s *saver) take() (put []PushDevice, remove []PushKey, upTo uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) == 0 && !s.stopped {
		s.changed.Wait()
	}
	for k, seen := range s.pending {
		if len(put)+len(remove) == maxSave {
			break
		}
		if seen == removed {
			remove = append(remove, k)
		} else {
			put = append(put, PushDevice{PushKey: k, Seen: seen})
		}
		delete(s.pending, k)
	}
	if len(s.pending) == 0 {
		upTo = s.made
	} else {
		upTo = s.saved // not all of what was there: nobody is told yet
	}
	return put, remove, upTo, len(put)+len(remove) > 0
}

func (s *saver) save(ctx context.Context, put []PushDevice, remove []PushKey) error {
	err := s.store.SavePush(ctx, put, remove)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "devices that can be reached by push are not saved; trying again",
			slog.Int("n", len(put)+len(remove)), slog.Any("err", err))
	}
	return err
}

func (s *saver) settle(upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = max(s.saved, upTo)
	close(s.wake)
	s.wake = make(chan struct{})
}

// flush waits until everything that changed before is in the store.
func (s *saver) flush(ctx context.Context) error {
	s.mu.Lock()
	want := s.made
	for s.saved < want {
		wake := s.wake
		s.mu.Unlock()
		select {
		case <-wake:
		case <-s.done:
			return context.Canceled
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
	return nil
}

// stop writes what is left, for as long as ctx lasts, and ends run.
func (s *saver) stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.changed.Signal()
	defer s.cancel()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.cancel()
		<-s.done
		return ctx.Err()
	}
}
