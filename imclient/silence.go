package imclient

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxSilence is how long the service may send nothing in a bulk call.
const maxSilence = 2 * time.Minute

// errSilent is a time-out like those of other calls.
var errSilent = fmt.Errorf("the service has sent nothing for %v: %w", maxSilence, context.DeadlineExceeded)

// silence ends a bulk call whose service has sent nothing for too long. It counts only
// the time in which the service is waited for: not while the caller does something with
// what came, nor while the caller's rows are waited for.
type silence struct {
	mu      sync.Mutex
	timer   *time.Timer
	running bool
	since   time.Time     // when it was started, if it is running
	left    time.Duration // when it was started, or now if it is not running

	awaited bool // a byte of the answer is
	held    bool // by the caller
}

// newSilence returns one that calls end, once, unless it is stopped before.
func newSilence(end func()) *silence {
	s := &silence{timer: time.AfterFunc(maxSilence, end), left: maxSilence}
	s.timer.Stop()
	return s
}

// await says that from now on a byte of the answer is waited for.
func (s *silence) await() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = true
	s.update()
}

// heard says that nothing is waited for any more, and whether something came.
func (s *silence) heard(something bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = false
	s.update()
	if something {
		s.left = maxSilence
	}
}

// hold says whether it is the caller who keeps the call waiting.
func (s *silence) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.update()
}

func (s *silence) update() {
	run := s.awaited && !s.held
	switch {
	case run && !s.running:
		s.since = time.Now()
		s.timer.Reset(s.left)
	case !run && s.running:
		s.timer.Stop()
		s.left -= time.Since(s.since)
	}
	s.running = run
}

// listener is an answer's body that is under the eye of a silence.
type listener struct {
	io.ReadCloser
	silence *silence
}

// Read implements io.Reader.
func (l listener) Read(p []byte) (int, error) {
	l.silence.await()
	n, err := l.ReadCloser.Read(p)
	l.silence.heard(n > 0)
	return n, err
}
