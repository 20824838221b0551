package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/wire"
)

// fuzzMessages is FuzzDecode for the commands of messages. MsgBody is taken as it stands, which
// json.Marshal would not do, so that it is left out.
func fuzzMessages(t *testing.T, body []byte) {
	t.Helper()
	send := func(b []byte) (message.Send, error) {
		m, err := wire.DecodeSend(b)
		m.Body = mustBeJSON(t, m.Body)
		return m, err
	}
	many := func(b []byte) (sendMany, error) {
		m, err := decodeSendMany(b)
		m.Send.Body = mustBeJSON(t, m.Send.Body)
		return m, err
	}
	imported := func(b []byte) (message.Import, error) {
		m, err := wire.DecodeImport(b)
		m.Body = mustBeJSON(t, m.Body)
		return m, err
	}
	fixedPoint(t, body, send, func(m message.Send) any { return sendObject(m, m.To) })
	fixedPoint(t, body, many, func(m sendMany) any { return sendObject(m.Send, m.To) })
	fixedPoint(t, body, imported, func(m message.Import) any {
		return object{
			"From_Account": m.From, "To_Account": m.To, "MsgRandom": m.Random, "MsgSeq": m.Seq, "MsgTimeStamp": m.Time,
			"SyncFromOldSystem": 2 + 3*flag(m.RealTime), "CloudCustomData": m.CloudData,
		}
	})
	fixedPoint(t, body, wire.DecodeHistory, func(q message.Query) any {
		return object{
			"Operator_Account": q.Operator, "Peer_Account": q.Peer, "MaxCnt": q.Max, "MinTime": q.MinTime, "MaxTime": q.MaxTime, "LastMsgKey": q.LastKey,
		}
	})
	fixedPoint(t, body, wire.DecodeWithdraw, func(w wire.Withdraw) any {
		return object{"From_Account": w.From, "To_Account": w.To, "MsgKey": w.MsgKey}
	})
}

func sendObject[To account.UserID | []account.UserID](m message.Send, to To) object {
	o := object{
		"To_Account": to, "MsgRandom": m.Random, "MsgSeq": m.Seq, "CloudCustomData": m.CloudData,
		"MsgLifeTime": int64(m.Life / time.Second), "SyncOtherMachine": int(m.Sync),
	}
	if m.From != "" {
		o["From_Account"] = m.From
	}
	var forbid, control []string
	for name, on := range map[string]bool{"ForbidBeforeSendMsgCallback": m.NoBefore, "ForbidAfterSendMsgCallback": m.NoAfter} {
		if on {
			forbid = append(forbid, name)
		}
	}
	for name, on := range map[string]bool{"NoUnread": m.NoUnread, "NoLastMsg": m.NoLastMsg, "WithMuteNotifications": m.Muted} {
		if on {
			control = append(control, name)
		}
	}
	o["ForbidCallbackControl"], o["SendMsgControl"] = forbid, control
	return o
}

// mustBeJSON returns nil.
func mustBeJSON(t *testing.T, body []byte) []byte {
	t.Helper()
	if len(body) > 0 && !json.Valid(body) {
		t.Errorf("MsgBody is %q", body)
	}
	return nil
}
