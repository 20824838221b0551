package app

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Spec is an App as an operator writes it, in the config file or after --app. A Spec may
// hold any values; App turns one that is sound into an App. Its Keys redact themselves
// when a Spec is printed or marshalled.
type Spec struct {
	// SDKAppID is a number from 1 to 2^32-1. It is wider here so that a number which is
	// too large gets a message of its own.
	SDKAppID uint64 `yaml:"sdkappid" json:"sdkappid"`
	// Keys are 1 to MaxKeys different Keys of at least MinKey bytes.
	Keys []Key `yaml:"keys" json:"keys"`
	// Admins are 1 to MaxAdmins different UserIDs.
	Admins []account.UserID `yaml:"admins" json:"admins"`
	// Edition is Trial or Pro; empty means Pro.
	Edition Edition `yaml:"edition,omitempty" json:"edition,omitempty"`
	// Rate is the number of calls per second of each command, 0 to MaxRate; 0 means no
	// limit and nil means DefaultRate.
	Rate *int `yaml:"rate,omitempty" json:"rate,omitempty"`
	// Disabled refuses every call with 60016.
	Disabled bool `yaml:"disabled,omitempty" json:"disabled,omitempty"`
	// DeleteLocked refuses every delete with 71000.
	DeleteLocked bool `yaml:"delete-locked,omitempty" json:"delete-locked,omitempty"`
	// DeleteHold is how long a deleted name cannot be imported again; 0 means at once.
	DeleteHold Duration `yaml:"delete-hold,omitempty" json:"delete-hold,omitempty"`
	// LoginMode is one of the modes; empty means MultiLogin.
	LoginMode LoginMode `yaml:"login-mode,omitempty" json:"login-mode,omitempty"`
	// WebInstances is 1 to MaxWebInstances; nil means 1.
	WebInstances *int `yaml:"web-instances,omitempty" json:"web-instances,omitempty"`
	// PlatformInstances is 1 to MaxPlatformInstances; nil means 1.
	PlatformInstances *int `yaml:"platform-instances,omitempty" json:"platform-instances,omitempty"`
	// Webhook is an http or https URL without userinfo and fragment; empty means none.
	Webhook string `yaml:"webhook,omitempty" json:"webhook,omitempty"`
	// WebhookToken signs the requests to Webhook; empty means that they are not signed.
	WebhookToken Key `yaml:"webhook-token,omitempty" json:"webhook-token,omitempty"`
	// NoWebhookState keeps State.StateChange from Webhook.
	NoWebhookState bool `yaml:"no-webhook-state,omitempty" json:"no-webhook-state,omitempty"`
	// WebhookBeforeSend asks Webhook whether a message may be sent.
	WebhookBeforeSend bool `yaml:"webhook-before-send,omitempty" json:"webhook-before-send,omitempty"`
	// WebhookAfterSend tells Webhook of every message that was sent, or could not be.
	WebhookAfterSend bool `yaml:"webhook-after-send,omitempty" json:"webhook-after-send,omitempty"`
	// WebhookFailClosed refuses a message if Webhook does not say whether it may be sent.
	WebhookFailClosed bool `yaml:"webhook-fail-closed,omitempty" json:"webhook-fail-closed,omitempty"`
}

// Duration is a time.Duration that JSON and YAML write as text, such as 720h.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return errNotDuration
	}
	*d = Duration(parsed)
	return nil
}

// errNotDuration stands for what package time says, which repeats the text: a slip of
// the operator's may have put a Key there.
var errNotDuration = errors.New("is not a duration such as 720h")

const (
	notSDKAppID = "must be a number from 1 to 4294967295"
	notRate     = "must be a number from 0 to 1000000, where 0 means no limit"

	notWebInstances      = "must be a number from 1 to 10"
	notPlatformInstances = "must be a number from 1 to 3"
)

// FieldError is one fault of a Spec. It never shows the field's value, which may be a
// Key that slipped into the wrong field.
type FieldError struct {
	Field   string // as in the config file, such as delete-hold
	Problem string // such as "is missing"
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func fault(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// App returns the App that s describes, its defaults filled in, or an error that joins
// all that Validate finds.
func (s Spec) App() (App, error) {
	if faults := s.Validate(); len(faults) > 0 {
		return App{}, fmt.Errorf("app: %w", errors.Join(faults...))
	}
	a := App{
		SDKAppID:     account.SDKAppID(s.SDKAppID),
		Keys:         slices.Clone(s.Keys),
		Admins:       slices.Clone(s.Admins),
		Edition:      s.Edition,
		Rate:         DefaultRate,
		Disabled:     s.Disabled,
		DeleteLocked: s.DeleteLocked,
		DeleteHold:   time.Duration(s.DeleteHold),
		Login:        s.login(),
		Webhook:      s.webhook(),
	}
	if a.Edition == "" {
		a.Edition = Pro
	}
	if s.Rate != nil {
		a.Rate = *s.Rate
	}
	return a, nil
}

// Validate returns every fault of s, each a *FieldError; none if s describes an App.
func (s Spec) Validate() []error {
	var faults []error
	if s.SDKAppID == 0 || s.SDKAppID > math.MaxUint32 {
		faults = append(faults, fault("sdkappid", notSDKAppID))
	}
	faults = append(faults, keyFaults(s.Keys)...)
	faults = append(faults, adminFaults(s.Admins)...)
	switch s.Edition {
	case "", Trial, Pro:
	default:
		faults = append(faults, fault("edition", "must be %s or %s", Trial, Pro))
	}
	if s.Rate != nil && (*s.Rate < 0 || *s.Rate > MaxRate) {
		faults = append(faults, fault("rate", notRate))
	}
	if s.DeleteHold < 0 {
		faults = append(faults, fault("delete-hold", "must not be negative"))
	}
	faults = append(faults, s.loginFaults()...)
	return append(faults, s.webhookFaults()...)
}

// login returns the LoginPolicy of a Spec that is sound, its defaults filled in.
func (s Spec) login() LoginPolicy {
	p := LoginPolicy{Mode: s.LoginMode}
	if s.WebInstances != nil {
		p.WebInstances = *s.WebInstances
	}
	if s.PlatformInstances != nil {
		p.PlatformInstances = *s.PlatformInstances
	}
	return p.Filled()
}

func (s Spec) loginFaults() []error {
	var faults []error
	if s.LoginMode != "" && !s.LoginMode.Valid() {
		faults = append(faults, fault("login-mode", "must be single, dual, triple or multi"))
	}
	if n := s.WebInstances; n != nil && (*n < 1 || *n > MaxWebInstances) {
		faults = append(faults, fault("web-instances", notWebInstances))
	}
	if n := s.PlatformInstances; n != nil && (*n < 1 || *n > MaxPlatformInstances) {
		faults = append(faults, fault("platform-instances", notPlatformInstances))
	}
	return faults
}

func (s Spec) webhook() Webhook {
	return Webhook{
		URL:        s.Webhook,
		Token:      s.WebhookToken,
		NoState:    s.NoWebhookState,
		BeforeSend: s.WebhookBeforeSend,
		AfterSend:  s.WebhookAfterSend,
		FailClosed: s.WebhookFailClosed,
	}
}

// needsWebhook returns the first field that is given and means nothing without a Webhook.
func (s Spec) needsWebhook() string {
	switch {
	case s.WebhookToken != "":
		return "webhook-token"
	case s.NoWebhookState:
		return "no-webhook-state"
	case s.WebhookBeforeSend:
		return "webhook-before-send"
	case s.WebhookAfterSend:
		return "webhook-after-send"
	case s.WebhookFailClosed:
		return "webhook-fail-closed"
	default:
		return ""
	}
}

func (s Spec) webhookFaults() []error {
	var faults []error
	switch err := checkWebhookURL(s.Webhook); {
	case s.Webhook == "" && s.needsWebhook() != "":
		faults = append(faults, fault("webhook", "is missing, but %s is given", s.needsWebhook()))
	case s.Webhook != "" && err != nil:
		faults = append(faults, fault("webhook", "%v", err))
	}
	if err := checkWebhookToken(s.WebhookToken); err != nil {
		faults = append(faults, fault("webhook-token", "%v", err))
	}
	if s.WebhookFailClosed && !s.WebhookBeforeSend {
		faults = append(faults, fault("webhook-fail-closed", "means something only with webhook-before-send"))
	}
	return faults
}

func keyFaults(keys []Key) []error {
	var faults []error
	if n := len(keys); n == 0 || n > MaxKeys {
		faults = append(faults, fault("keys", "an App has 1 to %d Keys, not %d", MaxKeys, n))
	}
	for i, k := range keys {
		if err := k.Validate(); err != nil {
			faults = append(faults, fault("keys", "number %d %v", i+1, err))
		}
		if first := slices.Index(keys, k); first < i {
			faults = append(faults, fault("keys", "number %d is the same as number %d", i+1, first+1))
		}
	}
	return faults
}

func adminFaults(admins []account.UserID) []error {
	var faults []error
	if n := len(admins); n == 0 || n > MaxAdmins {
		faults = append(faults, fault("admins", "an App has 1 to %d admins, not %d", MaxAdmins, n))
	}
	for i, id := range admins {
		if err := id.Validate(); err != nil {
			faults = append(faults, fault("admins", "number %d: %v", i+1, err))
		}
		if first := slices.Index(admins, id); first < i {
			faults = append(faults, fault("admins", "number %d is the same as number %d", i+1, first+1))
		}
	}
	return faults
}
