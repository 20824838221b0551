package imclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// The commands of messages (im-rest-api.md, section 6).
const (
	cmdSendMessage     = "openim/sendmsg"
	cmdSendMessages    = "openim/batchsendmsg"
	cmdImportMessage   = "openim/importmsg"
	cmdRoamMessages    = "openim/admin_getroammsg"
	cmdWithdrawMessage = "openim/admin_msgwithdraw"
)

// MaxRecipients is how many accounts SendMessages may send to.
const MaxRecipients = 500

// Sent says which message was sent.
type Sent struct {
	Time int64  // Unix seconds
	Key  string // MsgKey: what WithdrawMessage wants
}

// SendMessage sends a message to one account, logged in or not. The account and the sender must
// be imported (90012, 90008), but need to know nothing of each other. If an App's backend drops
// it, that looks like success.
func (c *Client) SendMessage(ctx context.Context, to string, m Message) (Sent, error) {
	body, err := m.append(appendString([]byte(`{"To_Account":`), to))
	if err != nil {
		return Sent{}, fmt.Errorf("imclient: %s: %w", cmdSendMessage, err)
	}
	out, err := do[struct {
		envelope
		MsgTime int64
		MsgKey  string
	}](ctx, c, cmdSendMessage, append(body, '}'))
	return Sent{Time: out.MsgTime, Key: out.MsgKey}, err
}

// SentMany says who got a message of SendMessages.
type SentMany struct {
	Key string // MsgKey, the same for all; empty if nobody got it
	// Errors are the accounts that got nothing, in order: 70107 is one that is not imported.
	Errors []AccountError
}

// SendMessages sends a message to up to 500 accounts. That some of them got nothing is no error;
// that nobody did is (90012), and SentMany.Errors then says so of each, if the service does. An
// App's backend is not asked, nor told. A service allows 12,000 recipients a minute (90057).
func (c *Client) SendMessages(ctx context.Context, to []string, m Message) (SentMany, error) {
	body := append(make([]byte, 0, sizeOf(to, len(`"",`))), `{"To_Account":`...)
	body, err := m.append(appendNames(body, to))
	if err != nil {
		return SentMany{}, fmt.Errorf("imclient: %s: %w", cmdSendMessages, err)
	}
	out, err := do[struct {
		envelope
		MsgKey    string
		ErrorList []struct {
			Account string `json:"To_Account"`
			Code    int    `json:"ErrorCode"`
		}
	}](ctx, c, cmdSendMessages, append(body, '}'))
	if _, refused := errors.AsType[*Error](err); err != nil && !refused {
		return SentMany{}, err
	}
	sent := SentMany{Key: out.MsgKey}
	for _, item := range out.ErrorList {
		sent.Errors = append(sent.Errors, AccountError{UserID: item.Account, Code: item.Code})
	}
	return sent, err
}

// ImportedMessage is a message that another system delivered before.
type ImportedMessage struct {
	From, To string
	// Seq, Random and Time, in Unix seconds, name it within the conversation of the two. One
	// that is imported again, whatever it then says, is the same and no failure.
	Seq, Random uint32
	Time        int64
	Body        []Element
	CloudData   string
	// RealTime has it count as unread and delivered to devices. Without, it is history, which
	// was read.
	RealTime bool
}

// ImportMessage stores a message of another system. An App's backend is not told.
func (c *Client) ImportMessage(ctx context.Context, m ImportedMessage) error {
	body := appendString([]byte(`{"SyncFromOldSystem":2,"From_Account":`), m.From)
	if m.RealTime {
		body[len(`{"SyncFromOldSystem":`)] = '5'
	}
	body = appendField(body, "To_Account", m.To)
	body = fmt.Appendf(body, `,"MsgSeq":%d,"MsgRandom":%d,"MsgTimeStamp":%d`, m.Seq, m.Random, m.Time)
	body, err := appendContent(body, m.Body, m.CloudData)
	if err != nil {
		return fmt.Errorf("imclient: %s: %w", cmdImportMessage, err)
	}
	return c.envelopeOnly(ctx, cmdImportMessage, append(body, '}'))
}

// HistoryRequest asks for a page of the messages between two accounts.
type HistoryRequest struct {
	Operator         string // whose view it is: what it keeps no copy of is not there
	Peer             string // the other account
	Max              int    // messages at the most
	MinTime, MaxTime int64  // Unix seconds, both inclusive
	LastKey          string // History.LastKey of the page before, for the next
}

// History is a page of messages, in ascending order. Pages go from the newest to the oldest:
// the next is asked for with MaxTime and LastKey of this one's LastTime and LastKey, until
// Complete. A page may have fewer messages than were asked for.
type History struct {
	Complete bool // there are no more
	Messages []StoredMessage
	LastTime int64 // of the oldest message
	LastKey  string
}

// StoredMessage is a message of a History.
type StoredMessage struct {
	From       string `json:"From_Account"`
	To         string `json:"To_Account"`
	Seq        uint32 `json:"MsgSeq"`
	Random     uint32 `json:"MsgRandom"`
	Time       int64  `json:"MsgTimeStamp"` // Unix seconds
	Flags      int    `json:"MsgFlagBits"`
	IsPeerRead int
	Key        string    `json:"MsgKey"`
	Body       []Element `json:"MsgBody"` // Muster has none of a message that was recalled
	CloudData  string    `json:"CloudCustomData"`
}

// Recalled reports whether the message was recalled.
func (m *StoredMessage) Recalled() bool { return m.Flags&8 != 0 }

// PeerRead reports whether its recipient has read the message.
func (m *StoredMessage) PeerRead() bool { return m.IsPeerRead != 0 }

// RoamMessages returns a page of the messages between two accounts. It calls the accounts by
// their newer names and their older ones.
func (c *Client) RoamMessages(ctx context.Context, r HistoryRequest) (History, error) {
	body := appendString([]byte(`{"Operator_Account":`), r.Operator)
	body = appendField(body, "Peer_Account", r.Peer)
	body = appendField(body, "From_Account", r.Operator)
	body = appendField(body, "To_Account", r.Peer)
	body = append(body, `,"MaxCnt":`...)
	body = strconv.AppendInt(body, int64(r.Max), 10)
	body = fmt.Appendf(body, `,"MinTime":%d,"MaxTime":%d`, r.MinTime, r.MaxTime)
	if r.LastKey != "" {
		body = appendField(body, "LastMsgKey", r.LastKey)
	}
	out, err := do[struct {
		envelope
		Complete    int
		LastMsgTime int64
		LastMsgKey  string
		MsgList     []StoredMessage
	}](ctx, c, cmdRoamMessages, append(body, '}'))
	if err != nil {
		return History{}, err
	}
	return History{Complete: out.Complete != 0, Messages: out.MsgList, LastTime: out.LastMsgTime, LastKey: out.LastMsgKey}, nil
}

// WithdrawMessage recalls a message of from to to; an admin may at any time. One that is not
// there is refused with 20022, and one that was recalled before with 20023, which a repetition
// may meet too.
func (c *Client) WithdrawMessage(ctx context.Context, from, to, key string) error {
	body := appendString([]byte(`{"From_Account":`), from)
	body = appendField(body, "To_Account", to)
	body = appendField(body, "MsgKey", key)
	return c.envelopeOnly(ctx, cmdWithdrawMessage, append(body, '}'))
}
