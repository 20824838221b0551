package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/auth"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// call is one request on its way.
type call struct {
	route  *route
	start  time.Time
	id     string // X-Request-Id
	buf    *buffer
	header http.Header // of the answer

	identifier string   // as claimed; for the log, and the sender of messages
	source     string   // the address that the request came from
	app        *app.App // nil until the caller is authenticated
	body       []byte   // valid until the command has run
	accounts   int      // how many accounts the request names
	stream     *stream  // of a streaming command
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setCORS(w.Header())
	switch r.Method {
	case http.MethodHead:
		w.WriteHeader(http.StatusOK)
		return
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c := &call{route: h.find(r), start: h.opt.Now(), id: h.opt.NewRequestID(), buf: getBuffer(), header: w.Header()}
	defer c.buf.release()
	var reply wire.Reply
	var err error
	if h.opt.Gate.Enter() {
		defer h.opt.Gate.Leave()
		h.metrics.inFlight.Inc()
		defer h.metrics.inFlight.Dec()
		reply, err = h.run(w, r, c)
	} else {
		err = errcode.New(errcode.Busy)
	}
	fault := c.route.family.publicError(err)
	h.answer(w, c, fault, reply)
	h.record(r, c, fault)
}

func (h *Handler) find(r *http.Request) *route {
	if found, ok := h.routes[r.URL.Path]; ok {
		return found
	}
	return h.unknown
}

// run admits the request and carries out its command.
func (h *Handler) run(w http.ResponseWriter, r *http.Request, c *call) (reply wire.Reply, err error) {
	defer h.caught(r.Context(), c, &err)
	if r.Method != http.MethodPost {
		return nil, errcode.New(errcode.BadHTTP)
	}
	if c.route.run == nil && c.route.stream == nil {
		return nil, errcode.New(errcode.UnknownCommand)
	}
	if err := h.admit(w.Header(), r, c); err != nil {
		return nil, err
	}
	if c.route.stream != nil {
		return h.runStream(w, r, c)
	}
	if err := h.readBody(w.Header(), r, c); err != nil {
		return nil, err
	}
	return c.route.run(h, r.Context(), c)
}

// caught makes a panic of a command an internal error, so that one bad request cannot look
// like a broken network to its client, who would send it again, nor end the server. It is to
// be deferred by whatever goroutine works on the command.
func (h *Handler) caught(ctx context.Context, c *call, err *error) {
	if p := recover(); p != nil {
		h.opt.Logger.LogAttrs(ctx, slog.LevelError, "panic",
			slog.String("command", c.route.name), slog.String("request_id", c.id),
			slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		*err = errcode.New(errcode.Internal)
	}
}

// admit lets the request through if an admin of an App made it, within the App's rate.
func (h *Handler) admit(header http.Header, r *http.Request, c *call) error {
	caller, err := h.authenticate(r.Context(), r, c)
	if err != nil {
		return err
	}
	c.app = caller.App
	if !caller.Admin {
		return errcode.New(c.route.family.notAdmin)
	}
	d := h.opt.Limiter.Allow(c.app.SDKAppID, c.route.name, c.app.Rate, c.start)
	if !d.Allowed {
		setRate(header, d)
		return errcode.New(errcode.CommandRate)
	}
	return nil
}

func (h *Handler) authenticate(ctx context.Context, r *http.Request, c *call) (auth.Caller, error) {
	q := wire.ParseQuery(r.URL.RawQuery)
	c.identifier = q.Identifier
	var err error
	if c.source, _, err = net.SplitHostPort(r.RemoteAddr); err != nil {
		c.source = r.RemoteAddr
	}
	return h.opt.Authenticator.Authenticate(ctx, auth.Credentials{
		SDKAppID:   q.SDKAppID,
		Identifier: q.Identifier,
		UserSig:    q.UserSig,
		Source:     c.source,
	})
}
