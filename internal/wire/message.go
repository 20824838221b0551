package wire

import (
	"math"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
)

// DecodeSend reads the body of sendmsg (im-rest-api.md, section 6.1). From is empty if
// From_Account is not there. MsgBody is taken as it is: package message judges it.
//
// Errors: 90003 To_Account is missing or no string, 90005 likewise MsgRandom, 90004 90006 90008
// 90031 90043 90044 a field of the wrong type or out of range, 90001 any other.
func DecodeSend(body []byte) (message.Send, error) {
	r := newSendReader()
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		if field == "To_Account" {
			r.send.To, fault = s.account(field, errcode.OpenIMBadFormat)
			return fault
		}
		return r.field(s, field)
	})
	switch {
	case err != nil:
		return message.Send{}, err
	case r.send.To == "":
		return message.Send{}, missing(errcode.OpenIMBadFormat, "it is missing, and must be a string")
	}
	return r.sent()
}

// DecodeSendMany reads the body of batchsendmsg (section 6.2): To_Account is an array of 1 to
// message.MaxRecipients names.
//
// Errors: 90003 To_Account is missing or one of them is no string, 90028 it is no array, 90029 it
// is empty, 90011 it has too many; and those of DecodeSend.
func DecodeSendMany(body []byte) (message.Send, []account.UserID, error) {
	r := newSendReader()
	var to []account.UserID
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		if field == "To_Account" {
			to, fault = s.recipients()
			return fault
		}
		return r.field(s, field)
	})
	switch {
	case err != nil:
		return message.Send{}, nil, err
	case to == nil:
		return message.Send{}, nil, missing(errcode.OpenIMBadFormat, "it is missing, and must be an array of strings")
	}
	m, err := r.sent()
	return m, to, err
}

// missing is detailed as an error.
func missing(code errcode.Code, what string) error { return detailed(code, "%s", what) }

func (s *scanner) recipients() ([]account.UserID, *errcode.Error) {
	to := make([]account.UserID, 0, s.capacity(message.MaxRecipients))
	n, ok, fault := s.list(message.MaxRecipients, func(i int) *errcode.Error {
		name, ok := s.str()
		if !ok {
			return detailed(errcode.OpenIMBadFormat, "To_Account[%d] must be a string", i)
		}
		to = append(to, account.UserID(name))
		return nil
	})
	switch {
	case !ok:
		return nil, errcode.New(errcode.OpenIMBatchNotArray)
	case n == 0:
		return nil, errcode.New(errcode.OpenIMBatchEmpty)
	case n > message.MaxRecipients:
		return nil, errcode.New(errcode.OpenIMTooMany)
	}
	return to, fault
}

// sendReader reads what sendmsg and batchsendmsg have in common.
type sendReader struct {
	send   message.Send
	random bool // MsgRandom was there
}

func newSendReader() *sendReader { return &sendReader{send: message.Send{Life: message.DefaultLife}} }

// sent returns the message, or what it lacks.
func (r *sendReader) sent() (message.Send, error) {
	if !r.random {
		return message.Send{}, missing(errcode.OpenIMBadRandom, "it is missing")
	}
	return r.send, nil
}

func (r *sendReader) field(s *scanner, field string) (fault *errcode.Error) {
	m := &r.send
	switch field {
	case "From_Account":
		m.From, fault = s.account(field, errcode.OpenIMNoSender)
	case "MsgSeq":
		m.Seq, fault = s.seq()
	case "MsgRandom":
		r.random = true
		m.Random, fault = s.random()
	case "MsgTimeStamp": // of older clients; the time is the server's
		_, fault = s.timeStamp()
	case "MsgBody":
		m.Body = []byte(s.raw())
	case "CloudCustomData":
		m.CloudData, fault = s.openIMText(field)
	case "SyncOtherMachine":
		m.Sync, fault = s.syncMode()
	case "MsgLifeTime":
		fault = r.life(s)
	default:
		return r.option(s, field)
	}
	return fault
}

// option reads the fields that a message mostly goes without.
func (r *sendReader) option(s *scanner, field string) *errcode.Error {
	m := &r.send
	switch field {
	case "ForbidCallbackControl":
		return s.switches(field, map[string]*bool{"ForbidBeforeSendMsgCallback": &m.NoBefore, "ForbidAfterSendMsgCallback": &m.NoAfter})
	case "SendMsgControl":
		return s.switches(field, map[string]*bool{"NoUnread": &m.NoUnread, "NoLastMsg": &m.NoLastMsg, "WithMuteNotifications": &m.Muted})
	case "OfflinePushInfo":
		return s.pushInfo()
	case "SupportMessageExtension", "IsNeedReadReceipt": // accepted; reading is told in any case
		_, fault := s.statusFlag(field)
		return fault
	default:
		s.skip()
		return nil
	}
}

func (r *sendReader) life(s *scanner) *errcode.Error {
	seconds, ok := s.natural()
	if !ok {
		return errcode.New(errcode.OpenIMBadLife)
	}
	r.send.Life = time.Duration(min(seconds, int64(message.MaxLife/time.Second))) * time.Second
	r.send.OnlineOnly = seconds == 0
	return nil
}

// account reads the name of one account.
func (s *scanner) account(field string, code errcode.Code) (account.UserID, *errcode.Error) {
	name, ok := s.str()
	switch {
	case !ok:
		return "", detailed(code, "%s must be a string", field)
	case name == "":
		return "", detailed(code, "%s is empty", field)
	}
	return account.UserID(name), nil
}

// openIMText reads a text for which there is no code of its own.
func (s *scanner) openIMText(field string) (string, *errcode.Error) {
	text, ok := s.str()
	if !ok {
		return "", detailed(errcode.OpenIMBadJSON, "%s must be a string", field)
	}
	return text, nil
}

func (s *scanner) u32() (n uint32, ok bool) {
	v, ok := s.natural()
	return uint32(v & math.MaxUint32), ok && v <= math.MaxUint32 // #nosec G115 -- masked
}

func (s *scanner) seq() (*uint32, *errcode.Error) {
	n, ok := s.u32()
	if !ok {
		return nil, errcode.New(errcode.OpenIMBadSeq)
	}
	return &n, nil
}

func (s *scanner) random() (uint32, *errcode.Error) {
	n, ok := s.u32()
	if !ok {
		return 0, errcode.New(errcode.OpenIMBadRandom)
	}
	return n, nil
}

func (s *scanner) timeStamp() (int64, *errcode.Error) {
	at, ok := s.natural()
	if !ok {
		return 0, errcode.New(errcode.OpenIMBadTime)
	}
	return at, nil
}

// syncMode reads SyncOtherMachine; 0 is as good as none.
func (s *scanner) syncMode() (message.SyncMode, *errcode.Error) {
	n, ok := s.natural()
	switch {
	case ok && n == 0:
		return message.SyncDefault, nil
	case ok && n == 1:
		return message.SyncDevices, nil
	case ok && n == 2:
		return message.SyncNone, nil
	}
	return 0, errcode.New(errcode.OpenIMBadSync)
}

// switches reads an array of names, each of which switches something on. Others are ignored.
func (s *scanner) switches(field string, on map[string]*bool) *errcode.Error {
	_, ok, fault := s.list(math.MaxInt32, func(i int) *errcode.Error {
		name, ok := s.str()
		if !ok {
			return detailed(errcode.OpenIMBadJSON, "%s[%d] must be a string", field, i)
		}
		if b := on[name]; b != nil {
			*b = true
		}
		return nil
	})
	if !ok {
		return detailed(errcode.OpenIMBadJSON, "%s must be an array of strings", field)
	}
	return fault
}

// pushInfo checks OfflinePushInfo, of which nothing is kept: Muster pushes nothing.
func (s *scanner) pushInfo() *errcode.Error {
	if s.kind() != '{' {
		s.skip()
		return detailed(errcode.OpenIMBadPush, "it must be an object")
	}
	var fault *errcode.Error
	s.token()
	for s.next() {
		field, _ := s.str()
		if f := s.pushField(field); f != nil && fault == nil {
			fault = f
		}
	}
	return fault
}

func (s *scanner) pushField(field string) *errcode.Error {
	kind := s.kind()
	if kind == 'n' {
		s.skip()
		return nil
	}
	ok, must := true, ""
	switch field {
	case "PushFlag":
		_, ok = s.flag()
		must = "an integer"
	case "Title", "Desc", "Ext":
		_, ok = s.str()
		must = "a string"
	case "AndroidInfo", "ApnsInfo", "HarmonyInfo":
		s.skip()
		ok, must = kind == '{', "an object"
	default:
		s.skip()
	}
	if !ok {
		return detailed(errcode.OpenIMBadPush, "%s must be %s", field, must)
	}
	return nil
}
