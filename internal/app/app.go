// Package app describes the tenants of a server: each App with its SDKAppID, Keys,
// admins and edition, and the Registry that finds them. Apps are immutable; a change
// swaps the whole Registry's table at once, so that a request sees one App from its
// start to its end.
package app

import (
	"log/slog"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Key is an App's secret, used as text to sign and verify UserSigs. It redacts itself
// wherever it is printed, logged or marshalled; Reveal is the only way to the text.
type Key string

const redacted = "[redacted]"

// Reveal returns the secret text.
func (k Key) Reveal() string { return string(k) }

// String implements fmt.Stringer; it never shows the secret.
func (k Key) String() string { return redacted }

// GoString implements fmt.GoStringer; it never shows the secret.
func (k Key) GoString() string { return redacted }

// LogValue implements slog.LogValuer; it never shows the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler; it never shows the secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Edition decides an App's quota (im-rest-api.md, section 5).
type Edition string

// The editions.
const (
	Trial Edition = "trial" // TrialQuota accounts
	Pro   Edition = "pro"   // no limit
)

// Limits of one App.
const (
	TrialQuota  = 100 // accounts of a trial App, admins not counted
	MaxAdmins   = 10
	MaxKeys     = 2   // two while a Key is being rotated
	DefaultRate = 200 // calls per second and command
)

// Quota returns how many accounts the edition allows; 0 means no limit.
func (e Edition) Quota() int64 {
	if e == Trial {
		return TrialQuota
	}
	return 0
}

// App is one tenant. It must not be changed once it is in a Registry.
type App struct {
	SDKAppID     account.SDKAppID
	Keys         []Key // 1 to MaxKeys; any of them verifies
	Admins       []account.UserID
	Edition      Edition
	Rate         int // calls per second of each command; 0 means no limit
	Disabled     bool
	DeleteLocked bool
	DeleteHold   time.Duration
}

// Policy returns what the App allows its accounts.
func (a *App) Policy() *account.Policy {
	return &account.Policy{
		SDKAppID:     a.SDKAppID,
		Quota:        a.Edition.Quota(),
		Admins:       a.Admins,
		DeleteLocked: a.DeleteLocked,
		DeleteHold:   a.DeleteHold,
	}
}
