package presence

import (
	"slices"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// Cause says why a session ended.
type Cause uint8

// The causes. A device that can be reached by push stays PushOnline after the first three.
const (
	LinkClosed Cause = iota // its connection was closed or broke
	TimedOut                // nothing was heard of it
	AppChanged              // the App's settings changed; it is to log in again
	LoggedOut               // it logged out
	PutOut                  // a newer login put it out
	Kicked                  // the account was kicked
	Deleted                 // the account was deleted
)

var causeNames = [...]string{"link_close", "timeout", "app_changed", "logout", "put_out", "kick", "delete"}

// Causes are all causes.
func Causes() []Cause {
	return []Cause{LinkClosed, TimedOut, AppChanged, LoggedOut, PutOut, Kicked, Deleted}
}

// String returns the cause's name, as metrics have it.
func (c Cause) String() string { return causeNames[c] }

// lost reports whether the session ended without anybody wanting the device logged out.
func (c Cause) lost() bool { return c <= AppChanged }

// Session is one login of one device. Its fields must not be changed once it is in a Table.
type Session struct {
	SDKAppID    account.SDKAppID
	UserID      account.UserID
	Platform    Platform
	InstanceID  string // 1 to MaxInstanceID bytes
	PushCapable bool   // counts on mobile platforms alone
	Address     string // the IP address it came from
	Since       int64  // Unix seconds, when it logged in
	// Conn is the connection, closed when the Table ends the session. It must be comparable.
	Conn Conn

	saved int64 // the Seen that the Store has or is about to have; of the Table
}

// Conn is the connection of a session.
type Conn interface {
	// End closes the connection because of cause. It must not block, nor call the Table.
	End(cause Cause)
}

func (s *Session) pushable() bool { return s.PushCapable && s.Platform.Mobile() }

func (s *Session) pushKey() PushKey {
	return PushKey{SDKAppID: s.SDKAppID, UserID: s.UserID, Platform: s.Platform, InstanceID: s.InstanceID}
}

func (s *Session) device() Device {
	return Device{Platform: s.Platform, InstanceID: s.InstanceID, State: Online}
}

// Change is what happened to an account.
type Change struct {
	SDKAppID account.SDKAppID
	UserID   account.UserID
	Action   Action
	// Session is the session that this is about; nil for Kick, which is about all of them.
	Session *Session
	Cause   Cause    // of Leave and Kick
	PutOut  []Device // of Login: the devices that it put out, itself apart
	// CustomStatus is what the account says of itself now; of SetCustomStatus.
	CustomStatus string
	At           int64 // Unix milliseconds
}

// Action is the kind of a Change.
type Action uint8

// The actions.
const (
	Login           Action = iota // a device logged in
	Leave                         // a session ended, by itself or by its device
	Kick                          // all sessions were ended, because of Kicked or Deleted
	SetCustomStatus               // the account set its custom status
)

// Observer is told of every change, those of one account in the order in which they
// happened. Changed is called with a lock held: it must be quick, must not block and must
// not call the Table.
type Observer interface {
	Changed(c Change)
}

// group is what a mode sees of a platform.
func group(p Platform) int {
	switch p {
	case Web:
		return 0
	case IPhone, Android, IPad:
		return 1
	default:
		return 2
	}
}

// beside reports whether devices of two different platforms may be logged in together.
func beside(mode app.LoginMode, a, b Platform) bool {
	switch mode {
	case app.SingleLogin:
		return false
	case app.DualLogin:
		return (a == Web) != (b == Web)
	case app.TripleLogin:
		return group(a) != group(b)
	default:
		return true
	}
}

// instances is how many devices of a platform may be logged in together.
func instances(p app.LoginPolicy, platform Platform) int {
	if platform == Web {
		return p.WebInstances
	}
	return p.PlatformInstances
}

// entry is what is known of one account that is not Offline.
type entry struct {
	sessions []*Session   // the longest logged in first
	push     []PushDevice // not connected, the longest gone first
	custom   string
}

// makeRoom removes the devices that a login of s puts out under the policy, and those that
// are the very device of s, whose older connection may not have been noticed to be gone.
func (e *entry) makeRoom(s *Session, p app.LoginPolicy) (sessions []*Session, push []PushDevice) {
	p = p.Filled()
	room := instances(p, s.Platform) - 1
	for _, other := range e.sessions {
		if other.Platform == s.Platform && other.InstanceID != s.InstanceID {
			room--
		}
	}
	for _, other := range e.push {
		if other.Platform == s.Platform && other.InstanceID != s.InstanceID {
			room--
		}
	}
	goes := func(platform Platform, instance string) bool {
		if platform != s.Platform {
			return !beside(p.Mode, s.Platform, platform)
		}
		if instance == s.InstanceID {
			return true
		}
		// The oldest of its platform go while there is no room.
		room++
		return room <= 0
	}
	e.push = slices.DeleteFunc(e.push, func(d PushDevice) bool {
		gone := goes(d.Platform, d.InstanceID)
		if gone {
			push = append(push, d)
		}
		return gone
	})
	e.sessions = slices.DeleteFunc(e.sessions, func(other *Session) bool {
		gone := goes(other.Platform, other.InstanceID)
		if gone {
			sessions = append(sessions, other)
		}
		return gone
	})
	return sessions, push
}

// status returns the account's presence; push devices seen before since are left out.
func (e *entry) status(since int64) Status {
	st := Status{State: Offline}
	for _, s := range e.sessions {
		st.Devices = append(st.Devices, s.device())
	}
	for _, d := range e.push {
		if d.Seen >= since {
			st.Devices = append(st.Devices, Device{Platform: d.Platform, InstanceID: d.InstanceID, State: PushOnline})
		}
	}
	switch {
	case len(e.sessions) > 0:
		st.State, st.CustomStatus = Online, e.custom
	case len(st.Devices) > 0:
		st.State = PushOnline
	}
	return st
}
