package imclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

// ok is a whole reply that has the fields given beside those of the envelope.
func ok(fields string) string {
	return `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,` + fields + `}`
}

// commandCase is one call, what it must send, and what it makes of the reply.
type commandCase struct {
	name, path, body, reply string
	call                    func(context.Context, *imclient.Client) (any, error)
	want                    any
}

var accountCommands = []commandCase{
	{
		name: "account_import", path: "/v4/im_open_login_svc/account_import",
		body: `{"UserID":"a","Nick":"\"Ann\"","FaceUrl":"http://x/ä"}`, reply: okReply,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return nil, c.AccountImport(ctx, imclient.Account{UserID: "a", Nick: `"Ann"`, FaceURL: "http://x/ä"})
		},
	},
	{
		name: "multiaccount_import of names", path: "/v4/im_open_login_svc/multiaccount_import",
		body: `{"Accounts":["a","b\\c"]}`, reply: ok(`"FailAccounts":["b\\c"]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{Names: []string{"a", `b\c`}})
		},
		want: imclient.ImportReply{FailAccounts: []string{`b\c`}, Items: []imclient.ImportItem{}},
	},
	{
		name: "multiaccount_import, nothing failed", path: "/v4/im_open_login_svc/multiaccount_import",
		body: `{"Accounts":["a"]}`, reply: `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{Names: []string{"a"}})
		},
		want: imclient.ImportReply{},
	},
	{
		name: "multiaccount_import of nothing", path: "/v4/im_open_login_svc/multiaccount_import",
		body: `{"Accounts":[]}`, reply: ok(`"FailAccounts":null`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{})
		},
		want: imclient.ImportReply{Items: []imclient.ImportItem{}},
	},
	{
		name: "multiaccount_import with detail", path: "/v4/im_open_login_svc/multiaccount_import",
		body: `{"AccountList":[{"UserID":"a","Nick":"n"},{"UserID":"b"}],"IsNeedDetail":1}`,
		reply: ok(`"FailAccounts":["b"],"ResultItem":[{"UserID":"a","ResultCode":0,"ResultInfo":"","Status":"Created","TinyID":"144115188075855873"},` +
			`{"UserID":"b","ResultCode":70402,"ResultInfo":"bad","Status":"Failed","TinyID":""}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{
				Accounts: []imclient.Account{{UserID: "a", Nick: "n"}, {UserID: "b"}}, Detail: true,
			})
		},
		want: imclient.ImportReply{FailAccounts: []string{"b"}, Items: []imclient.ImportItem{
			{Result: imclient.Result{UserID: "a"}, Status: "Created", TinyID: "144115188075855873"},
			{Result: imclient.Result{UserID: "b", Code: 70402, Info: "bad"}, Status: "Failed"},
		}},
	},
	{
		name: "multiaccount_import with count", path: "/v4/im_open_login_svc/multiaccount_import",
		body:  `{"Accounts":["a","b"],"IsNeedCount":1}`,
		reply: ok(`"FailAccounts":["b"],"Count":{"Created":1,"Existed":2,"Updated":3,"Duplicate":4,"Failed":5}`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{Names: []string{"a", "b"}, Count: true})
		},
		want: imclient.ImportReply{
			FailAccounts: []string{"b"}, Items: []imclient.ImportItem{},
			Count: &imclient.ImportCount{Created: 1, Existed: 2, Updated: 3, Duplicate: 4, Failed: 5},
		},
	},
	{
		name: "multiaccount_import with detail and count", path: "/v4/im_open_login_svc/multiaccount_import",
		body: `{"AccountList":[{"UserID":"a"}],"IsNeedDetail":1,"IsNeedCount":1}`,
		reply: ok(`"FailAccounts":[],"Count":{"Created":1,"Existed":0,"Updated":0,"Duplicate":0,"Failed":0},` +
			`"ResultItem":[{"UserID":"a","ResultCode":0,"ResultInfo":"","Status":"Created","TinyID":"7"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.MultiAccountImport(ctx, imclient.ImportRequest{Accounts: []imclient.Account{{UserID: "a"}}, Detail: true, Count: true})
		},
		want: imclient.ImportReply{
			FailAccounts: []string{}, Count: &imclient.ImportCount{Created: 1},
			Items: []imclient.ImportItem{{Result: imclient.Result{UserID: "a"}, Status: "Created", TinyID: "7"}},
		},
	},
	{
		name: "account_delete", path: "/v4/im_open_login_svc/account_delete",
		body: `{"DeleteItem":[{"UserID":"a"},{"UserID":"b"}]}`,
		reply: ok(`"ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"a"},` +
			`{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"b"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.AccountDelete(ctx, []string{"a", "b"})
		},
		want: []imclient.Result{{UserID: "a"}, {UserID: "b", Code: 70107, Info: "Err_TLS_PT_Open_Login_Account_Not_Exist"}},
	},
	{
		name: "account_check", path: "/v4/im_open_login_svc/account_check",
		body: `{"CheckItem":[{"UserID":"a"},{"UserID":"b"},{"UserID":""}]}`,
		reply: ok(`"ResultItem":[{"UserID":"a","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},` +
			`{"UserID":"b","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},` +
			`{"UserID":"","ResultCode":70402,"ResultInfo":"empty","AccountStatus":"NotImported"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.AccountCheck(ctx, []string{"a", "b", ""})
		},
		want: []imclient.Checked{
			{Result: imclient.Result{UserID: "a"}, Imported: true},
			{Result: imclient.Result{UserID: "b"}},
			{Result: imclient.Result{Code: 70402, Info: "empty"}},
		},
	},
	{
		name: "kick", path: "/v4/im_open_login_svc/kick", body: `{"UserID":"a"}`, reply: okReply,
		call: func(ctx context.Context, c *imclient.Client) (any, error) { return nil, c.Kick(ctx, "a") },
	},
}

var otherCommands = []commandCase{
	{
		name: "multi_kick", path: "/v4/muster/multi_kick", body: `{"UserIDs":["a","b\\c","a"]}`,
		reply: ok(`"ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"a"},` +
			`{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"b\\c"},{"ResultCode":0,"ResultInfo":"","UserID":"a"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.KickMany(ctx, []string{"a", `b\c`, "a"})
		},
		want: []imclient.Result{{UserID: "a"}, {UserID: `b\c`, Code: 70107, Info: "Err_TLS_PT_Open_Login_Account_Not_Exist"}, {UserID: "a"}},
	},
	{
		name: "status with everything", path: "/v4/openim/query_online_status",
		body: `{"To_Account":["a","b"],"IsNeedDetail":1,"IsReturnInstid":1,"IsReturnCustomStatus":1}`,
		reply: ok(`"QueryResult":[{"To_Account":"a","Status":"Online","State":"Online","CustomStatus":"busy",` +
			`"Detail":[{"Platform":"Web","Status":"Online","Instid":"1f"},{"Platform":"Web","Status":"Online","Instid":"2e"}]},` +
			`{"To_Account":"b","Status":"Offline","State":"Offline","CustomStatus":"","Detail":[]}],"ErrorList":[]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.Status(ctx, imclient.StatusRequest{UserIDs: []string{"a", "b"}, Detail: true, Instances: true, CustomStatus: true})
		},
		want: imclient.OnlineStatus{Accounts: []imclient.AccountStatus{
			{UserID: "a", Status: imclient.Online, CustomStatus: "busy", Devices: []imclient.DeviceStatus{
				{Platform: "Web", Status: imclient.Online, InstanceID: "1f"}, {Platform: "Web", Status: imclient.Online, InstanceID: "2e"},
			}},
			{UserID: "b", Status: imclient.Offline, Devices: []imclient.DeviceStatus{}},
		}},
	},
	{
		name: "status alone", path: "/v4/openim/query_online_status", body: `{"To_Account":["a"]}`,
		reply: ok(`"QueryResult":[{"To_Account":"a","Status":"Offline"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.Status(ctx, imclient.StatusRequest{UserIDs: []string{"a"}})
		},
		want: imclient.OnlineStatus{Accounts: []imclient.AccountStatus{{UserID: "a", Status: imclient.Offline}}},
	},
	{
		name: "query_online_status", path: "/v4/openim/query_online_status",
		body: `{"To_Account":["a","b","c"],"IsNeedDetail":1}`,
		reply: ok(`"QueryResult":[{"To_Account":"a","Status":"Online","Detail":[{"Platform":"Web","Status":"Online"}]},` +
			`{"To_Account":"b","Status":"Offline"}],"ErrorList":[{"To_Account":"c","ErrorCode":70107}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.QueryOnlineStatus(ctx, []string{"a", "b", "c"}, true)
		},
		want: imclient.OnlineStatus{
			Accounts: []imclient.AccountStatus{
				{UserID: "a", Status: imclient.Online, Devices: []imclient.DeviceStatus{{Platform: "Web", Status: imclient.Online}}},
				{UserID: "b", Status: imclient.Offline},
			},
			Errors: []imclient.AccountError{{UserID: "c", Code: 70107}},
		},
	},
	{
		name: "querystate", path: "/v4/openim/querystate", body: `{"To_Account":["a"]}`,
		reply: ok(`"QueryResult":[{"To_Account":"a","State":"PushOnline"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.QueryState(ctx, []string{"a"}, false)
		},
		want: imclient.OnlineStatus{Accounts: []imclient.AccountStatus{{UserID: "a", Status: imclient.PushOnline}}},
	},
	{
		name: "querystate, every account failed", path: "/v4/openim/querystate", body: `{"To_Account":["a"]}`,
		reply: `{"ActionStatus":"FAIL","ErrorInfo":"x","ErrorCode":70107,"ErrorList":[{"To_Account":"a","ErrorCode":70107}]}`,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.QueryState(ctx, []string{"a"}, false)
		},
		want: imclient.OnlineStatus{Errors: []imclient.AccountError{{UserID: "a", Code: 70107}}},
	},
	{
		name: "portrait_set", path: "/v4/profile/portrait_set",
		body:  `{"From_Account":"a","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ann"},{"Tag":"Tag_Profile_IM_Level","Value":7}]}`,
		reply: ok(`"ErrorDisplay":""`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return nil, c.PortraitSet(ctx, "a", imclient.ProfileItem{Tag: imclient.TagNick, Value: "Ann"},
				imclient.ProfileItem{Tag: "Tag_Profile_IM_Level", Value: 7})
		},
	},
	{
		name: "portrait_get", path: "/v4/profile/portrait_get",
		body: `{"To_Account":["a","b"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_Custom_n"]}`,
		reply: ok(`"UserProfileItem":[{"To_Account":"a","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ann"},` +
			`{"Tag":"Tag_Profile_Custom_n","Value":18446744073709551615}],"ResultCode":0,"ResultInfo":""},` +
			`{"To_Account":"@TLS#NOT_FOUND","ProfileItem":[],"ResultCode":40003,"ResultInfo":"no"}],"Fail_Account":["b"],"ErrorDisplay":""`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.PortraitGet(ctx, []string{"a", "b"}, []string{imclient.TagNick, "Tag_Profile_Custom_n"})
		},
		want: imclient.PortraitReply{
			Portraits: []imclient.Portrait{
				{Result: imclient.Result{UserID: "a"}, Items: []imclient.ProfileItem{
					{Tag: imclient.TagNick, Value: "Ann"},
					{Tag: "Tag_Profile_Custom_n", Value: json.Number("18446744073709551615")},
				}},
				{Result: imclient.Result{UserID: "b", Code: 40003, Info: "no"}, Items: []imclient.ProfileItem{}},
			},
			FailAccounts: []string{"b"},
		},
	},
}

func TestCommands(t *testing.T) {
	for _, tc := range slices.Concat(accountCommands, messageCommands, otherCommands) {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{reply: tc.reply}
			got, err := tc.call(t.Context(), newClient(t, f.options()))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if len(f.seen) != 1 || f.seen[0].path != tc.path || f.seen[0].body != tc.body {
				t.Errorf("requests %+v, want one of %s with %s", f.seen, tc.path, tc.body)
			}
		})
	}
}

// A service without the command is told from a refusal of the accounts, and its error says
// what to think of it.
func TestKickManyElsewhere(t *testing.T) {
	f := &fake{reply: `{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"no such command"}`}
	results, err := newClient(t, f.options()).KickMany(t.Context(), []string{"a"})
	const want = "imclient: muster/multi_kick: 60009 no such command; only Muster kicks many accounts in one call, and this service is another, or an older Muster"
	if results != nil || err == nil || err.Error() != want {
		t.Errorf("= %v, %v", results, err)
	}
	if e, ok := errors.AsType[*imclient.Error](err); !ok || e.Code != 60009 {
		t.Errorf("%v has no code", err)
	}
}

func TestRequestsThatAreNotSent(t *testing.T) {
	f := &fake{reply: okReply}
	c := newClient(t, f.options())
	both := imclient.ImportRequest{Names: []string{"a"}, Accounts: []imclient.Account{{UserID: "b"}}}
	if _, err := c.MultiAccountImport(t.Context(), both); err == nil {
		t.Error("a request with both lists was accepted")
	}
	if err := c.PortraitSet(t.Context(), "a", imclient.ProfileItem{Tag: "t", Value: func() {}}); err == nil {
		t.Error("a value that JSON cannot have was accepted")
	}
	if len(f.seen) != 0 {
		t.Errorf("sent %+v", f.seen)
	}
}

func TestCall(t *testing.T) {
	f := &fake{reply: `{"ErrorCode":0,"ActionStatus":"SomeError","MsgKey":"k"}`}
	c := newClient(t, f.options())
	reply, err := c.Call(t.Context(), "openim/batchsendmsg", nil)
	if err != nil || string(reply) != f.reply {
		t.Errorf("reply %q, error %v", reply, err)
	}
	if r := f.seen[0]; r.path != "/v4/openim/batchsendmsg" || r.body != "{}" {
		t.Errorf("sent %+v", r)
	}
	f.reply = `{"ErrorCode":90012,"ActionStatus":"FAIL","ErrorInfo":"invalid To_Account"}`
	reply, err = c.Call(t.Context(), "openim/batchsendmsg", []byte(`{"x":1}`))
	want := &imclient.Error{Command: "openim/batchsendmsg", Code: 90012, Info: "invalid To_Account"}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if string(reply) != f.reply || f.seen[1].body != `{"x":1}` {
		t.Errorf("reply %q to %+v", reply, f.seen[1])
	}
}
