package wire

import (
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
)

// DecodeImport reads the body of importmsg (im-rest-api.md, section 6.3). MsgBody is taken as it
// is.
//
// Errors: 90008 From_Account is missing or no string, 90003 likewise To_Account, 90005 MsgRandom,
// 90006 MsgTimeStamp, 90030 SyncFromOldSystem; 90004 MsgSeq, 90001 CloudCustomData has the wrong
// type.
func DecodeImport(body []byte) (message.Import, error) {
	var m message.Import
	var random, at, origin bool
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "From_Account":
			m.From, fault = s.account(field, errcode.OpenIMNoSender)
		case "To_Account":
			m.To, fault = s.account(field, errcode.OpenIMBadFormat)
		case "MsgSeq":
			m.Seq, fault = s.seq()
		case "MsgRandom":
			random = true
			m.Random, fault = s.random()
		case "MsgTimeStamp":
			at = true
			m.Time, fault = s.timeStamp()
		case "SyncFromOldSystem":
			origin = true
			m.RealTime, fault = s.origin()
		case "MsgBody":
			m.Body = []byte(s.raw())
		case "CloudCustomData":
			m.CloudData, fault = s.openIMText(field)
		default:
			s.skip()
		}
		return fault
	})
	switch {
	case err != nil:
	case m.From == "":
		err = missing(errcode.OpenIMNoSender, "it is missing")
	case m.To == "":
		err = missing(errcode.OpenIMBadFormat, "it is missing, and must be a string")
	case !random:
		err = missing(errcode.OpenIMBadRandom, "it is missing")
	case !at:
		err = missing(errcode.OpenIMBadTime, "it is missing")
	case !origin:
		err = missing(errcode.OpenIMBadOrigin, "it is missing")
	}
	if err != nil {
		return message.Import{}, err
	}
	return m, nil
}

// origin reads SyncFromOldSystem: 5, before 1, is a message in real time, 2 is history.
func (s *scanner) origin() (realTime bool, fault *errcode.Error) {
	n, ok := s.natural()
	if !ok || (n != 1 && n != 2 && n != 5) {
		return false, errcode.New(errcode.OpenIMBadOrigin)
	}
	return n != 2, nil
}

// DecodeHistory reads the body of admin_getroammsg (section 6.4), whose accounts are
// Operator_Account and Peer_Account, or as of old From_Account and To_Account; the newer names
// win.
//
// Errors: 90008 whose view it is is missing or no string, 90003 likewise the other account,
// 90054 LastMsgKey is no string, 90001 MaxCnt, MinTime or MaxTime is missing or no integer from 0
// (MaxCnt: from 1).
func DecodeHistory(body []byte) (message.Query, error) {
	r := historyReader{query: message.Query{MinTime: -1, MaxTime: -1}}
	err := decode(body, r.field)
	q := r.query
	switch {
	case err != nil:
	case q.Operator == "":
		err = missing(errcode.OpenIMNoSender, "Operator_Account is missing")
	case q.Peer == "":
		err = missing(errcode.OpenIMBadFormat, "Peer_Account is missing, and must be a string")
	case q.Max == 0:
		err = missing(errcode.OpenIMBadJSON, "MaxCnt is missing")
	case q.MinTime < 0:
		err = missing(errcode.OpenIMBadJSON, "MinTime is missing")
	case q.MaxTime < 0:
		err = missing(errcode.OpenIMBadJSON, "MaxTime is missing")
	}
	if err != nil {
		return message.Query{}, err
	}
	return q, nil
}

type historyReader struct {
	query                  message.Query
	newOperator, newerPeer bool // they came by their newer names
}

func (r *historyReader) field(s *scanner, field string) (fault *errcode.Error) {
	q := &r.query
	switch field {
	case "Operator_Account":
		r.newOperator = true
		q.Operator, fault = s.account(field, errcode.OpenIMNoSender)
	case "Peer_Account":
		r.newerPeer = true
		q.Peer, fault = s.account(field, errcode.OpenIMBadFormat)
	case "From_Account":
		var id account.UserID
		if id, fault = s.account(field, errcode.OpenIMNoSender); !r.newOperator {
			q.Operator = id
		}
	case "To_Account":
		var id account.UserID
		if id, fault = s.account(field, errcode.OpenIMBadFormat); !r.newerPeer {
			q.Peer = id
		}
	case "MaxCnt":
		var n int64
		if n, fault = s.historyNumber(field, 1); fault == nil {
			q.Max = int(min(n, message.MaxPage))
		}
	case "MinTime":
		q.MinTime, fault = s.historyNumber(field, 0)
	case "MaxTime":
		q.MaxTime, fault = s.historyNumber(field, 0)
	case "LastMsgKey":
		var ok bool
		if q.LastKey, ok = s.str(); !ok {
			fault = errcode.New(errcode.OpenIMBadKey)
		}
	default:
		s.skip()
	}
	return fault
}

func (s *scanner) historyNumber(field string, least int64) (int64, *errcode.Error) {
	n, ok := s.natural()
	if !ok || n < least {
		return 0, detailed(errcode.OpenIMBadJSON, "%s must be an integer from %d", field, least)
	}
	return n, nil
}

// Withdraw is the body of admin_msgwithdraw.
type Withdraw struct {
	From, To account.UserID
	MsgKey   string
}

// DecodeWithdraw reads the body of admin_msgwithdraw (section 6.5).
//
// Errors: 90008 From_Account is missing or no string, 90003 likewise To_Account, 90054 MsgKey.
func DecodeWithdraw(body []byte) (Withdraw, error) {
	var w Withdraw
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "From_Account":
			w.From, fault = s.account(field, errcode.OpenIMNoSender)
		case "To_Account":
			w.To, fault = s.account(field, errcode.OpenIMBadFormat)
		case "MsgKey":
			var ok bool
			if w.MsgKey, ok = s.str(); !ok {
				fault = errcode.New(errcode.OpenIMBadKey)
			}
		default:
			s.skip()
		}
		return fault
	})
	switch {
	case err != nil:
	case w.From == "":
		err = missing(errcode.OpenIMNoSender, "it is missing")
	case w.To == "":
		err = missing(errcode.OpenIMBadFormat, "it is missing, and must be a string")
	case w.MsgKey == "":
		err = missing(errcode.OpenIMBadKey, "it is missing")
	}
	if err != nil {
		return Withdraw{}, err
	}
	return w, nil
}

// HistoryReply is the answer of admin_getroammsg.
type HistoryReply message.Page

func (r HistoryReply) appendFields(dst []byte) []byte {
	dst = appendNumber(append(dst, ','), "Complete", int64(b2i(r.Complete)))
	dst = appendNumber(append(dst, ','), "MsgCnt", int64(len(r.Messages)))
	dst = appendNumber(append(dst, ','), "LastMsgTime", r.LastTime)
	dst = append(dst, `,"LastMsgKey":`...)
	dst = appendString(dst, r.LastKey)
	dst = append(dst, `,"MsgList":[`...)
	for i := range r.Messages {
		dst = appendComma(dst, i == 0)
		dst = AppendMessage(dst, &r.Messages[i], r.PeerRead[i], false)
	}
	return append(dst, ']')
}

// flagRecalled is the bit of MsgFlagBits that a recalled message has.
const flagRecalled = 8

// AppendMessage appends a message as an item of MsgList. With box it has what a device needs
// beside that: its number in the box (0: it is not kept), and SendMsgControl, which says how to
// show it.
func AppendMessage(dst []byte, c *message.Copy, peerRead, box bool) []byte {
	dst = append(dst, `{"From_Account":`...)
	dst = appendString(dst, string(c.From))
	dst = append(dst, `,"To_Account":`...)
	dst = appendString(dst, string(c.To))
	dst = appendNumber(append(dst, ','), "MsgSeq", int64(c.Seq))
	dst = appendNumber(append(dst, ','), "MsgRandom", int64(c.Random))
	dst = appendNumber(append(dst, ','), "MsgTimeStamp", c.Time)
	dst = appendNumber(append(dst, ','), "MsgFlagBits", int64(flagRecalled*b2i(c.Flags&message.Recalled != 0)))
	dst = appendNumber(append(dst, ','), "IsPeerRead", int64(b2i(peerRead)))
	dst = appendMsgKey(dst, c.Key)
	dst = append(dst, `,"MsgBody":`...)
	if len(c.Body) == 0 {
		dst = append(dst, "[]"...)
	} else {
		dst = append(dst, c.Body...)
	}
	dst = append(dst, `,"CloudCustomData":`...)
	dst = appendString(dst, c.CloudData)
	if box {
		dst = append(dst, `,"Box":`...)
		dst = strconv.AppendUint(dst, c.Box, 10)
		dst = appendControl(dst, c.Flags)
	}
	return append(dst, '}')
}

// appendControl appends SendMsgControl if there is anything in it.
func appendControl(dst []byte, flags message.Flags) []byte {
	const any = message.NoUnread | message.NoLastMsg | message.Muted
	if flags&any == 0 {
		return dst
	}
	dst = append(dst, `,"SendMsgControl":[`...)
	first := true
	for _, c := range []struct {
		flag message.Flags
		name string
	}{{message.NoUnread, "NoUnread"}, {message.NoLastMsg, "NoLastMsg"}, {message.Muted, "WithMuteNotifications"}} {
		if flags&c.flag != 0 {
			dst = appendString(appendComma(dst, first), c.name)
			first = false
		}
	}
	return append(dst, ']')
}
