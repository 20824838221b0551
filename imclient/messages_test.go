package imclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

const helloBody = `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"\"hi\" é"}}]`

var messageCommands = []commandCase{
	{
		name: "sendmsg", path: "/v4/openim/sendmsg",
		body:  `{"To_Account":"b","MsgSeq":1,"MsgRandom":2,"MsgBody":` + helloBody + `}`,
		reply: ok(`"MsgTime":1497238162,"MsgKey":"1_2_1497238162"`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.SendMessage(ctx, "b", imclient.Message{Body: []imclient.Element{imclient.Text(`"hi" é`)}, Seq: 1, Random: 2})
		},
		want: imclient.Sent{Time: 1497238162, Key: "1_2_1497238162"},
	},
	{
		name: "sendmsg with everything", path: "/v4/openim/sendmsg",
		body: `{"To_Account":"b","From_Account":"a","MsgSeq":1,"MsgRandom":2,"MsgBody":[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"d","Desc":"e"}}],` +
			`"CloudCustomData":"c","SyncOtherMachine":2,"MsgLifeTime":60,"SendMsgControl":["NoUnread","NoLastMsg","WithMuteNotifications"],` +
			`"ForbidCallbackControl":["ForbidBeforeSendMsgCallback","ForbidAfterSendMsgCallback"],"OfflinePushInfo":{"PushFlag":1}}`,
		reply: ok(`"MsgTime":1,"MsgKey":"1_2_1"`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.SendMessage(ctx, "b", imclient.Message{
				From: "a", Body: []imclient.Element{imclient.Custom(imclient.CustomContent{Data: "d", Desc: "e"})}, CloudData: "c", Seq: 1, Random: 2,
				Sync: imclient.SyncNone, Life: time.Minute, NoUnread: true, NoLastMsg: true, Muted: true, NoBeforeHook: true, NoAfterHook: true,
				Push: json.RawMessage(`{ "PushFlag": 1 }`),
			})
		},
		want: imclient.Sent{Time: 1, Key: "1_2_1"},
	},
	{
		name: "batchsendmsg", path: "/v4/openim/batchsendmsg",
		body:  `{"To_Account":["b","c"],"MsgSeq":1,"MsgRandom":2,"MsgBody":[],"SyncOtherMachine":1,"MsgLifeTime":0}`,
		reply: `{"ActionStatus":"SomeError","ErrorCode":0,"ErrorInfo":"","MsgKey":"k","ErrorList":[{"To_Account":"c","ErrorCode":70107}]}`,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.SendMessages(ctx, []string{"b", "c"}, imclient.Message{Seq: 1, Random: 2, Sync: imclient.SyncDevices, OnlineOnly: true})
		},
		want: imclient.SentMany{Key: "k", Errors: []imclient.AccountError{{UserID: "c", Code: 70107}}},
	},
	{
		name: "importmsg", path: "/v4/openim/importmsg",
		body:  `{"SyncFromOldSystem":2,"From_Account":"a","To_Account":"b","MsgSeq":0,"MsgRandom":2,"MsgTimeStamp":9,"MsgBody":` + helloBody + `}`,
		reply: okReply,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return nil, c.ImportMessage(ctx, imclient.ImportedMessage{From: "a", To: "b", Random: 2, Time: 9, Body: []imclient.Element{imclient.Text(`"hi" é`)}})
		},
	},
	{
		name: "importmsg in real time", path: "/v4/openim/importmsg",
		body:  `{"SyncFromOldSystem":5,"From_Account":"a","To_Account":"b","MsgSeq":1,"MsgRandom":2,"MsgTimeStamp":9,"MsgBody":[],"CloudCustomData":"c"}`,
		reply: okReply,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return nil, c.ImportMessage(ctx, imclient.ImportedMessage{From: "a", To: "b", Seq: 1, Random: 2, Time: 9, CloudData: "c", RealTime: true})
		},
	},
	{
		name: "admin_getroammsg", path: "/v4/openim/admin_getroammsg",
		body: `{"Operator_Account":"a","Peer_Account":"b","From_Account":"a","To_Account":"b","MaxCnt":100,"MinTime":1,"MaxTime":2,"LastMsgKey":"k"}`,
		reply: ok(`"Complete":1,"MsgCnt":1,"LastMsgTime":2,"LastMsgKey":"k2","MsgList":[{"From_Account":"b","To_Account":"a","MsgSeq":1,"MsgRandom":2,` +
			`"MsgTimeStamp":2,"MsgFlagBits":8,"IsPeerRead":1,"MsgKey":"k2","MsgBody":[{"MsgType":"T","MsgContent":{"x":1}}],"CloudCustomData":"c"}]`),
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return c.RoamMessages(ctx, imclient.HistoryRequest{Operator: "a", Peer: "b", Max: 100, MinTime: 1, MaxTime: 2, LastKey: "k"})
		},
		want: imclient.History{Complete: true, LastTime: 2, LastKey: "k2", Messages: []imclient.StoredMessage{{
			From: "b", To: "a", Seq: 1, Random: 2, Time: 2, Flags: 8, IsPeerRead: 1, Key: "k2",
			Body: []imclient.Element{{Type: "T", Content: json.RawMessage(`{"x":1}`)}}, CloudData: "c",
		}}},
	},
	{
		name: "admin_msgwithdraw", path: "/v4/openim/admin_msgwithdraw",
		body: `{"From_Account":"a","To_Account":"b","MsgKey":"k"}`, reply: okReply,
		call: func(ctx context.Context, c *imclient.Client) (any, error) {
			return nil, c.WithdrawMessage(ctx, "a", "b", "k")
		},
	},
}

// TestSendMessagesToNobody: the error does not hide who it is about.
func TestSendMessagesToNobody(t *testing.T) {
	f := &fake{reply: `{"ActionStatus":"FAIL","ErrorInfo":"invalid To_Account","ErrorCode":90012,"ErrorList":[{"To_Account":"a","ErrorCode":70107}]}`}
	sent, err := newClient(t, f.options()).SendMessages(t.Context(), []string{"a"}, imclient.Message{})
	if e, refused := errors.AsType[*imclient.Error](err); !refused || e.Code != 90012 {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(imclient.SentMany{Errors: []imclient.AccountError{{UserID: "a", Code: 70107}}}, sent); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// TestMessageKeepsItsNumbers: each call has numbers of its own, which its repetitions keep, so
// that the service knows them again.
func TestMessageKeepsItsNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := answer{reply: ok(`"MsgTime":1,"MsgKey":"k"`)}
		s := &script{answers: []answer{refusal(91000), sent, sent}}
		c := s.client(t, nil)
		for range 2 {
			if _, err := c.SendMessage(t.Context(), "b", imclient.Message{Body: []imclient.Element{imclient.Text("hi")}}); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.bodies) != 3 || s.bodies[0] != s.bodies[1] || s.bodies[1] == s.bodies[2] {
			t.Errorf("sent %q", s.bodies)
		}
	})
}

func TestMessagesThatAreNotSent(t *testing.T) {
	f := &fake{reply: okReply}
	c := newClient(t, f.options())
	for name, m := range map[string]imclient.Message{
		"content":  {Body: []imclient.Element{{Type: "T", Content: json.RawMessage(`{`)}}},
		"push":     {Push: json.RawMessage(`{`)},
		"sync":     {Sync: 3},
		"life":     {Life: time.Millisecond},
		"negative": {Life: -time.Second},
	} {
		if _, err := c.SendMessage(t.Context(), "b", m); err == nil {
			t.Errorf("%s was sent", name)
		}
		if _, err := c.SendMessages(t.Context(), []string{"b"}, m); err == nil {
			t.Errorf("%s was sent to many", name)
		}
	}
	if err := c.ImportMessage(t.Context(), imclient.ImportedMessage{Body: []imclient.Element{{Content: json.RawMessage(`x`)}}}); err == nil {
		t.Error("what is not JSON was imported")
	}
	if len(f.seen) != 0 {
		t.Errorf("sent %+v", f.seen)
	}
}

func TestElementText(t *testing.T) {
	for _, tc := range []struct {
		element imclient.Element
		text    string
		ok      bool
	}{
		{imclient.Text("a\n\"é"), "a\n\"é", true},
		{imclient.Text(""), "", true},
		{imclient.Custom(imclient.CustomContent{Data: "a"}), "", false},
		{imclient.Element{Type: imclient.TypeText}, "", false},
		{imclient.Element{Type: imclient.TypeText, Content: json.RawMessage(`{"Text":1}`)}, "", false},
	} {
		if text, ok := tc.element.Text(); text != tc.text || ok != tc.ok {
			t.Errorf("%+v has the text %q, %v", tc.element, text, ok)
		}
	}
}
