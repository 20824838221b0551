package webhook

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Message is a message between two accounts, as its callbacks show it.
type Message struct {
	SDKAppID    account.SDKAppID
	From, To    account.UserID
	Seq, Random uint32
	Time        int64  // Unix seconds; MsgKey is made of it
	OnlineOnly  bool   // it reaches who is online, and is not kept
	Body        []byte // MsgBody: JSON
	CloudData   string // CloudCustomData
	// OptPlatform is where it came from: a platform as package presence names it, or
	// RESTAPI; "" is sent as Unknown.
	OptPlatform string
	ClientIP    string    // address of the device or of the REST client, without a port
	At          time.Time // when the event happened; the zero time means now
}

// BeforeSend is a message that is about to be sent: C2C.CallbackBeforeSendMsg.
type BeforeSend struct{ Message }

// AfterSend is a message that was sent, or could not be: C2C.CallbackAfterSendMsg.
type AfterSend struct {
	Message
	Result int    // SendMsgResult: 0, or the error code
	Info   string // ErrorInfo of a Result that is not 0
	Unread int    // UnreadMsgNum of To; sent as -1 if Result is not 0
}

// sendSucceeded is the ErrorInfo of a message that was sent.
const sendSucceeded = "send msg succeed"

// head is what both bodies begin with.
type head struct {
	CallbackCommand string
	FromAccount     account.UserID `json:"From_Account"`
	ToAccount       account.UserID `json:"To_Account"`
	MsgSeq          uint32
	MsgRandom       uint32
	MsgTime         int64
	MsgKey          string
	OnlineOnlyFlag  int
}

// outcome is what the body of an AfterSend has in its middle.
type outcome struct {
	SendMsgResult int
	ErrorInfo     string
	UnreadMsgNum  int
}

// content is what both bodies end with.
type content struct {
	MsgBody         json.RawMessage
	CloudCustomData string
	EventTime       int64 // Unix milliseconds
}

func (m *Message) head(c command) head {
	h := head{
		CallbackCommand: c.String(),
		FromAccount:     m.From, ToAccount: m.To,
		MsgSeq: m.Seq, MsgRandom: m.Random, MsgTime: m.Time, MsgKey: m.key(),
	}
	if m.OnlineOnly {
		h.OnlineOnlyFlag = 1
	}
	return h
}

func (m *Message) content() content {
	return content{MsgBody: m.Body, CloudCustomData: m.CloudData, EventTime: m.At.UnixMilli()}
}

// key returns the MsgKey.
func (m *Message) key() string {
	b := make([]byte, 0, 40)
	b = append(strconv.AppendUint(b, uint64(m.Seq), 10), '_')
	b = append(strconv.AppendUint(b, uint64(m.Random), 10), '_')
	return string(strconv.AppendInt(b, m.Time, 10))
}

func (m *Message) size() int { return len(m.Body) + len(m.CloudData) }

func (m *Message) origin() (platform, address string) {
	if m.OptPlatform == "iPhone" {
		return "iOS", m.ClientIP // State.StateChange alone writes it IOS
	}
	return optPlatform(m.OptPlatform), m.ClientIP
}

func (b *BeforeSend) command() command { return beforeSend }

func (b *BeforeSend) body() ([]byte, error) {
	return marshal(struct {
		head
		content
	}{b.head(beforeSend), b.content()})
}

func (a *AfterSend) command() command { return afterSend }

func (a *AfterSend) body() ([]byte, error) {
	o := outcome{ErrorInfo: sendSucceeded, UnreadMsgNum: a.Unread}
	if a.Result != 0 {
		o = outcome{SendMsgResult: a.Result, ErrorInfo: a.Info, UnreadMsgNum: -1}
	}
	return marshal(struct {
		head
		outcome
		content
	}{a.head(afterSend), o, a.content()})
}
