package imclient

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/muster-im/muster/usersig"
)

// The codes after which a UserSig is not worth using again, although it was made by a
// good Key: expired by the service's clock, or made before the admin was kicked.
const (
	codeSigExpired = 70001
	codeSigKicked  = 70052
)

func outdated(code int) bool { return code == codeSigExpired || code == codeSigKicked }

// credentials makes the admin's UserSigs and keeps the last one.
type credentials struct {
	app      uint64
	admin    string
	key      []byte
	lifetime int64 // seconds
	now      func() time.Time

	mu      sync.Mutex
	current signature // the zero value once it is not to be used any more
}

// signature is a UserSig ready for use.
type signature struct {
	usersig string
	query   string // of a command's URL, up to the value of random
	// Both are in Unix seconds, not a time.Time: those compare by the monotonic clock,
	// which stands still while a machine sleeps, and the service's clock does not.
	madeAt, renewAt int64
}

func newCredentials(o Options) (*credentials, error) {
	if o.SigLifetime == 0 {
		o.SigLifetime = defaultSigLifetime
	}
	if o.SigLifetime < minSigLifetime {
		return nil, fmt.Errorf("SigLifetime is %v, it must be at least %v", o.SigLifetime, minSigLifetime)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &credentials{
		app:      o.SDKAppID,
		admin:    o.Admin,
		key:      []byte(o.Key),
		lifetime: int64(o.SigLifetime / time.Second),
		now:      o.Now,
	}
	_, err := c.get()
	return c, err
}

// get returns the current signature, or a new one if it is past half of its lifetime:
// the other half is for clocks that differ.
func (c *credentials) get() (signature, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now().Unix()
	if now < c.current.renewAt {
		return c.current, nil
	}
	text, err := usersig.Sign(c.key, usersig.Claims{Identifier: c.admin, SDKAppID: c.app, Time: now, Expire: c.lifetime})
	if err != nil {
		return signature{}, err
	}
	c.current = signature{
		usersig: text,
		query: "sdkappid=" + strconv.FormatUint(c.app, 10) + "&identifier=" + escape(c.admin) +
			"&usersig=" + text + "&contenttype=json&random=",
		madeAt:  now,
		renewAt: now + c.lifetime/2,
	}
	return c.current, nil
}

// discard makes the next get sign anew, if s is still what get returns.
func (c *credentials) discard(s signature) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.usersig == s.usersig {
		c.current = signature{}
	}
}

// fresher reports whether a UserSig made now would be another one than s.
func (c *credentials) fresher(s signature) bool { return c.now().Unix() != s.madeAt }

// escape is url.QueryEscape without its plus for a blank, which not every server reads
// as one. The alphabet of UserSigs needs no escaping at all.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// scrub returns text without the UserSig of s and without the Key.
func (c *credentials) scrub(s signature, text string) string {
	for _, secret := range []string{s.usersig, url.QueryEscape(s.usersig), string(c.key)} {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// hide returns err, or if its text shows a secret an error that does not and that
// matches whatever err matches. Transports that wrap others are known to put the URL of
// the request into their errors.
func (c *credentials) hide(s signature, err error) error {
	// http.Client wraps every error into one that shows the URL.
	for {
		wrapper, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = wrapper.Err
	}
	if text := err.Error(); c.scrub(s, text) != text {
		return &hiddenError{text: c.scrub(s, text), cause: err}
	}
	return err
}

// hiddenError shows a scrubbed text. It does not unwrap, so that whoever prints each
// error of a chain shows no secret either.
type hiddenError struct {
	text  string
	cause error
}

func (e *hiddenError) Error() string { return e.text }

func (e *hiddenError) Is(target error) bool { return errors.Is(e.cause, target) }
