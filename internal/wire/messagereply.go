package wire

import (
	"strconv"

	"github.com/muster-im/muster/internal/message"
)

// SendReply is the answer of sendmsg.
type SendReply struct{ Key message.Key }

func (r SendReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"MsgTime":`...)
	dst = strconv.AppendInt(dst, r.Key.Time, 10)
	return appendMsgKey(dst, r.Key)
}

func appendMsgKey(dst []byte, k message.Key) []byte {
	dst = append(dst, `,"MsgKey":"`...)
	dst = strconv.AppendUint(dst, uint64(k.Seq), 10)
	dst = strconv.AppendUint(append(dst, '_'), uint64(k.Random), 10)
	dst = strconv.AppendInt(append(dst, '_'), k.Time, 10)
	return append(dst, '"')
}

// SendManyReply is the answer of batchsendmsg: MsgKey if anybody got the message, and
// ErrorList if anybody got none, in the order of the request. If both, ActionStatus is
// SomeError.
type SendManyReply struct {
	Key    message.Key // zero if nobody got it
	Failed []message.Failure
}

// partly reports whether the call succeeded for some alone.
func (r SendManyReply) partly() bool { return len(r.Failed) > 0 }

func (r SendManyReply) appendFields(dst []byte) []byte {
	if r.Key != (message.Key{}) {
		dst = appendMsgKey(dst, r.Key)
	}
	if len(r.Failed) == 0 {
		return dst
	}
	dst = append(dst, `,"ErrorList":[`...)
	for i, f := range r.Failed {
		dst = appendComma(dst, i == 0)
		dst = append(dst, `{"To_Account":`...)
		dst = appendString(dst, string(f.UserID))
		dst = append(dst, `,"ErrorCode":`...)
		dst = append(appendCode(dst, f.Err.Code), '}')
	}
	return append(dst, ']')
}
