package webhook

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Action is what became of an account's state.
type Action string

// The actions.
const (
	Login              Action = "Login"
	Logout             Action = "Logout"
	Disconnect         Action = "Disconnect"
	CustomStatusChange Action = "CustomStatusChange"
)

// Reason is why an Action happened.
type Reason string

// The reasons, each with the Action it goes with.
const (
	Register         Reason = "Register"         // Login
	Unregister       Reason = "Unregister"       // Logout: by the device itself
	LinkClose        Reason = "LinkClose"        // Disconnect: the connection was closed
	TimeOut          Reason = "TimeOut"          // Disconnect: the device fell silent
	OpenKickInstance Reason = "OpenKickInstance" // Logout: by a kick of the REST API
	SetCustomStatus  Reason = "SetCustomStatus"  // CustomStatusChange
)

// RESTAPI is the platform of what the REST API did.
const RESTAPI = "RESTAPI"

// StateChange is one event State.StateChange.
type StateChange struct {
	SDKAppID account.SDKAppID
	UserID   account.UserID
	Action   Action
	Reason   Reason
	At       time.Time // when it happened; the zero time means now
	// OptPlatform is where it came from: a platform as package presence names it, or
	// RESTAPI; "" is sent as Unknown.
	OptPlatform string
	ClientIP    string // address of the device or of the REST client, without a port
	// Kicked are the platforms of the devices that a Login has put out, as package
	// presence names them. Such devices have no event of their own.
	Kicked       []string
	CustomStatus string // sent with CustomStatusChange only
}

// commandStateChange is the CallbackCommand of a StateChange.
const commandStateChange = "State.StateChange"

// stateChange is the body; the order of its fields is the documented one.
type stateChange struct {
	CallbackCommand string
	EventTime       int64 // Unix milliseconds
	Info            stateChangeInfo
	KickedDevice    []kickedDevice `json:",omitempty"`
}

type stateChangeInfo struct {
	Action       Action
	ToAccount    account.UserID `json:"To_Account"`
	Reason       Reason
	CustomStatus *string `json:",omitempty"`
}

type kickedDevice struct{ Platform string }

// body returns the event as JSON.
func (c *StateChange) body() ([]byte, error) {
	b := stateChange{
		CallbackCommand: commandStateChange,
		EventTime:       c.At.UnixMilli(),
		Info:            stateChangeInfo{Action: c.Action, ToAccount: c.UserID, Reason: c.Reason},
	}
	if c.Action == CustomStatusChange {
		b.Info.CustomStatus = &c.CustomStatus // also if it is empty, which is what clearing it looks like
	}
	for _, platform := range c.Kicked {
		b.KickedDevice = append(b.KickedDevice, kickedDevice{devicePlatform(platform)})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false) // names may have < and &, and this is no web page
	err := e.Encode(b)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// optPlatform spells a platform as OptPlatform does.
func optPlatform(platform string) string {
	switch platform {
	case "":
		return "Unknown"
	case "iPhone":
		return "IOS" // of all callbacks State.StateChange alone writes it like this
	case "PC":
		return "Windows"
	case "Mac":
		return "macOS"
	default:
		return platform
	}
}

// devicePlatform spells a platform as KickedDevice does.
func devicePlatform(platform string) string {
	switch platform {
	case "iPhone":
		return "iOS"
	case "PC":
		return "Windows"
	default:
		return platform
	}
}
