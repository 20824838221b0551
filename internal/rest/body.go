package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/muster-im/muster/internal/errcode"
)

// maxKept bounds the buffers that are kept for later requests; what a rare large one
// needed goes back to the runtime.
const maxKept = 256 << 10

// buffer holds the body of a request and then the reply to it.
type buffer struct {
	in, out []byte
}

var buffers = sync.Pool{New: func() any { return &buffer{in: make([]byte, 0, 8<<10), out: make([]byte, 0, 8<<10)} }}

func getBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if cap(b.in) <= maxKept && cap(b.out) <= maxKept {
		buffers.Put(b)
	}
}

// readBody reads the whole body into c.body. A body that is too large is an error before
// more than the limit is read; the connection then closes after the answer, because what
// the client is still sending would have to be read first.
func (h *Handler) readBody(header http.Header, r *http.Request, c *call) error {
	if r.ContentLength > h.opt.MaxBody {
		return h.tooLarge(header, c)
	}
	body := c.buf.in[:0]
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		c.buf.in, c.body = body, body
		switch {
		case int64(len(body)) > h.opt.MaxBody:
			return h.tooLarge(header, c)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return bodyFault(c.route.family.badJSON, err)
		}
	}
}

func (h *Handler) tooLarge(header http.Header, c *call) error {
	header.Set("Connection", "close")
	return bodyError(c.route.family.tooLarge, fmt.Sprintf("the body is over %d bytes", h.opt.MaxBody))
}

// bodyError says what is wrong with a body as a whole, after the code's own sentence.
func bodyError(code errcode.Code, what string) *errcode.Error {
	return errcode.Newf(code, "%s: %s", code.Info(), what)
}

// bodyFault says that a body could not be read to its end.
func bodyFault(code errcode.Code, err error) *errcode.Error {
	e := bodyError(code, "it could not be read to its end")
	e.Err = fmt.Errorf("rest: read body: %w", err)
	return e
}
