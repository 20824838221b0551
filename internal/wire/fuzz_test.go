package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

// fixedPoint decodes body, encodes what was read as a client would, and decodes that:
// both readings must agree, and no input may panic.
func fixedPoint[T any](t *testing.T, body []byte, decode func([]byte) (T, error), encode func(T) any) {
	t.Helper()
	first, err := decode(body)
	if err != nil {
		return
	}
	again, err := json.Marshal(encode(first))
	if err != nil {
		t.Fatal(err)
	}
	second, err := decode(again)
	if err != nil {
		t.Fatalf("%q was read, its own encoding %q was not: %v", body, again, err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("%q and %q differ (-first +second):\n%s", body, again, diff)
	}
}

type object = map[string]any

func users(ids []account.UserID) (out []object) {
	for _, id := range ids {
		out = append(out, object{"UserID": id})
	}
	return out
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"Accounts":["test1","test2","test3","test4","test5"]}`,
		`{"AccountList":[{"UserID":"UserID_001","Nick":"Nick_001","FaceUrl":"http://www.qq.com"}],"IsNeedDetail":1,"IsNeedCount":1}`,
		`{"CheckItem":[{"UserID":"UserID_1"},{"UserID":"\ud800"}]}`,
		`{"DeleteItem":[{"UserID":"UserID_1"}]}`,
		`{"UserID":"test","Nick":"\u4e2d\/","FaceUrl":null}`,
		`{"Identifier":"test","Type":0}`,
		`{"To_Account":["id1","id2"],"IsNeedDetail":1.0}`,
		`{"To_Account":["id1"],"IsReturnInstid":1,"IsReturnCustomStatus":2e0,"IsNeedDetail":0}`,
		`{"UserIDs":["a","b","a",""]}`,
		`{"To_Account":["id1"],"TagList":["Tag_Profile_IM_Nick"]}`,
		`{"From_Account":"id","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"MyNickName"},{"Tag":"x","Value":[1,{}]}]}`,
		`{"SyncOtherMachine":2,"To_Account":"lumotuwe1","MsgLifeTime":60,"MsgSeq":93847636,"MsgRandom":1287657,"ForbidCallbackControl":["ForbidBeforeSendMsgCallback"],"SendMsgControl":["NoUnread"],"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi, beauty"}}],"CloudCustomData":"c","OfflinePushInfo":{"PushFlag":0,"Desc":"d","ApnsInfo":{"BadgeMode":1}}}`,
		`{"From_Account":"a","To_Account":["b","c"],"MsgRandom":4294967295,"MsgBody":[]}`,
		`{"SyncFromOldSystem":5,"From_Account":"a","To_Account":"b","MsgRandom":1,"MsgTimeStamp":1556178721,"MsgBody":[{}]}`,
		`{"Operator_Account":"a","Peer_Account":"b","MaxCnt":100,"MinTime":1584669600,"MaxTime":1584673200,"LastMsgKey":"549396494_2578554_1584669680"}`,
		`{"From_Account":"a","To_Account":"b","MsgKey":"31906_833502_1572869830"}`,
		"{\"Accounts\":[\"\xff\",\"a b\"]}", `{"Accounts":["a",]}`, `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fixedPoint(t, body, wire.DecodeAccountImport, func(e account.Entry) any {
			return object{"UserID": e.UserID, "Nick": e.Nick, "FaceUrl": e.FaceURL}
		})
		fixedPoint(t, body, wire.DecodeMultiImport, func(m wire.MultiImport) any {
			var list []object
			for _, e := range m.Entries {
				list = append(list, object{"UserID": e.UserID, "Nick": e.Nick, "FaceUrl": e.FaceURL})
			}
			return object{"AccountList": list, "IsNeedDetail": flag(m.Detail), "IsNeedCount": flag(m.Count)}
		})
		fixedPoint(t, body, wire.DecodeKick, func(id account.UserID) any { return object{"UserID": id} })
		fixedPoint(t, body, wire.DecodeCheck, func(ids []account.UserID) any { return object{"CheckItem": users(ids)} })
		fixedPoint(t, body, wire.DecodeDelete, func(ids []account.UserID) any { return object{"DeleteItem": users(ids)} })
		fixedPoint(t, body, wire.DecodeStatusQuery, func(q wire.StatusQuery) any {
			return object{
				"To_Account": q.UserIDs, "IsNeedDetail": flag(q.Detail),
				"IsReturnInstid": flag(q.Instances), "IsReturnCustomStatus": flag(q.CustomStatus),
			}
		})
		fixedPoint(t, body, wire.DecodeMultiKick, func(ids []account.UserID) any { return object{"UserIDs": ids} })
		fixedPoint(t, body, wire.DecodePortraitGet, func(q wire.PortraitGet) any {
			return object{"To_Account": q.UserIDs, "TagList": q.Tags}
		})
		fuzzMessages(t, body)
		if set, err := wire.DecodePortraitSet(body); err == nil {
			for _, item := range set.Items {
				if item.Value == "" {
					t.Errorf("%q: an item without a value", body)
				}
			}
		}
	})
}
