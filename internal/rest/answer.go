package rest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
	"github.com/muster-im/muster/internal/wire"
)

// Header values that never change, shared by all answers. They are only ever read.
var (
	anyOrigin    = []string{"*"}
	allowHeaders = []string{"X-Requested-With, Content-Type"}
	allowMethods = []string{http.MethodPost}
	jsonType     = []string{"application/json"}
)

// setCORS sets the headers that the overview page shows (im-rest-api.md, section 1.3).
// Content-Type is one more than it has, because browsers ask for it to send JSON.
func setCORS(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Allow-Methods"] = allowMethods
}

// setRate says when to call again: X-RateLimit-Reset and Retry-After are whole seconds
// from now, rounded up.
func setRate(h http.Header, d limit.Decision) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(d.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(d.Remaining))
	h.Set("X-RateLimit-Reset", seconds(d.Reset))
	h.Set("Retry-After", seconds(d.RetryAfter))
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// publicError gives err the code that this family has for it; nil for nil. Where the
// hosted service's sentence for a code is known the answer starts with it, because
// clients were seen to look for it, and goes on with what exactly is wrong.
func (f *family) publicError(err error) *errcode.Error {
	if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
		e := bodyError(f.badJSON, fmt.Sprintf("%s at byte %d", syntax.Reason, syntax.Offset))
		e.Err = err
		return e
	}
	e := errcode.From(err)
	if e != nil && e.Code == errcode.Internal && f.internal != errcode.Internal {
		return errcode.Wrap(f.internal, err)
	}
	return e
}

// answer writes the one reply of a request.
func (h *Handler) answer(w http.ResponseWriter, c *call, fault *errcode.Error, reply wire.Reply) {
	envelope := wire.Envelope{Display: c.route.family.display}
	if fault != nil {
		envelope.Code, envelope.Info = fault.Code, fault.Info
	}
	if c.stream != nil && c.stream.begun {
		c.stream.finish(envelope, reply)
		return
	}
	c.buf.out = wire.AppendReply(c.buf.out[:0], envelope, reply)
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(c.buf.out))}
	header["X-Request-Id"] = []string{c.id}
	_, _ = w.Write(c.buf.out) // if the client is gone, nobody is left to tell
}

// randomID returns 16 hexadecimal digits, enough to find a request in a log.
func randomID() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64()) //nolint:gosec // it names a log line and guards nothing
	return hex.EncodeToString(b[:])
}
