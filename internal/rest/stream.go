package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// A streaming command (muster/bulk_import, muster/bulk_export) answers while it runs: lines
// of JSON, the last of which is the envelope. What is refused before it begins, credentials
// and rates as for every command, gets the usual answer.

// DefaultStreamStall is how long a stream waits for its client unless Options say otherwise.
const DefaultStreamStall = 2 * time.Minute

// flushSize is how much of an answer is collected before it is written, unless a flush asks
// for less.
const flushSize = 64 << 10

// streamFunc carries out a streaming command. What it returns becomes the last line.
type streamFunc func(h *Handler, ctx context.Context, s *stream, c *call) (wire.Reply, error)

// stream is the two directions of one streaming request.
type stream struct {
	request *http.Request
	w       http.ResponseWriter
	control *http.ResponseController
	id      string // X-Request-Id
	now     func() time.Time
	stall   time.Duration
	stop    <-chan struct{} // closed when streams should come to an end

	begun   bool
	buf     []byte
	written time.Time // when the deadline for writing was set last

	read    <-chan struct{} // closed when nobody reads the body any more; nil if nobody did
	reading sync.Mutex      // guards the deadline for reading, and what follows
	renewed time.Time       // when it was set last
	ending  bool            // it is not to be moved any more
}

// ndjson is the Content-Type of a stream, shared by all answers.
var ndjson = []string{"application/x-ndjson"}

// runStream admits a stream and runs it.
func (h *Handler) runStream(w http.ResponseWriter, r *http.Request, c *call) (wire.Reply, error) {
	if h.opt.Streams != nil {
		if !h.opt.Streams.Enter() {
			return nil, errcode.Newf(errcode.Busy, "too many bulk streams are under way, please try again later")
		}
		defer h.opt.Streams.Leave()
	}
	select {
	case <-h.stopping:
		return nil, errStopping()
	default:
	}
	c.stream = &stream{
		request: r, w: w, control: http.NewResponseController(w), id: c.id,
		now: h.opt.Now, stall: h.opt.StreamStall, stop: h.stopping,
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	return c.route.stream(h, ctx, c.stream, c)
}

// StopStreams has bulk streams end soon, each with an envelope that says how far it has
// come, and refuses new ones. It can be called once.
func (h *Handler) StopStreams() { close(h.stopping) }

// errStopping ends a stream because the server stops.
func errStopping() error {
	return errcode.Newf(errcode.Busy, "the server is stopping; go on from here later")
}

// errGone ends a stream whose client does not take the answer, as far as anybody can tell.
func errGone(err error) error {
	return &errcode.Error{Code: errcode.BadHTTP, Info: "the client is gone", Err: fmt.Errorf("rest: stream: %w", err)}
}

// begin writes the header. From then on the answer is lines.
func (s *stream) begin() error {
	if strings.EqualFold(s.request.Header.Get("Expect"), "100-continue") {
		s.w.WriteHeader(http.StatusContinue) // once the header is out it could not be any more
	}
	_ = s.control.EnableFullDuplex() // what cannot do it, as HTTP/2, does it anyway
	header := s.w.Header()
	header["Content-Type"] = ndjson
	header["X-Request-Id"] = []string{s.id}
	s.begun = true
	s.w.WriteHeader(http.StatusOK)
	return s.flush() // the client may wait for the header before it sends more
}

// write appends lines to the answer, through add, and writes when enough has come together.
func (s *stream) write(add func(dst []byte) []byte) error {
	s.buf = add(s.buf)
	if len(s.buf) < flushSize {
		return nil
	}
	return s.push()
}

// flush writes what there is and sends it off.
func (s *stream) flush() error {
	if err := s.push(); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return errGone(err)
	}
	return nil
}

func (s *stream) push() error {
	s.renew(&s.written, s.control.SetWriteDeadline)
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return errGone(err)
	}
	return nil
}

// renew moves a deadline ahead unless that was done just now: setting one for every block of
// a body would cost more than reading it.
func (s *stream) renew(last *time.Time, set func(time.Time) error) {
	now := s.now()
	if now.Sub(*last) < s.stall/100 {
		return
	}
	*last = now
	_ = set(now.Add(s.stall)) // a connection that has no deadlines needs none
}

// Read reads the request's body, which the client must keep sending.
func (s *stream) Read(p []byte) (int, error) {
	s.reading.Lock()
	if !s.ending {
		s.renew(&s.renewed, s.control.SetReadDeadline)
	}
	s.reading.Unlock()
	return s.request.Body.Read(p)
}

// finish writes the last line.
//
// If the client is still sending, what it sends is read and dropped for a moment: to close
// at once could take the answer from it, for that is what a connection does which is closed
// with something unread.
func (s *stream) finish(e wire.Envelope, reply wire.Reply) {
	s.buf = append(wire.AppendReply(s.buf, e, reply), '\n')
	_ = s.flush() // if the client is gone, nobody is left to tell
	if s.read == nil {
		return
	}
	s.reading.Lock()
	s.ending = true
	_ = s.control.SetReadDeadline(s.now().Add(s.stall / 120))
	s.reading.Unlock()
	<-s.read
}
