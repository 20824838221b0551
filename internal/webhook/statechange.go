package webhook

import (
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

// stateChangeBody is the body; the order of its fields is the documented one.
type stateChangeBody struct {
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

func (c *StateChange) command() command { return stateChange }

func (c *StateChange) size() int { return 0 }

func (c *StateChange) origin() (platform, address string) {
	if c.OptPlatform == "iPhone" {
		return "IOS", c.ClientIP // of all callbacks this alone writes it like this
	}
	return optPlatform(c.OptPlatform), c.ClientIP
}

func (c *StateChange) body() ([]byte, error) {
	b := stateChangeBody{
		CallbackCommand: stateChange.String(),
		EventTime:       c.At.UnixMilli(),
		Info:            stateChangeInfo{Action: c.Action, ToAccount: c.UserID, Reason: c.Reason},
	}
	if c.Action == CustomStatusChange {
		b.Info.CustomStatus = &c.CustomStatus // also if it is empty, which is what clearing it looks like
	}
	for _, platform := range c.Kicked {
		b.KickedDevice = append(b.KickedDevice, kickedDevice{devicePlatform(platform)})
	}
	return marshal(b)
}

// optPlatform spells a platform as OptPlatform does, but for iPhone.
func optPlatform(platform string) string {
	switch platform {
	case "":
		return "Unknown"
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
