package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// service are the flags that say which service a command calls, and as whom.
type service struct {
	URL      string `name:"url" default:"http://127.0.0.1:8080" placeholder:"URL" env:"MUSTER_URL" help:"The server."`
	SDKAppID uint64 `name:"sdkappid" required:"" placeholder:"N" env:"MUSTER_SDKAPPID" help:"The App."`
	Key      secret `name:"key" placeholder:"KEY|@FILE" env:"MUSTER_KEY" help:"A Key of the App, or the file that has it. On the command line other users of the machine can see it."`
	Admin    string `name:"admin" default:"administrator" placeholder:"USERID" env:"MUSTER_ADMIN" help:"An admin of the App."`
}

// remote are the flags of the commands that call a service, Muster or the hosted one.
type remote struct {
	service
	Rate    float64       `name:"rate" default:"100" placeholder:"CALLS" help:"Calls per second at the most; 0 means no limit."`
	Timeout time.Duration `name:"timeout" default:"15s" placeholder:"TIME" help:"How long one request may take. One that fails is repeated, a few times, where that is safe."`
}

// client returns the client that the flags ask for, with connections for so many calls at
// a time, each of which makes so many attempts; 0 means as many as is usual. It does not
// connect.
func (r *remote) client(calls, attempts int) (*imclient.Client, error) {
	key, err := r.Key.reveal()
	switch {
	case err != nil:
		return nil, err
	case !(r.Rate >= 0) || math.IsInf(r.Rate, 0): // NaN too
		return nil, &usage{errors.New("--rate must be 0 or more calls per second"), ""}
	case r.Timeout <= 0:
		return nil, &usage{errors.New("--timeout must be more than 0"), ""}
	}
	c, err := imclient.New(imclient.Options{
		BaseURL:     r.URL,
		SDKAppID:    r.SDKAppID,
		Key:         imclient.Key(key),
		Admin:       r.Admin,
		Connections: calls,
		Timeout:     r.Timeout,
		Rate:        r.Rate,
		Attempts:    attempts,
	})
	if err != nil {
		return nil, &usage{err, ""}
	}
	return c, nil
}

// advise adds to the error of a call a line that says what to do about it. Any other error
// it returns as it is.
func (s *service) advise(err error) error {
	if refused, ok := errors.AsType[*imclient.Error](err); ok {
		if m := meaning(refused.Code); m != "" {
			return fmt.Errorf("%w\n%s", err, m)
		}
		return err
	}
	if _, ok := errors.AsType[*imclient.ReplyError](err); ok {
		return fmt.Errorf("%w\nsee whether --url is right: %s does not answer as the REST API does", err, s.URL)
	}
	if isNetwork(err) {
		return fmt.Errorf("%w\nsee whether --url is right and the server runs: %s", err, s.URL)
	}
	return err
}

// isUnknown reports whether the service does not know a command.
func isUnknown(err error) bool {
	refused, ok := errors.AsType[*imclient.Error](err)
	return ok && errcode.Code(refused.Code) == errcode.UnknownCommand
}

// isNetwork reports whether err is a connection's. That it is a net.Error would say
// nothing: every error of the system is one, that of a full disk too.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// meaning says what a code means and what to do; it is empty if that is not known.
func meaning(code int) string {
	if entry, ok := errcode.Lookup(errcode.Code(code)); ok {
		return entry.Meaning
	}
	return ""
}
