package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// A streaming command (muster/bulk_import, muster/bulk_export) answers while it runs: lines
// of JSON, the last of which is the envelope. What is refused before it begins, credentials
// and rates as for every command, gets the usual answer.

// streamStall is how long a stream waits for its client to send or to take something.
const streamStall = 2 * time.Minute

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
	now     func() time.Time
	stop    <-chan struct{} // closed when streams should come to an end

	begun   bool
	buf     []byte
	renewed [2]time.Time // when the deadlines for reading and writing were set last
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
	c.stream = &stream{request: r, w: w, control: http.NewResponseController(w), now: h.opt.Now, stop: h.stopping}
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

// begin writes the header. From then on the answer is lines.
func (s *stream) begin() error {
	if strings.EqualFold(s.request.Header.Get("Expect"), "100-continue") {
		s.w.WriteHeader(http.StatusContinue) // once the header is out it could not be any more
	}
	_ = s.control.EnableFullDuplex() // what cannot do it, as HTTP/2, does it anyway
	header := s.w.Header()
	header["Content-Type"] = ndjson
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
		return fmt.Errorf("rest: stream: %w", err)
	}
	return nil
}

func (s *stream) push() error {
	s.renew(1, s.control.SetWriteDeadline)
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return fmt.Errorf("rest: stream: %w", err)
	}
	return nil
}

// renew moves a deadline ahead, once a second at the most: setting one for every block of a
// body would cost more than reading it.
func (s *stream) renew(which int, set func(time.Time) error) {
	now := s.now()
	if now.Sub(s.renewed[which]) < time.Second {
		return
	}
	s.renewed[which] = now
	_ = set(now.Add(streamStall)) // a connection that has no deadlines needs none
}

// Read reads the request's body, which the client must keep sending.
func (s *stream) Read(p []byte) (int, error) {
	s.renew(0, s.control.SetReadDeadline)
	return s.request.Body.Read(p)
}

// abandon makes a Read that waits return. The connection is of no more use.
func (s *stream) abandon() {
	s.w.Header().Set("Connection", "close") // has an effect only before begin
	_ = s.control.SetReadDeadline(s.now().Add(-time.Second))
}

// finish writes the last line.
func (s *stream) finish(e wire.Envelope, reply wire.Reply) {
	s.buf = append(wire.AppendReply(s.buf, e, reply), '\n')
	_ = s.flush() // if the client is gone, nobody is left to tell
}
