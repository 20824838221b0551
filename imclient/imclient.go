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
// A call makes one request and does not repeat it. Its error is one of three kinds:
//
//   - *[Error]: the service refused; act on the Code;
//   - *[ReplyError]: something answered, but not the API (a proxy's error page);
//   - any other: the call did not get through, or ctx ended. Its fate is then unknown,
//     unless ctx had ended before.
//
// What concerns a single account of a call that succeeded is in the result. No error
// and no printed Client, Options or Key shows the Key or a UserSig.
//
// The lists of a call are sent as they are: how many accounts one call may have (100, or
// 500 for the status queries) is for the service to judge. Text must be UTF-8; other
// bytes become U+FFFD.
package imclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
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
	// up after 3 s. Not used if HTTPClient is set.
	Timeout time.Duration

	// Now is the clock that UserSigs are made with, time.Now if nil.
	Now func() time.Time
}

// The defaults of Options.
const (
	defaultSigLifetime = 24 * time.Hour
	defaultConnections = 64
	defaultTimeout     = 15 * time.Second
	minSigLifetime     = time.Minute
)

// Client calls one service in the name of one admin of one App. It is safe for
// concurrent use and should be shared, because it keeps connections and the UserSig.
type Client struct {
	base  *url.URL // without a slash at the end of its path
	http  *http.Client
	creds *credentials // a pointer, so that printing a Client does not print a secret
}

// New returns a Client. It makes the first UserSig, and so fails if Key or Admin cannot
// make one; it does not connect.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("imclient: new: %w", err)
	}
	creds, err := newCredentials(o)
	if err != nil {
		return nil, fmt.Errorf("imclient: new: %w", err)
	}
	return &Client{base: base, http: newHTTPClient(o), creds: creds}, nil
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
	x, err := c.post(ctx, command, body)
	if err != nil {
		return nil, err
	}
	return x.reply, c.decode(x, new(envelope))
}

// CloseIdleConnections closes the connections that no call uses now. The Client stays
// usable.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }
