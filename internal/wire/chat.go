package wire

import (
	"math"
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// ChatCall is what a device asks of its messages. Each call reads the fields that it has a use
// for; those that are missing are zero.
type ChatCall struct {
	Peer    account.UserID // Peer_Account, or To_Account
	MsgKey  string
	LastKey string // LastMsgKey
	Max     int64  // MaxCnt, or Limit
	MinTime int64
	MaxTime int64
	Time    int64
	Box     uint64 // Box, or After
	HasBox  bool   // there was one
}

// DecodeChatCall reads the data of a device's call:
//
//	{"Peer_Account":"bob","MaxCnt":20,"MinTime":0,"MaxTime":1,"LastMsgKey":"1_2_3","MsgKey":"1_2_3","Time":1,"After":7,"Limit":100,"Box":7}
//
// Errors: 70402 for a field of the wrong type or out of range, and a *SyntaxError.
func DecodeChatCall(data []byte) (ChatCall, error) {
	var c ChatCall
	err := decode(data, func(s *scanner, field string) *errcode.Error {
		ok, must := true, "an integer from 0"
		switch field {
		case "Peer_Account", "To_Account":
			var name string
			name, ok = s.str()
			c.Peer, must = account.UserID(name), "a string"
		case "MsgKey":
			c.MsgKey, ok = s.str()
			must = "a string"
		case "LastMsgKey":
			c.LastKey, ok = s.str()
			must = "a string"
		case "MaxCnt", "Limit":
			c.Max, ok = s.natural()
		case "MinTime":
			c.MinTime, ok = s.natural()
		case "MaxTime":
			c.MaxTime, ok = s.natural()
		case "Time":
			c.Time, ok = s.natural()
		case "Box", "After":
			var n int64
			n, ok = s.natural()
			c.Box, c.HasBox = uint64(n), true
		default:
			s.skip()
		}
		if !ok {
			return detailed(errcode.BadParam, "%s must be %s", field, must)
		}
		return nil
	})
	return c, err
}

// natural consumes an integer from 0 to 2^53, beyond which JSON's readers differ.
func (s *scanner) natural() (n int64, ok bool) {
	if s.kind() != '0' {
		s.skip()
		return 0, false
	}
	v, err := strconv.ParseFloat(s.raw(), 64)
	if err != nil || v != math.Trunc(v) || v < 0 || v > 1<<53 {
		return 0, false
	}
	return int64(v), true
}
