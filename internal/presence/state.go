package presence

import (
	"time"

	"github.com/muster-im/muster/internal/account"
)

// State is what an account or one of its devices is (im-rest-api.md, section 2.6).
type State string

// The states.
const (
	Online     State = "Online"     // connected
	PushOnline State = "PushOnline" // not connected, but can be reached by push
	Offline    State = "Offline"
)

// PushTTL is how long a device that can be reached by push is PushOnline after its
// connection was lost.
const PushTTL = 7 * 24 * time.Hour

// Platform is what kind of device a session is on.
type Platform string

// The platforms.
const (
	IPhone  Platform = "iPhone"
	Android Platform = "Android"
	Web     Platform = "Web"
	PC      Platform = "PC" // Windows
	IPad    Platform = "iPad"
	Mac     Platform = "Mac"
	Linux   Platform = "Linux"
)

// Platforms are all platforms.
func Platforms() []Platform { return []Platform{IPhone, Android, Web, PC, IPad, Mac, Linux} }

// index is the place of p in Platforms, -1 if it has none.
func (p Platform) index() int {
	switch p {
	case IPhone:
		return 0
	case Android:
		return 1
	case Web:
		return 2
	case PC:
		return 3
	case IPad:
		return 4
	case Mac:
		return 5
	case Linux:
		return 6
	default:
		return -1
	}
}

// Valid reports whether p is one of Platforms.
func (p Platform) Valid() bool { return p.index() >= 0 }

// Canonical returns the constant that p is equal to, so that nothing p was cut from is kept
// in memory.
func (p Platform) Canonical() Platform {
	if i := p.index(); i >= 0 {
		return Platforms()[i]
	}
	return ""
}

// Mobile reports whether devices of this platform can be reached by push.
func (p Platform) Mobile() bool { return p == IPhone || p == Android || p == IPad }

// Device is one device of an account and its state, Online or PushOnline.
type Device struct {
	Platform   Platform
	InstanceID string
	State      State
}

// Status is the presence of one account: Online if any device is, else PushOnline if any
// is, else Offline.
type Status struct {
	State        State
	CustomStatus string   // what the account says of itself; "" for nothing
	Devices      []Device // those that are not Offline, the longest logged in first
}

// PushKey names a device that can be reached by push.
type PushKey struct {
	SDKAppID   account.SDKAppID
	UserID     account.UserID
	Platform   Platform
	InstanceID string // 1 to MaxInstanceID bytes of printable ASCII
}

// PushDevice is what is kept of a device that can be reached by push.
type PushDevice struct {
	PushKey
	Seen int64 // Unix seconds, when it was last known to be connected
}

// MaxInstanceID is how many bytes the name of a device may have.
const MaxInstanceID = 64
