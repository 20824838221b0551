package imclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The codes after which another attempt may do better.
const (
	codeCommandRate  = 60007
	codeTimeout      = 60008
	codeStoreTimeout = 70169
	codeBusy         = 70202
	codeInternal     = 70500
	codeBatchRate    = 90057
	codeMessages     = 91000
)

// The pauses before repetitions.
const (
	firstPause    = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	maxRetryAfter = time.Minute // a call that has to wait longer fails
)

// call makes requests until read likes the answer to one or no other is of use.
func (c *Client) call(ctx context.Context, command string, body []byte, read func(exchange) error) error {
	if err := c.pace(ctx); err != nil {
		return fmt.Errorf("imclient: %s: %w", command, err)
	}
	renewed := false
	for attempt := 1; ; attempt++ {
		x, err := c.post(ctx, command, body)
		if err == nil {
			err = read(x)
		}
		if err == nil || attempt >= c.attempts || ctx.Err() != nil {
			return err
		}
		pause, again := c.again(x, err, attempt)
		if !renewed && c.outdated(x, err) {
			pause, again, renewed = 0, true, true
		}
		if !again || !lasts(ctx, pause) {
			return err
		}
		if ended := c.rest(ctx, pause); ended != nil {
			return fmt.Errorf("imclient: %s: %w during a pause after: %w", command, ended, err)
		}
	}
}

// outdated reports whether a call was refused for its UserSig, and a new one may do.
func (c *Client) outdated(x exchange, err error) bool {
	e, refused := errors.AsType[*Error](err)
	return refused && outdated(e.Code) && c.creds.fresher(x.sig)
}

// rest waits before a repetition.
func (c *Client) rest(ctx context.Context, pause time.Duration) error {
	if err := sleep(ctx, pause); err != nil {
		return err
	}
	return c.pace(ctx)
}

// again says whether a call that failed should be made again, and how long to wait
// before: as long as the service asks for and then some more, lest all who were told the
// same come at once. The first attempt is 1.
func (c *Client) again(x exchange, err error, attempt int) (pause time.Duration, again bool) {
	if f := fateOf(x, err); f == settled || (f == unknown && !repeatable(x)) {
		return 0, false
	}
	asked := c.retryAfter(x.header)
	if asked > maxRetryAfter {
		return 0, false
	}
	least := min(firstPause<<min(attempt-1, 10), longestPause/2)
	jitter := rand.N(least) // #nosec G404 -- it has to spread calls, not to be secret
	return asked + least + jitter, true
}

// retryAfter is how long the service asks to wait.
func (c *Client) retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date")) // by the same clock as the other
	if err != nil {
		now = c.creds.now()
	}
	return max(at.Sub(now), 0)
}

// lasts reports whether ctx may still be there after a pause.
func lasts(ctx context.Context, pause time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) > pause
}

// fate is what is known about a call that failed.
type fate int

const (
	settled fate = iota // another attempt would meet the same
	undone              // the service did nothing
	unknown             // the service may have done it, or may still do it
)

// repeatable reports whether it makes no difference if a command is done twice. A message is
// known again by its MsgSeq, for which the service would choose another one each time.
func repeatable(x exchange) bool {
	switch x.command {
	case cmdSendMessage, cmdSendMessages, cmdImportMessage:
		return bytes.Contains(x.body, []byte(`"MsgSeq"`))
	case cmdAccountImport, cmdMultiAccountImport, cmdAccountDelete, cmdAccountCheck, cmdKick, cmdMultiKick,
		cmdQueryOnlineStatus, cmdQueryState, cmdPortraitSet, cmdPortraitGet,
		cmdRoamMessages, cmdWithdrawMessage:
		return true
	}
	return false
}

func fateOf(x exchange, err error) fate {
	if x.lost != nil {
		return fateOfLost(x.lost)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Code {
		case codeCommandRate, codeBusy, codeBatchRate:
			return undone
		case codeTimeout, codeStoreTimeout, codeInternal, codeMessages:
			return unknown
		}
	}
	if e, ok := errors.AsType[*ReplyError](err); ok {
		switch e.Status {
		case http.StatusTooManyRequests:
			return undone
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return unknown
		}
	}
	return settled
}

// fateOfLost judges a transport's error. Those of HTTP/2 and of other transports have no
// types to know them by, so that all are taken for a time-out or a broken connection
// that are not known to be something else.
func fateOfLost(err error) fate {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return settled
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return settled
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		switch e.Op {
		case "dial", "proxyconnect":
			return undone
		case "local error", "remote error": // package tls: the two sides do not agree
			return settled
		}
	}
	return unknown
}
