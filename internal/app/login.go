package app

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// LoginMode says which platforms of one account may be logged in at the same time. A newer
// login puts out older ones that it cannot stand beside (im-rest-api.md, section 5).
type LoginMode string

// The modes. Devices of the same platform always share its number of instances.
const (
	SingleLogin LoginMode = "single" // one platform, whichever
	DualLogin   LoginMode = "dual"   // Web beside one of the others
	TripleLogin LoginMode = "triple" // Web, one of iPhone, Android and iPad, one of PC, Mac and Linux
	MultiLogin  LoginMode = "multi"  // all platforms beside each other
)

// Limits of a LoginPolicy.
const (
	MaxWebInstances      = 10
	MaxPlatformInstances = 3
)

// Valid reports whether m is one of the modes.
func (m LoginMode) Valid() bool {
	switch m {
	case SingleLogin, DualLogin, TripleLogin, MultiLogin:
		return true
	default:
		return false
	}
}

// LoginPolicy says how many devices of one account may be logged in. The zero value means
// what it is when Filled.
type LoginPolicy struct {
	Mode              LoginMode // "" means MultiLogin
	WebInstances      int       // devices of platform Web, 1 to MaxWebInstances; 0 means 1
	PlatformInstances int       // devices of each other platform, 1 to MaxPlatformInstances; 0 means 1
}

// Filled returns p with its defaults filled in.
func (p LoginPolicy) Filled() LoginPolicy {
	if p.Mode == "" {
		p.Mode = MultiLogin
	}
	p.WebInstances = max(p.WebInstances, 1)
	p.PlatformInstances = max(p.PlatformInstances, 1)
	return p
}

// WebhookTimeout is how long a receiver may take to answer (im-rest-api.md, section 7).
const WebhookTimeout = 2 * time.Second

// Webhook is where an App's backend wants to be told of what happens to its accounts, and of
// what. Without more it is told when accounts log in and out.
type Webhook struct {
	URL   string // http or https; "" for none
	Token Key    // if not "", every request carries Sign and RequestTime

	NoState    bool // State.StateChange is off
	BeforeSend bool // C2C.CallbackBeforeSendMsg is on
	AfterSend  bool // C2C.CallbackAfterSendMsg is on
	// FailClosed refuses a message when BeforeSend gets no answer; else it passes.
	FailClosed bool
}

// checkWebhookURL says what is wrong with the address of a receiver, without a byte of it:
// it may hold a secret, or be one that slipped into the wrong field.
func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsFunc(text, unicode.IsSpace) || u.Opaque != "":
		return errors.New("must be a URL such as https://app.example.com/muster")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with http:// or https://")
	case u.Hostname() == "":
		return errors.New("must have a host")
	case u.Port() != "" && !isPort(u.Port()):
		return errors.New("must have a port from 1 to 65535")
	case u.User != nil:
		return errors.New("must not have a user name or password in it; webhook-token is there for secrets")
	case strings.Contains(text, "#"):
		return errors.New("must not have a fragment")
	default:
		return nil
	}
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// checkWebhookToken says what is wrong with a Token, without a byte of it; "" is no token.
// It may be shorter than MinKey: the receiver's side has chosen it, and it signs nothing
// that is handed to clients.
func checkWebhookToken(t Key) error {
	switch {
	case t == redacted:
		return errors.New("is the placeholder that printing a token leaves, not a token")
	case strings.TrimFunc(string(t), unicode.IsSpace) != string(t):
		return errors.New("starts or ends with white space")
	default:
		return nil
	}
}
