package wire

import (
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// AppendMissed appends what a device has missed:
//
//	{"Messages":[…],"Last":9}
//
// read is aligned with copies; last is the last number of the box.
func AppendMissed(dst []byte, copies []message.Copy, read []bool, last uint64) []byte {
	dst = appendMessages(append(dst, '{'), copies, read)
	dst = append(dst, `,"Last":`...)
	dst = strconv.AppendUint(dst, last, 10)
	return append(dst, '}')
}

// AppendHistory appends a page of a conversation for a device:
//
//	{"Messages":[…],"Complete":1,"LastMsgTime":1,"LastMsgKey":"1_2_1"}
func AppendHistory(dst []byte, p *message.Page) []byte {
	dst = appendMessages(append(dst, '{'), p.Messages, p.PeerRead)
	dst = append(dst, `,"Complete":`...)
	dst = append(dst, "01"[b2i(p.Complete)])
	dst = append(dst, `,"LastMsgTime":`...)
	dst = strconv.AppendInt(dst, p.LastTime, 10)
	dst = append(dst, `,"LastMsgKey":`...)
	dst = appendString(dst, p.LastKey)
	return append(dst, '}')
}

func appendMessages(dst []byte, copies []message.Copy, read []bool) []byte {
	dst = append(dst, `"Messages":[`...)
	for i := range copies {
		dst = appendComma(dst, i == 0)
		dst = AppendMessage(dst, &copies[i], read[i], true)
	}
	return append(dst, ']')
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// AppendSent appends the answer to a device that has sent a message:
//
//	{"MsgTime":1,"MsgKey":"1_2_1"}
func AppendSent(dst []byte, k message.Key) []byte {
	dst = append(dst, `{"MsgTime":`...)
	dst = strconv.AppendInt(dst, k.Time, 10)
	dst = append(dst, `,"MsgKey":`...)
	dst = appendString(dst, k.String())
	return append(dst, '}')
}

// AppendUnread appends {"Unread":3}.
func AppendUnread(dst []byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, `{"Unread":`...), int64(n), 10), '}')
}

// AppendRead appends the event that reader has read what peer sent up to a time:
//
//	{"Event":"Read","Reader":"bob","Peer":"ann","Time":1}
func AppendRead(dst []byte, reader, peer account.UserID, upTo int64) []byte {
	dst = append(dst, `{"Event":"Read","Reader":`...)
	dst = appendString(dst, string(reader))
	dst = append(dst, `,"Peer":`...)
	dst = appendString(dst, string(peer))
	dst = append(dst, `,"Time":`...)
	dst = strconv.AppendInt(dst, upTo, 10)
	return append(dst, '}')
}
