package imclient

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// upload is a request's body that is read from a caller's reader, and from it no longer
// once stop has returned, whatever the transport still does.
type upload struct {
	silence *silence

	reading sync.Mutex // held while src is read
	src     io.Reader

	close sync.Once
	ended atomic.Bool
	whole atomic.Bool           // all of src was read
	fault atomic.Pointer[error] // of src
}

var errEnded = errors.New("the call has ended")

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	if u.ended.Load() {
		return 0, errEnded
	}
	u.silence.hold(true)
	defer u.silence.hold(false)
	n, err := u.src.Read(p)
	if err == io.EOF {
		u.whole.Store(true)
		return n, err
	}
	if err != nil {
		u.fault.Store(&err)
	}
	return n, err
}

// Close implements io.Closer. It leaves src to stop, because transports close a body
// whenever they like.
func (u *upload) Close() error { return nil }

// failure returns the error of src, if there was one.
func (u *upload) failure() error {
	if err := u.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// interrupt lets no other Read begin, and closes src if that can be done, so that one
// which waits returns. Until then a transport of HTTP/1 may not even return from a request
// that ctx ended.
func (u *upload) interrupt() {
	u.ended.Store(true)
	u.close.Do(func() {
		if closer, ok := u.src.(io.Closer); ok {
			_ = closer.Close() // what was read is not made worse by it
		}
	})
}

// stop interrupts, and waits until src is not being read.
func (u *upload) stop() {
	u.interrupt()
	u.reading.Lock()
	defer u.reading.Unlock()
	u.src = nil
}
