package wire_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

func TestAppendReply(t *testing.T) {
	const ok = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""`
	noAccount := errcode.New(errcode.NoAccount)
	for _, tc := range []struct {
		name     string
		envelope wire.Envelope
		reply    wire.Reply
		want     string
	}{
		{name: "bare", want: ok + `}`},
		{name: "profile", envelope: wire.Envelope{Display: true}, want: ok + `,"ErrorDisplay":""}`},
		{
			name: "failure", envelope: wire.Envelope{Code: errcode.BadParam, Info: "a \"b\" \\ \n<c> & é \xff"},
			want: `{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"a \"b\" \\ \n<c> & é ` + "\ufffd" + `"}`,
		},
		{
			name: "import, none failed", reply: wire.ImportReply{Outcomes: []account.Outcome{{UserID: "a", Status: account.Created, TinyID: 1}}},
			want: ok + `,"FailAccounts":[]}`,
		},
		{
			name: "import, repeated failures once, in order",
			reply: wire.ImportReply{Outcomes: []account.Outcome{
				{UserID: "z z"}, {UserID: "ok", Status: account.Existed}, {UserID: "<&>"}, {UserID: "z z"}, {UserID: ""},
			}},
			want: ok + `,"FailAccounts":["z z","<&>",""]}`,
		},
		{name: "import with detail", reply: wire.ImportReply{Detail: true, Outcomes: []account.Outcome{
			{UserID: "a", Status: account.Created, TinyID: account.FirstTinyID},
			{UserID: "b", Status: account.Updated, TinyID: 18446744073709551615},
			{UserID: "a", Status: account.Duplicate, TinyID: account.FirstTinyID},
			{UserID: "", Err: errcode.Newf(errcode.BadParam, "the UserID is empty")},
		}}, want: ok + `,"FailAccounts":[""],"ResultItem":[` +
			`{"UserID":"a","ResultCode":0,"ResultInfo":"","Status":"Created","TinyID":"144115188075855872"},` +
			`{"UserID":"b","ResultCode":0,"ResultInfo":"","Status":"Updated","TinyID":"18446744073709551615"},` +
			`{"UserID":"a","ResultCode":0,"ResultInfo":"","Status":"Duplicate","TinyID":"144115188075855872"},` +
			`{"UserID":"","ResultCode":70402,"ResultInfo":"the UserID is empty","Status":"Failed","TinyID":""}]}`},
		{
			name: "import with count, every status its own", reply: wire.ImportReply{Count: true, Outcomes: []account.Outcome{
				{UserID: "a", Status: account.Created},
				{UserID: "b", Status: account.Created},
				{UserID: "a", Status: account.Duplicate},
				{UserID: "c", Status: account.Existed},
				{UserID: "d", Status: account.Updated},
				{UserID: " "},
				{UserID: " "},
			}},
			want: ok + `,"FailAccounts":[" "],"Count":{"Created":2,"Existed":1,"Updated":1,"Duplicate":1,"Failed":2}}`,
		},
		{
			name: "import with count and detail", reply: wire.ImportReply{Count: true, Detail: true, Outcomes: []account.Outcome{{UserID: "a", Status: account.Existed, TinyID: 7}}},
			want: ok + `,"FailAccounts":[],"Count":{"Created":0,"Existed":1,"Updated":0,"Duplicate":0,"Failed":0}` +
				`,"ResultItem":[{"UserID":"a","ResultCode":0,"ResultInfo":"","Status":"Existed","TinyID":"7"}]}`,
		},
		{
			name: "check", reply: wire.CheckReply{{UserID: "a", Imported: true}, {UserID: "b"}, {UserID: "c c", Err: errcode.Newf(errcode.BadParam, "x")}},
			want: ok + `,"ResultItem":[{"UserID":"a","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},` +
				`{"UserID":"b","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},` +
				`{"UserID":"c c","ResultCode":70402,"ResultInfo":"x","AccountStatus":"NotImported"}]}`,
		},
		{
			name: "delete", reply: wire.ResultReply{UserIDs: []account.UserID{"UserID_1", "UserID_2"}, Errs: []*errcode.Error{nil, noAccount}},
			want: ok + `,"ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"UserID_1"},` +
				`{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"UserID_2"}]}`,
		},
		{
			name: "status", reply: wire.StatusReply{Accounts: []wire.AccountStatus{{UserID: "id1", Status: "Online"}, {UserID: "id4", Err: noAccount}, {UserID: "id2", Status: "Offline"}}},
			want: ok + `,"QueryResult":[{"To_Account":"id1","Status":"Online","State":"Online"},{"To_Account":"id2","Status":"Offline","State":"Offline"}],` +
				`"ErrorList":[{"To_Account":"id4","ErrorCode":70107}]}`,
		},
		{
			name: "status with detail", reply: wire.StatusReply{Detail: true, Accounts: []wire.AccountStatus{{UserID: "id1", Status: "Offline"}}},
			want: ok + `,"QueryResult":[{"To_Account":"id1","Status":"Offline","State":"Offline","Detail":[]}],"ErrorList":[]}`,
		},
		{
			name: "status with devices", reply: wire.StatusReply{Detail: true, Accounts: []wire.AccountStatus{
				{UserID: "id1", Status: "Online", CustomStatus: "not asked for", Devices: []wire.DeviceStatus{
					{Platform: "iPhone", Status: "PushOnline", InstanceID: "not asked for"}, {Platform: "Web", Status: "Online"},
				}},
			}},
			want: ok + `,"QueryResult":[{"To_Account":"id1","Status":"Online","State":"Online","Detail":[` +
				`{"Platform":"iPhone","Status":"PushOnline"},{"Platform":"Web","Status":"Online"}]}],"ErrorList":[]}`,
		},
		{
			name: "status with instances and custom status", reply: wire.StatusReply{Detail: true, Instances: true, CustomStatus: true, Accounts: []wire.AccountStatus{
				{UserID: "id1", Status: "Online", CustomStatus: `a "b"`, Devices: []wire.DeviceStatus{{Platform: "Web", Status: "Online", InstanceID: `"1"`}}},
				{UserID: "id2", Status: "Offline"},
			}},
			want: ok + `,"QueryResult":[{"To_Account":"id1","Status":"Online","State":"Online","CustomStatus":"a \"b\"","Detail":[` +
				`{"Platform":"Web","Status":"Online","Instid":"\"1\""}]},` +
				`{"To_Account":"id2","Status":"Offline","State":"Offline","CustomStatus":"","Detail":[]}],"ErrorList":[]}`,
		},
		{name: "status of nobody", reply: wire.StatusReply{}, want: ok + `,"QueryResult":[],"ErrorList":[]}`},
		{
			name: "portrait", envelope: wire.Envelope{Display: true},
			reply: wire.PortraitReply{
				{UserID: "id1", Items: []account.Attr{{Tag: "Tag_Profile_IM_Nick", Value: `"n"`}, {Tag: "Tag_Profile_IM_Level", Value: "7"}}},
				{UserID: "id2", Err: errcode.New(errcode.ProfileNoAccount)},
				{UserID: "id3"},
				{UserID: "id2", Err: errcode.New(errcode.ProfileNoAccount)},
			},
			want: ok + `,"ErrorDisplay":"","UserProfileItem":[` +
				`{"To_Account":"id1","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"n"},{"Tag":"Tag_Profile_IM_Level","Value":7}],"ResultCode":0,"ResultInfo":""},` +
				`{"To_Account":"@TLS#NOT_FOUND","ProfileItem":[],"ResultCode":40003,"ResultInfo":"the account is not imported"},` +
				`{"To_Account":"id3","ProfileItem":[],"ResultCode":0,"ResultInfo":""},` +
				`{"To_Account":"@TLS#NOT_FOUND","ProfileItem":[],"ResultCode":40003,"ResultInfo":"the account is not imported"}],` +
				`"Fail_Account":["id2"]}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(wire.AppendReply(nil, tc.envelope, tc.reply)); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestAppendReplyAppends(t *testing.T) {
	got := string(wire.AppendReply([]byte("before "), wire.Envelope{}, nil))
	if want := `before {"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRepliesAreJSON holds for any names and sentences, however broken their bytes are.
func TestRepliesAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOf(rapid.Byte())
		name := account.UserID(bytes.Draw(t, "name"))
		fault := errcode.Newf(errcode.BadParam, "%s", bytes.Draw(t, "info"))
		for _, r := range []wire.Reply{
			wire.ImportReply{Outcomes: []account.Outcome{{UserID: name, Err: fault}}, Detail: true},
			wire.CheckReply{{UserID: name, Err: fault}},
			wire.ResultReply{UserIDs: []account.UserID{name}, Errs: []*errcode.Error{fault}},
			wire.StatusReply{Detail: true, Instances: true, CustomStatus: true, Accounts: []wire.AccountStatus{
				{UserID: name, Err: fault},
				{UserID: name, CustomStatus: string(name), Devices: []wire.DeviceStatus{{Platform: string(name), InstanceID: string(name)}}},
			}},
			wire.PortraitReply{{UserID: name, Err: fault}, {UserID: name}},
		} {
			got := wire.AppendReply(nil, wire.Envelope{Code: fault.Code, Info: fault.Info}, r)
			if !jsontext.Value(got).IsValid() {
				t.Fatalf("%T: not JSON: %s", r, got)
			}
		}
	})
}
