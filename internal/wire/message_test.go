package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/wire"
)

const (
	bodyText = `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]`
	notJSON  = "90001 Fail to Parse json data of body, Please check it: "
)

func TestDecodeSend(t *testing.T) {
	const least = `"To_Account":"b","MsgRandom":7,"MsgBody":` + bodyText
	plain := message.Send{To: "b", Random: 7, Body: []byte(bodyText), Life: message.DefaultLife}
	with := func(change func(m *message.Send)) message.Send {
		m := plain
		change(&m)
		return m
	}
	for _, tc := range []struct {
		name, body string // body: what stands beside least, or in its place if it begins with a brace
		want       message.Send
		err        string
	}{
		{name: "least", want: plain},
		{name: "from", body: `"From_Account":"a"`, want: with(func(m *message.Send) { m.From = "a" })},
		{name: "seq", body: `"MsgSeq":93847636`, want: with(func(m *message.Send) { m.Seq = new(uint32(93847636)) })},
		{name: "seq 0", body: `"MsgSeq":0,"MsgTimeStamp":1557387418`, want: with(func(m *message.Send) { m.Seq = new(uint32(0)) })},
		{name: "online only", body: `"MsgLifeTime":0`, want: with(func(m *message.Send) { m.Life, m.OnlineOnly = 0, true })},
		{name: "a minute", body: `"MsgLifeTime":60`, want: with(func(m *message.Send) { m.Life = time.Minute })},
		{name: "too long a life", body: `"MsgLifeTime":9007199254740992`, want: plain},
		{name: "to devices", body: `"SyncOtherMachine":1`, want: with(func(m *message.Send) { m.Sync = message.SyncDevices })},
		{name: "no copy", body: `"SyncOtherMachine":2`, want: with(func(m *message.Send) { m.Sync = message.SyncNone })},
		{name: "sync 0", body: `"SyncOtherMachine":0`, want: plain},
		{name: "cloud", body: `"CloudCustomData":"your cloud custom data"`, want: with(func(m *message.Send) { m.CloudData = "your cloud custom data" })},
		{name: "no hooks", body: `"ForbidCallbackControl":["ForbidBeforeSendMsgCallback","ForbidAfterSendMsgCallback"]`, want: with(func(m *message.Send) { m.NoBefore, m.NoAfter = true, true })},
		{name: "control", body: `"SendMsgControl":["NoUnread","NoLastMsg","WithMuteNotifications","Other"]`, want: with(func(m *message.Send) { m.NoUnread, m.NoLastMsg, m.Muted = true, true, true })},
		{name: "push", body: `"OfflinePushInfo":{"PushFlag":0,"Title":"t","Desc":"d","Ext":"e","AndroidInfo":{"Sound":"a.mp3"},"ApnsInfo":{"BadgeMode":1},"Other":[1],"HarmonyInfo":null}`, want: plain},
		{name: "others", body: `"SupportMessageExtension":1,"IsNeedReadReceipt":0,"x":[{}]`, want: plain},
		{name: "body is not judged", body: `{"To_Account":"b","MsgRandom":7,"MsgBody":"x"}`, want: with(func(m *message.Send) { m.Body = []byte(`"x"`) })},
		{name: "no body", body: `{"To_Account":"b","MsgRandom":7,"MsgBody":null}`, want: with(func(m *message.Send) { m.Body = nil })},

		{name: "no recipient", body: `{"MsgRandom":1}`, err: "90003 Invalid format of To_Account: it is missing, and must be a string"},
		{name: "recipients", body: `{"To_Account":["b"],"MsgRandom":1}`, err: "90003 Invalid format of To_Account: To_Account must be a string"},
		{name: "empty recipient", body: `{"To_Account":"","MsgRandom":1}`, err: "90003 Invalid format of To_Account: To_Account is empty"},
		{name: "no random", body: `{"To_Account":"b"}`, err: "90005 MsgRandom must be an unsigned 32-bit integer: it is missing"},
		{name: "random as text", body: `"MsgRandom":"7"`, err: "90005 MsgRandom must be an unsigned 32-bit integer"},
		{name: "random too large", body: `"MsgRandom":4294967296`, err: "90005 MsgRandom must be an unsigned 32-bit integer"},
		{name: "random negative", body: `"MsgRandom":-1`, err: "90005 MsgRandom must be an unsigned 32-bit integer"},
		{name: "from a number", body: `"From_Account":1`, err: "90008 invalid From_Account: From_Account must be a string"},
		{name: "seq as text", body: `"MsgSeq":"1"`, err: "90004 MsgSeq must be an unsigned 32-bit integer"},
		{name: "time as text", body: `"MsgTimeStamp":"1"`, err: "90006 MsgTimeStamp must be an integer"},
		{name: "life as text", body: `"MsgLifeTime":"1"`, err: "90044 MsgLifeTime must be an integer that is not negative"},
		{name: "life negative", body: `"MsgLifeTime":-1`, err: "90044 MsgLifeTime must be an integer that is not negative"},
		{name: "sync 3", body: `"SyncOtherMachine":3`, err: "90031 SyncOtherMachine must be 1 or 2"},
		{name: "sync as text", body: `"SyncOtherMachine":"1"`, err: "90031 SyncOtherMachine must be 1 or 2"},
		{name: "cloud an object", body: `"CloudCustomData":{}`, err: notJSON + "CloudCustomData must be a string"},
		{name: "hooks a string", body: `"ForbidCallbackControl":"ForbidBeforeSendMsgCallback"`, err: notJSON + "ForbidCallbackControl must be an array of strings"},
		{name: "control numbers", body: `"SendMsgControl":["NoUnread",1]`, err: notJSON + "SendMsgControl[1] must be a string"},
		{name: "receipt", body: `"IsNeedReadReceipt":true`, err: notJSON + "IsNeedReadReceipt must be an integer"},
		{name: "push a string", body: `"OfflinePushInfo":"x"`, err: "90043 OfflinePushInfo does not have the documented shape: it must be an object"},
		{name: "push flag", body: `"OfflinePushInfo":{"PushFlag":"0"}`, err: "90043 OfflinePushInfo does not have the documented shape: PushFlag must be an integer"},
		{name: "push text", body: `"OfflinePushInfo":{"Desc":1,"PushFlag":"0"}`, err: "90043 OfflinePushInfo does not have the documented shape: Desc must be a string"},
		{name: "push info", body: `"OfflinePushInfo":{"ApnsInfo":[]}`, err: "90043 OfflinePushInfo does not have the documented shape: ApnsInfo must be an object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := tc.body
			if !strings.HasPrefix(body, "{") {
				body = strings.ReplaceAll("{"+least+","+body+"}", ",}", "}")
			}
			got, err := decoded(wire.DecodeSend, body)
			if err != tc.err {
				t.Fatalf("error %q, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

// sendMany is what DecodeSendMany returns, as one.
type sendMany struct {
	Send message.Send
	To   []account.UserID
}

func decodeSendMany(body []byte) (sendMany, error) {
	m, to, err := wire.DecodeSendMany(body)
	return sendMany{m, to}, err
}

func TestDecodeSendMany(t *testing.T) {
	const tail = `,"MsgRandom":7,"MsgBody":` + bodyText + "}"
	m := message.Send{Random: 7, Body: []byte(bodyText), Life: message.DefaultLife}
	for _, tc := range []struct {
		name, to string
		want     []account.UserID
		err      string
	}{
		{name: "two", to: `["a","b"]`, want: []account.UserID{"a", "b"}},
		{name: "repeats and bad names are data", to: `["a","","a"]`, want: []account.UserID{"a", "", "a"}},
		{name: "500", to: list(`"a"`, 500), want: slicesRepeat("a", 500)},
		{name: "501", to: list(`"a"`, 501), err: "90011 To_Account has more than 500 accounts"},
		{name: "missing", to: `null`, err: "90003 Invalid format of To_Account: it is missing, and must be an array of strings"},
		{name: "a name", to: `"a"`, err: "90028 To_Account is not an array"},
		{name: "empty", to: `[]`, err: "90029 To_Account is empty"},
		{name: "a number", to: `["a",1]`, err: "90003 Invalid format of To_Account: To_Account[1] must be a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := sendMany{}
			if tc.want != nil {
				want = sendMany{m, tc.want}
			}
			got, err := decoded(decodeSendMany, `{"To_Account":`+tc.to+tail)
			if diff := cmp.Diff(want, got); err != tc.err || diff != "" {
				t.Errorf("error %q, want %q; decoded (-want +got):\n%s", err, tc.err, diff)
			}
		})
	}
	if _, err := decoded(decodeSendMany, `{"To_Account":["a"]}`); err != "90005 MsgRandom must be an unsigned 32-bit integer: it is missing" {
		t.Errorf("without MsgRandom: %q", err)
	}
}

func TestDecodeImportMessage(t *testing.T) {
	const least = `"From_Account":"a","To_Account":"b","MsgRandom":7,"MsgTimeStamp":1556178721,"MsgBody":` + bodyText
	m := message.Import{From: "a", To: "b", Random: 7, Time: 1556178721, Body: []byte(bodyText)}
	now, all := m, m
	now.RealTime = true
	all.Seq, all.CloudData = new(uint32(93847636)), "c"
	for _, tc := range []struct {
		name, body string
		want       message.Import
		err        string
	}{
		{name: "history", body: "{" + least + `,"SyncFromOldSystem":2}`, want: m},
		{name: "real time", body: "{" + least + `,"SyncFromOldSystem":5}`, want: now},
		{name: "real time of old", body: "{" + least + `,"SyncFromOldSystem":1}`, want: now},
		{name: "all", body: "{" + least + `,"SyncFromOldSystem":2,"MsgSeq":93847636,"CloudCustomData":"c","x":1}`, want: all},

		{name: "no origin", body: "{" + least + "}", err: "90030 SyncFromOldSystem must be 1, 2 or 5: it is missing"},
		{name: "another origin", body: "{" + least + `,"SyncFromOldSystem":3}`, err: "90030 SyncFromOldSystem must be 1, 2 or 5"},
		{name: "origin as text", body: "{" + least + `,"SyncFromOldSystem":"2"}`, err: "90030 SyncFromOldSystem must be 1, 2 or 5"},
		{name: "time as text", body: "{" + least + `,"MsgTimeStamp":"2"}`, err: "90006 MsgTimeStamp must be an integer"},
		{name: "no sender", body: `{}`, err: "90008 invalid From_Account: it is missing"},
		{name: "no recipient", body: `{"From_Account":"a"}`, err: "90003 Invalid format of To_Account: it is missing, and must be a string"},
		{name: "no random", body: `{"From_Account":"a","To_Account":"b"}`, err: "90005 MsgRandom must be an unsigned 32-bit integer: it is missing"},
		{name: "no time", body: `{"From_Account":"a","To_Account":"b","MsgRandom":1}`, err: "90006 MsgTimeStamp must be an integer: it is missing"},
		{name: "seq", body: `{"MsgSeq":{}}`, err: "90004 MsgSeq must be an unsigned 32-bit integer"},
		{name: "cloud", body: `{"CloudCustomData":1}`, err: notJSON + "CloudCustomData must be a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeImport, tc.body)
			if diff := cmp.Diff(tc.want, got); err != tc.err || diff != "" {
				t.Errorf("error %q, want %q; decoded (-want +got):\n%s", err, tc.err, diff)
			}
		})
	}
}

func TestDecodeHistory(t *testing.T) {
	const times = `,"MaxCnt":100,"MinTime":1,"MaxTime":2`
	q := message.Query{Operator: "a", Peer: "b", Max: 100, MinTime: 1, MaxTime: 2}
	next := q
	next.LastKey, next.Max = "1_2_3", message.MaxPage
	for _, tc := range []struct {
		name, body string
		want       message.Query
		err        string
	}{
		{name: "new", body: `{"Operator_Account":"a","Peer_Account":"b"` + times + `}`, want: q},
		{name: "old", body: `{"From_Account":"a","To_Account":"b"` + times + `}`, want: q},
		{name: "new wins", body: `{"Operator_Account":"a","To_Account":"y","From_Account":"x","Peer_Account":"b"` + times + `}`, want: q},
		{name: "next page", body: `{"Operator_Account":"a","Peer_Account":"b","MaxCnt":100000,"MinTime":1,"MaxTime":2,"LastMsgKey":"1_2_3","x":{}}`, want: next},

		{name: "no operator", body: `{}`, err: "90008 invalid From_Account: Operator_Account is missing"},
		{name: "no peer", body: `{"From_Account":"a"}`, err: "90003 Invalid format of To_Account: Peer_Account is missing, and must be a string"},
		{name: "operator a number", body: `{"Operator_Account":1}`, err: "90008 invalid From_Account: Operator_Account must be a string"},
		{name: "old operator a number", body: `{"From_Account":1}`, err: "90008 invalid From_Account: From_Account must be a string"},
		{name: "peer a list", body: `{"Peer_Account":[]}`, err: "90003 Invalid format of To_Account: Peer_Account must be a string"},
		{name: "old peer a list", body: `{"To_Account":[]}`, err: "90003 Invalid format of To_Account: To_Account must be a string"},
		{name: "no count", body: `{"From_Account":"a","To_Account":"b"}`, err: notJSON + "MaxCnt is missing"},
		{name: "no min", body: `{"From_Account":"a","To_Account":"b","MaxCnt":1}`, err: notJSON + "MinTime is missing"},
		{name: "no max", body: `{"From_Account":"a","To_Account":"b","MaxCnt":1,"MinTime":0}`, err: notJSON + "MaxTime is missing"},
		{name: "count 0", body: `{"MaxCnt":0}`, err: notJSON + "MaxCnt must be an integer from 1"},
		{name: "min as text", body: `{"MinTime":"1"}`, err: notJSON + "MinTime must be an integer from 0"},
		{name: "max negative", body: `{"MaxTime":-1}`, err: notJSON + "MaxTime must be an integer from 0"},
		{name: "key", body: `{"LastMsgKey":1}`, err: "90054 invalid MsgKey"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeHistory, tc.body)
			if got != tc.want || err != tc.err {
				t.Errorf("= %+v, %q, want %+v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestDecodeWithdraw(t *testing.T) {
	for body, want := range map[string]string{
		`{"From_Account":"a","To_Account":"b","MsgKey":"1_2_3","x":1}`: "a b 1_2_3",
		`{"From_Account":["a"]}`:                "90008 invalid From_Account: From_Account must be a string",
		`{}`:                                    "90008 invalid From_Account: it is missing",
		`{"From_Account":"a"}`:                  "90003 Invalid format of To_Account: it is missing, and must be a string",
		`{"From_Account":"a","To_Account":1}`:   "90003 Invalid format of To_Account: To_Account must be a string",
		`{"From_Account":"a","To_Account":"b"}`: "90054 invalid MsgKey: it is missing",
		`{"From_Account":"a","MsgKey":31906}`:   "90054 invalid MsgKey",
	} {
		got, err := decoded(wire.DecodeWithdraw, body)
		if err == "" {
			err = strings.Join([]string{string(got.From), string(got.To), got.MsgKey}, " ")
		}
		if err != want {
			t.Errorf("%s = %q, want %q", body, err, want)
		}
	}
}

func TestMessageReplies(t *testing.T) {
	key := message.Key{Time: 1497238162, Seq: 48374, Random: 837546}
	hello := message.Copy{Message: message.Message{Key: key, From: "a", To: "b", Body: []byte(bodyText), CloudData: `"`}, Box: 7}
	gone := message.Copy{Message: message.Message{Key: key, From: "b", To: "a", Flags: message.Recalled | message.NoUnread}}
	failed := []message.Failure{{UserID: "x", Err: errcode.New(errcode.NoAccount)}, {UserID: `"`, Err: errcode.New(errcode.NoAccount)}}
	const (
		ok      = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""`
		keyText = `"MsgKey":"48374_837546_1497238162"`
		errors  = `,"ErrorList":[{"To_Account":"x","ErrorCode":70107},{"To_Account":"\"","ErrorCode":70107}]}`
		helloed = `{"From_Account":"a","To_Account":"b","MsgSeq":48374,"MsgRandom":837546,"MsgTimeStamp":1497238162,"MsgFlagBits":0,"IsPeerRead":1,` + keyText + `,"MsgBody":` + bodyText + `,"CloudCustomData":"\""`
		goneOff = `{"From_Account":"b","To_Account":"a","MsgSeq":48374,"MsgRandom":837546,"MsgTimeStamp":1497238162,"MsgFlagBits":8,"IsPeerRead":0,` + keyText + `,"MsgBody":[],"CloudCustomData":""`
	)
	for _, tc := range []struct {
		name  string
		fault *errcode.Error
		reply wire.Reply
		want  string
	}{
		{name: "sent", reply: wire.SendReply{Key: key}, want: ok + `,"MsgTime":1497238162,` + keyText + `}`},
		{name: "to all", reply: wire.SendManyReply{Key: key}, want: ok + `,` + keyText + `}`},
		{name: "to some", reply: wire.SendManyReply{Key: key, Failed: failed}, want: `{"ActionStatus":"SomeError","ErrorCode":0,"ErrorInfo":"",` + keyText + errors},
		{
			name: "to none", fault: errcode.New(errcode.OpenIMNoRecipient), reply: wire.SendManyReply{Failed: failed},
			want: `{"ActionStatus":"FAIL","ErrorCode":90012,"ErrorInfo":"invalid To_Account"` + errors,
		},
		{
			name: "history", reply: wire.HistoryReply{Messages: []message.Copy{hello, gone}, PeerRead: []bool{true, false}, LastTime: 5, LastKey: "1_2_3"},
			want: ok + `,"Complete":0,"MsgCnt":2,"LastMsgTime":5,"LastMsgKey":"1_2_3","MsgList":[` + helloed + `},` + goneOff + `}]}`,
		},
		{name: "no history", reply: wire.HistoryReply{Complete: true}, want: ok + `,"Complete":1,"MsgCnt":0,"LastMsgTime":0,"LastMsgKey":"","MsgList":[]}`},
	} {
		var e wire.Envelope
		if tc.fault != nil {
			e = wire.Envelope{Code: tc.fault.Code, Info: tc.fault.Info}
		}
		if got := string(wire.AppendReply(nil, e, tc.reply)); got != tc.want {
			t.Errorf("%s: got  %s\nwant %s", tc.name, got, tc.want)
		}
	}
	if got, want := string(wire.AppendMessage(nil, &hello, true, true)), helloed+`,"Box":7}`; got != want {
		t.Errorf("for a device: got  %s\nwant %s", got, want)
	}
	gone.Flags |= message.Muted | message.NoLastMsg
	if got, want := string(wire.AppendMessage(nil, &gone, false, true)), goneOff+`,"Box":0,"SendMsgControl":["NoUnread","NoLastMsg","WithMuteNotifications"]}`; got != want {
		t.Errorf("for a device: got  %s\nwant %s", got, want)
	}
}
