package imclient

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Element is a part of a message, as the page "message formats" of the API's documents has
// them. [Text] and [Custom] make the most common ones.
type Element struct {
	Type    string          `json:"MsgType"`    // such as TIMTextElem
	Content json.RawMessage `json:"MsgContent"` // an object, whose fields depend on Type
}

// The types of the elements that this package can make.
const (
	TypeText   = "TIMTextElem"
	TypeCustom = "TIMCustomElem"
)

// Text returns an element that is text.
func Text(text string) Element {
	return Element{Type: TypeText, Content: append(appendString([]byte(`{"Text":`), text), '}')}
}

// CustomContent is what an App puts into a message for its own clients.
type CustomContent struct {
	Data  string
	Desc  string `json:",omitempty"` // what a push shows
	Ext   string `json:",omitempty"` // passed through by a push
	Sound string `json:",omitempty"` // of a push
}

// Custom returns an element of the App's own. A message may have one.
func Custom(c CustomContent) Element {
	content, _ := json.Marshal(c) // cannot fail for strings
	return Element{Type: TypeCustom, Content: content}
}

// Text returns the text of an element that is text; ok is false for any other.
func (e Element) Text() (text string, ok bool) {
	var content struct{ Text *string }
	if e.Type != TypeText || json.Unmarshal(e.Content, &content) != nil || content.Text == nil {
		return "", false
	}
	return *content.Text, true
}

// Sync says what becomes of the sender's own copy of a message.
type Sync int

// The values of Sync.
const (
	SyncHistory Sync = iota // it is in the sender's history
	SyncDevices             // the sender's devices get it too
	SyncNone                // the sender keeps none
)

// Message is a message to send. All but Body may be left out.
type Message struct {
	From string // the sender; empty is the admin that calls
	Body []Element
	// CloudData is stored and delivered with it, and means nothing to the service. With Body it
	// may have 12,000 bytes.
	CloudData string

	// Seq and Random name the message, together with its time. A message of the same sender,
	// recipient, content, Seq and Random is the same for two minutes, and not sent again. Those
	// that are 0 are chosen at random, so that every call sends a message of its own, however
	// often it is repeated.
	Seq, Random uint32

	Sync Sync
	// Life is how long a recipient that is away may still get it, and how long it is in the
	// history; whole seconds. 0 is as long as the service keeps any: 7 days.
	Life time.Duration
	// OnlineOnly has it reach who is online now, and nobody else, ever.
	OnlineOnly bool

	NoUnread  bool // it does not count as unread
	NoLastMsg bool // it is not shown as the last of its conversation
	Muted     bool // it arrives without a notification

	NoBeforeHook bool // the App's backend is not asked whether it may be sent
	NoAfterHook  bool // nor told that it was

	// Push is OfflinePushInfo, an object. Muster checks it, and pushes nothing.
	Push json.RawMessage
}

// append appends the fields of the message, each led by a comma.
func (m *Message) append(dst []byte) ([]byte, error) {
	if m.From != "" {
		dst = appendField(dst, "From_Account", m.From)
	}
	dst = fmt.Appendf(dst, `,"MsgSeq":%d,"MsgRandom":%d`, chosen(m.Seq), chosen(m.Random))
	dst, err := appendContent(dst, m.Body, m.CloudData)
	if err != nil {
		return nil, err
	}
	switch {
	case m.Sync < SyncHistory || m.Sync > SyncNone:
		return nil, fmt.Errorf("the value %d of Sync is none", m.Sync)
	case m.Sync != SyncHistory:
		dst = fmt.Appendf(dst, `,"SyncOtherMachine":%d`, m.Sync)
	}
	switch {
	case m.Life < 0 || m.Life%time.Second != 0:
		return nil, fmt.Errorf("the value %v of Life is no number of seconds", m.Life)
	case m.OnlineOnly:
		dst = append(dst, `,"MsgLifeTime":0`...)
	case m.Life > 0:
		dst = fmt.Appendf(dst, `,"MsgLifeTime":%d`, m.Life/time.Second)
	}
	dst = appendSwitches(dst, "SendMsgControl", []string{"NoUnread", "NoLastMsg", "WithMuteNotifications"}, m.NoUnread, m.NoLastMsg, m.Muted)
	dst = appendSwitches(dst, "ForbidCallbackControl", []string{"ForbidBeforeSendMsgCallback", "ForbidAfterSendMsgCallback"}, m.NoBeforeHook, m.NoAfterHook)
	if len(m.Push) == 0 {
		return dst, nil
	}
	push, err := json.Marshal(m.Push)
	if err != nil {
		return nil, fmt.Errorf("the value of Push is not JSON: %w", err)
	}
	return append(append(dst, `,"OfflinePushInfo":`...), push...), nil
}

// chosen returns n, or something at random that is not 0.
func chosen(n uint32) uint32 {
	for n == 0 {
		n = rand.Uint32() // #nosec G404 -- it tells messages apart and protects nothing
	}
	return n
}

// appendContent appends the content of a message, led by a comma.
func appendContent(dst []byte, body []Element, cloud string) ([]byte, error) {
	if body == nil {
		body = []Element{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("the Content of an element is not JSON: %w", err)
	}
	dst = append(append(dst, `,"MsgBody":`...), text...)
	if cloud != "" {
		dst = appendField(dst, "CloudCustomData", cloud)
	}
	return dst, nil
}

// appendSwitches appends a list of those names that are on, if any is.
func appendSwitches(dst []byte, field string, names []string, on ...bool) []byte {
	var list []string
	for i, name := range names {
		if on[i] {
			list = append(list, name)
		}
	}
	if list == nil {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), field...), '"', ':')
	return appendNames(dst, list)
}
