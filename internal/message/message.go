package message

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Limits (im-rest-api.md, sections 1.6 and 6).
const (
	MaxBody       = 12_000             // bytes of MsgBody and CloudCustomData together
	MaxRecipients = 500                // of batchsendmsg
	MaxLife       = 7 * 24 * time.Hour // of a message; a longer MsgLifeTime is cut to it
	DedupeWindow  = 120 * time.Second  // how long the same message again is the same
	RecallWindow  = 2 * time.Minute    // how long a device may recall; admins may always
)

// Key names a message within the conversation of two accounts. On the wire it is
// <MsgSeq>_<MsgRandom>_<MsgTime>.
type Key struct {
	Time   int64 // Unix seconds
	Seq    uint32
	Random uint32
}

// String returns the MsgKey.
func (k Key) String() string { return fmt.Sprintf("%d_%d_%d", k.Seq, k.Random, k.Time) }

// ParseKey reads a MsgKey; it reports false for anything that String does not return.
func ParseKey(text string) (Key, bool) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 {
		return Key{}, false
	}
	seq, err1 := strconv.ParseUint(parts[0], 10, 32)
	random, err2 := strconv.ParseUint(parts[1], 10, 32)
	at, err3 := strconv.ParseInt(parts[2], 10, 64)
	k := Key{Time: at, Seq: uint32(seq), Random: uint32(random)}
	return k, err1 == nil && err2 == nil && err3 == nil && at >= 0 && k.String() == text
}

// Compare orders keys by time, then number, then random.
func (k Key) Compare(o Key) int {
	switch {
	case k.Time != o.Time:
		return cmp(k.Time < o.Time)
	case k.Seq != o.Seq:
		return cmp(k.Seq < o.Seq)
	case k.Random != o.Random:
		return cmp(k.Random < o.Random)
	default:
		return 0
	}
}

func cmp(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Flags of a message.
type Flags uint8

// The flags. Recalled is set later; the content is then gone from the store.
const (
	Recalled  Flags = 1 << iota
	NoUnread        // does not count as unread
	NoLastMsg       // is not shown as a conversation's last message
	Muted           // arrives without a notification
	History         // imported as history: it was read when it came
)

// Message is one message as it is stored and delivered.
type Message struct {
	Key
	From, To  account.UserID
	Flags     Flags
	Body      []byte // MsgBody: a JSON array of elements, compact, checked; nil once recalled
	CloudData string // CloudCustomData
	Expires   int64  // Unix seconds, from when on it is no longer kept
}

// Copy is a message in somebody's box.
type Copy struct {
	Message
	Owner account.UserID // From or To
	Box   uint64         // its number in the box of Owner; 0 for one that is online only
}

// Peer is the other account of the conversation that the copy is of.
func (c *Copy) Peer() account.UserID {
	if c.Owner == c.From {
		return c.To
	}
	return c.From
}
