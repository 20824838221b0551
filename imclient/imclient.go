// Package imclient is a client of Tencent Cloud IM's server REST API, for Muster or for
// the hosted service: what differs is Options.BaseURL.
//
//	c, err := imclient.New(imclient.Options{
//		BaseURL:  "http://127.0.0.1:8080",
//		SDKAppID: 1400000001,
//		Key:      imclient.Key(os.Getenv("MUSTER_KEY")),
//		Admin:    "administrator",
//	})
//	…
//	reply, err := c.MultiAccountImport(ctx, imclient.ImportRequest{Names: names})
//
// There is one method for each command; [Client.Call] is for those that have none. The
// client signs the admin's UserSig itself, uses it for half of its lifetime and then
// makes a new one.
//
// A call that meets a time-out, a connection that breaks or a service that is busy is
// repeated, with pauses that grow; see [Options.Attempts] for when and how often, and
// [Options.Rate] for how to stay below a service's limit. A repetition may find that the
// attempt before it was done after all: then an import says Existed instead of Created,
// AccountDelete 70107, and WithdrawMessage 20023. A message is not sent twice, unless it is
// only for who is online; its MsgKey is then the same.
//
// The error of a call is that of its last attempt, and of one of three kinds:
//
//   - *[Error]: the service refused; act on the Code;
//   - *[ReplyError]: something answered, but not the API (a proxy's error page);
//   - any other: the call did not get through, or ctx ended. Its fate is then unknown,
//     unless ctx had ended before.
//
// If ctx ends while a call waits for its repetition, the error matches both that of ctx
// and that of the attempt before.
//
// What concerns a single account of a call that succeeded is in the result. No error
// and no printed Client, Options or Key shows the Key or a UserSig.
//
// [Client.BulkImport] and [Client.BulkExport] move any number of accounts in one call, and
// [Client.KickMany] kicks a hundred. They are commands of Muster alone; another service
// answers 60009.
//
// The lists of a call are sent as they are: how many accounts one call may have (100, or
// 500 for the status queries) is for the service to judge. Text must be UTF-8; other
// bytes become U+FFFD.
package imclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Options says where the service is and who calls it. BaseURL, SDKAppID, Key and Admin
// are needed; the rest has defaults.
type Options struct {
	// BaseURL is all that stands before /v4/ in the URL of a command: scheme http or
	// https, host, and perhaps a path. Over plain http whoever listens can read UserSigs.
	BaseURL  string
	SDKAppID uint64 // the App
	Key      Key    // the App's secret
	Admin    string // the UserID of one of the App's admins, in whose name calls are made

	// SigLifetime is how long the UserSigs are valid: whole seconds, at least a minute,
	// 24 hours if zero.
	SigLifetime time.Duration

	// HTTPClient makes the requests; nil means one that keeps Connections connections
	// open, asks for no compression and gives up after Timeout. The client works on a
	// copy that follows no redirects, because they would hand the UserSig to whomever
	// they lead to.
	HTTPClient *http.Client
	// Connections is how many idle connections are kept for the next calls, 64 if zero.
	// It should be the number of calls made at a time. Not used if HTTPClient is set.
	Connections int
	// Timeout is how long one request may take, 15 s if zero; the service itself gives
	// up after 3 s. Not used if HTTPClient is set, whose own Timeout is used. Neither
	// holds for bulk calls: those end when the service is silent for two minutes.
	Timeout time.Duration

	// Rate is how many requests a second the client makes at most, repetitions included;
	// 0 means as many as it is asked for. They are spaced out evenly: a call waits for its
	// turn, however many are made at a time. Retry-After is heeded beside that.
	Rate float64
	// Attempts is how many requests one call may make, the first included: 4 if zero; with
	// 1 no call is ever repeated. Repeated are calls that another time may do better:
	//
	//   - after a time-out or a broken connection;
	//   - after the HTTP status 429, 502, 503 or 504;
	//   - after 60007, 60008, 70169, 70202, 70500, 90057 and 91000.
	//
	// A repetition waits 100 to 200 ms, the next one twice that and so on up to 10 s, and
	// at least as long as the service asks for with Retry-After. If that is more than a
	// minute, or longer than ctx lasts, the call fails at once. A call that is refused with
	// 70001 or 70052 is repeated once, at once, with a new UserSig.
	//
	// All commands that have a method are safe to repeat; with [Client.Call] those that send or
	// import messages are if MsgSeq is given. Of those that Call alone can make that is not
	// known: such a call is repeated only if the service cannot have done anything, which is
	// after a connection that could not be made, the HTTP status 429, 60007, 70202, 90057,
	// 70001 and 70052.
	Attempts int

	// Now is the clock that UserSigs are made with, time.Now if nil.
	Now func() time.Time
}

// The defaults of Options.
const (
	defaultSigLifetime = 24 * time.Hour
	defaultConnections = 64
	defaultTimeout     = 15 * time.Second
	defaultAttempts    = 4
	minSigLifetime     = time.Minute
)

// Client calls one service in the name of one admin of one App. It is safe for
// concurrent use and should be shared, because it keeps connections and the UserSig.
type Client struct {
	base     *url.URL // without a slash at the end of its path
	http     *http.Client
	bulk     *http.Client // the same without a Timeout
	creds    *credentials // a pointer, so that printing a Client does not print a secret
	limiter  *rate.Limiter
	attempts int
}

// New returns a Client. It makes the first UserSig, and so fails if Key or Admin cannot
// make one; it does not connect.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("imclient: new: %w", err)
	}
	limiter, err := newLimiter(o.Rate)
	if err != nil {
		return nil, fmt.Errorf("imclient: new: %w", err)
	}
	if o.Attempts < 0 {
		return nil, fmt.Errorf("imclient: new: Attempts is %d, it must not be negative", o.Attempts)
	}
	creds, err := newCredentials(o)
	if err != nil {
		return nil, fmt.Errorf("imclient: new: %w", err)
	}
	client := newHTTPClient(o)
	return &Client{
		base: base, http: client, bulk: withoutTimeout(client),
		creds: creds, limiter: limiter, attempts: cmp.Or(o.Attempts, defaultAttempts),
	}, nil
}

// parseBase does not repeat the URL in its errors, since one that is refused may hold a
// password.
func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("BaseURL is missing")
	case err != nil:
		return nil, errors.New("BaseURL is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("BaseURL must start with http:// or https://")
	case u.Host == "":
		return nil, errors.New("BaseURL has no host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("BaseURL may have a scheme, a host and a path, nothing else")
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	return base, nil
}

// Call calls any command, named service/command as in openim/querystate, and returns
// the reply once its envelope is found good. An empty body is sent as {}.
//
// If the service refuses, the error is an *[Error], and reply is still what it sent.
func (c *Client) Call(ctx context.Context, command string, body []byte) (reply []byte, err error) {
	err = c.call(ctx, command, body, func(x exchange) error {
		reply = x.reply
		return c.decode(x, new(envelope))
	})
	return reply, err
}

// CloseIdleConnections closes the connections that no call uses now. The Client stays
// usable.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }
