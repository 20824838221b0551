// Package app describes the tenants of a server: each App with its SDKAppID, Keys,
// admins and edition, the Spec an operator writes to set one up, and the Registry that
// finds them. Apps are immutable; a change swaps the whole Registry's table at once, so
// that a request sees one App from its start to its end.
package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/account"
)

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
	MaxKeys     = 2         // two while a Key is being rotated
	DefaultRate = 200       // calls per second and command
	MaxRate     = 1_000_000 // a higher rate is no limit any more; that is written 0
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
	Login        LoginPolicy
	Webhook      Webhook

	// policy is computed once, for an App in a Registry. self tells such an App from a
	// copy of it, which may be changed and whose policy would then be out of date.
	policy account.Policy
	self   *App
}

// Format implements fmt.Formatter: an App prints as its SDKAppID, whatever the verb. A
// verb that fits no pointer, such as %s for a struct that holds an *App, would otherwise
// make package fmt print all fields raw, Keys included.
func (a App) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "App %d", a.SDKAppID) }

// Policy returns what the App allows its accounts. For an App in a Registry it is
// computed once and shared: it must not be changed.
func (a *App) Policy() *account.Policy {
	if a.self == a {
		return &a.policy
	}
	p := a.makePolicy()
	return &p
}

func (a *App) makePolicy() account.Policy {
	return account.Policy{
		SDKAppID:     a.SDKAppID,
		Quota:        a.Edition.Quota(),
		Admins:       a.Admins,
		DeleteLocked: a.DeleteLocked,
		DeleteHold:   a.DeleteHold,
	}
}

// Equal reports whether a and b say the same. The order of Keys and Admins counts.
func (a App) Equal(b App) bool {
	return a.SDKAppID == b.SDKAppID &&
		slices.Equal(a.Keys, b.Keys) &&
		slices.Equal(a.Admins, b.Admins) &&
		a.Edition == b.Edition &&
		a.Rate == b.Rate &&
		a.Disabled == b.Disabled &&
		a.DeleteLocked == b.DeleteLocked &&
		a.DeleteHold == b.DeleteHold &&
		a.Login == b.Login &&
		a.Webhook == b.Webhook
}

// freeze returns a copy of a that shares nothing with it and whose Policy is computed.
func (a App) freeze() *App {
	a.Keys, a.Admins = slices.Clone(a.Keys), slices.Clone(a.Admins)
	a.policy = a.makePolicy()
	a.self = &a
	return &a
}
