package imclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// MaxReply is how many bytes of a reply are read; a longer one is an error.
const MaxReply = 32 << 20

// maxDrain is how much of a reply that is of no use is read so that its connection can
// be used again.
const maxDrain = 64 << 10

func newHTTPClient(o Options) *http.Client {
	client := http.Client{Timeout: o.Timeout}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	} else {
		client.Transport = newTransport(o.Connections)
		if client.Timeout == 0 {
			client.Timeout = defaultTimeout
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func newTransport(connections int) *http.Transport {
	if connections <= 0 {
		connections = defaultConnections
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: connections,
		// Shorter than servers and proxies usually keep one, since a POST that meets a
		// connection which the other side just closed fails.
		IdleConnTimeout: 30 * time.Second,
		// Replies are short or come from near by; unpacking them would cost more.
		DisableCompression: true,
		// Room for a call of 100 names and for its reply in one read or write each.
		WriteBufferSize: 16 << 10,
		ReadBufferSize:  16 << 10,
	}
}

// withoutTimeout returns a copy that lets a request take any time. It shares the
// connections.
func withoutTimeout(client *http.Client) *http.Client {
	patient := *client
	patient.Timeout = 0
	return &patient
}

// exchange is one request and what came of it.
type exchange struct {
	command string
	body    []byte
	sig     signature
	header  http.Header // of the answer; nil if none came
	reply   []byte      // the body of an answer with status 200
	lost    error       // why no answer came; it may show a secret
}

// post makes one request.
func (c *Client) post(ctx context.Context, command string, body []byte) (exchange, error) {
	x := exchange{command: command, body: body}
	var err error
	if x.sig, err = c.creds.get(); err != nil {
		return x, fmt.Errorf("imclient: %s: %w", command, err)
	}
	resp, err := c.http.Do(c.request(ctx, command, x.sig, body))
	if err != nil {
		x.lost = err
		return x, fmt.Errorf("imclient: %s: %w", command, c.creds.hide(x.sig, err))
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	x.header = resp.Header
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // for the connection's sake only
		return x, &ReplyError{Command: command, Status: resp.StatusCode, Reason: statusReason(resp.StatusCode)}
	}
	if x.reply, err = readReply(resp); err != nil {
		x.lost = err
		return x, fmt.Errorf("imclient: %s: read the reply: %w", command, c.creds.hide(x.sig, err))
	}
	if len(x.reply) > MaxReply {
		return x, x.malformed(fmt.Sprintf("the reply has more than %d bytes", MaxReply))
	}
	return x, nil
}

// request builds by hand what http.NewRequest would parse from a URL at every call.
func (c *Client) request(ctx context.Context, command string, sig signature, body []byte) *http.Request {
	if len(body) == 0 {
		body = []byte("{}")
	}
	u := c.url(command, sig)
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           u,
		Host:          u.Host,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// url is that of a command, with the UserSig.
func (c *Client) url(command string, sig signature) *url.URL {
	return &url.URL{
		Scheme:   c.base.Scheme,
		Host:     c.base.Host,
		Path:     c.base.Path + "/v4/" + command,
		RawQuery: sig.query + strconv.FormatUint(uint64(rand.Uint32()), 10), // #nosec G404 -- the API's random protects nothing
	}
}

// readReply reads up to MaxReply+1 bytes.
func readReply(resp *http.Response) ([]byte, error) {
	const most = 64 << 10 // trust a declared length only so far
	size := min(max(resp.ContentLength, 0), most)
	// MinRead more, so that the read which finds the end needs no growing.
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, MaxReply+1))
	return buf.Bytes(), err
}

func statusReason(status int) string {
	if status >= 300 && status < 400 {
		return "a redirect, which is not followed; check BaseURL"
	}
	return "not an answer of the API"
}

// envelope is what every reply has. A reply type embeds it.
type envelope struct {
	ActionStatus string
	ErrorCode    *int
	ErrorInfo    string
}

func (e *envelope) head() *envelope { return e }

// envelopeOnly makes a call whose reply is the envelope and nothing else.
func (c *Client) envelopeOnly(ctx context.Context, command string, body []byte) error {
	return c.call(ctx, command, body, func(x exchange) error {
		if string(x.reply) == accepted {
			return nil
		}
		return c.decode(x, new(envelope))
	})
}

// do makes a call and reads its reply into a T, which it returns also if it is a
// refusal.
func do[T any, P interface {
	*T
	reply
}](ctx context.Context, c *Client, command string, body []byte) (T, error) {
	var out T
	err := c.call(ctx, command, body, func(x exchange) error {
		out = *new(T) // nothing may stay of an answer that was not the last
		return c.decode(x, P(&out))
	})
	return out, err
}

// reply is a struct that embeds envelope.
type reply interface{ head() *envelope }

// decode reads a reply into out. It returns an *Error if it is a refusal, and a
// *ReplyError if it is no reply.
func (c *Client) decode(x exchange, out reply) error {
	if err := json.Unmarshal(x.reply, out); err != nil {
		return x.malformed("the body is not a reply: " + err.Error())
	}
	return c.judge(x, out.head())
}

// judge returns an *Error if e refuses, and a *ReplyError if it is no envelope.
func (c *Client) judge(x exchange, e *envelope) error {
	if e.ErrorCode == nil {
		return x.malformed("the body has no ErrorCode")
	}
	code := *e.ErrorCode
	if code == 0 && e.ActionStatus != "FAIL" {
		return nil
	}
	if outdated(code) {
		c.creds.discard(x.sig)
	}
	return &Error{Command: x.command, Code: code, Info: c.creds.scrub(x.sig, e.ErrorInfo)}
}

func (x exchange) malformed(reason string) *ReplyError {
	return &ReplyError{Command: x.command, Status: http.StatusOK, Reason: reason}
}
