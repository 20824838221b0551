package message

import (
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// SyncMode is what becomes of the sender's own copy (SyncOtherMachine).
type SyncMode uint8

// The modes.
const (
	SyncDefault SyncMode = iota // absent: kept for the sender's history, not pushed to its devices
	SyncDevices                 // 1: also pushed to the sender's devices
	SyncNone                    // 2: the sender keeps no copy
)

// DefaultLife is how long a message is kept whose sender does not say.
const DefaultLife = MaxLife

// Send is one message to one account.
type Send struct {
	From, To account.UserID // To is left out in SendMany
	Seq      *uint32        // nil: a random one
	Random   uint32
	Body     []byte // MsgBody as it came
	// CloudData is CloudCustomData.
	CloudData string

	Sync       SyncMode
	Life       time.Duration // more than MaxLife is cut to it
	OnlineOnly bool          // reaches who is online, and is not kept

	NoUnread, NoLastMsg, Muted bool // SendMsgControl
	NoBefore, NoAfter          bool // ForbidCallbackControl

	// Address and Platform are told to webhooks; Platform is a presence.Platform or RESTAPI.
	Address, Platform string
}

// Sent is the answer to a Send.
type Sent struct{ Key }

// Failure is why one recipient of many got nothing.
type Failure struct {
	UserID account.UserID
	Err    *errcode.Error
}

// Import is one message that another system delivered before.
type Import struct {
	From, To  account.UserID
	Seq       *uint32 // nil: a random one
	Random    uint32
	Time      int64 // Unix seconds
	Body      []byte
	CloudData string
	RealTime  bool // unread, and pushed to devices; else history that was read
}

// Query asks for a page of a conversation's history.
type Query struct {
	Operator, Peer   account.UserID // whose view it is, and the other account
	Max              int            // how many messages, at most
	MinTime, MaxTime int64          // Unix seconds, both inclusive
	LastKey          string         // of the page before; "" for the first
}

// Page is a part of a conversation, its messages in ascending order. Pages go from the newest
// to the oldest: the next one has MaxTime = LastTime and LastKey.
type Page struct {
	Complete bool // there is nothing older within the times that were asked for
	Messages []Copy
	PeerRead []bool // aligned: the peer has read it
	LastTime int64  // of the oldest message of the page
	LastKey  string
}
