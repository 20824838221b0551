package rest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/rest"
)

var _ rest.Messages = (*fakeMessages)(nil)

// fakeMessages answers what package message would, but keeps nothing: every conversation has
// the two messages of conversation, of which the first has been recalled already and no other
// can be but the second.
type fakeMessages struct {
	world *world
	err   error // of every call, if it is not nil
	got   any   // the last call's message or query
	to    []account.UserID
}

// conversation is that of ann and bob.
func conversation() []message.Copy {
	return []message.Copy{
		{Message: message.Message{Key: message.Key{Time: 1700000001, Seq: 1, Random: 11}, From: "ann", To: "bob", Flags: message.Recalled}},
		{Message: message.Message{
			Key: message.Key{Time: 1700000002, Seq: 2, Random: 22}, From: "bob", To: "ann", CloudData: "your cloud custom data",
			Body: []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi <ann>"}}]`),
		}},
	}
}

func (f *fakeMessages) exist(ctx context.Context, code errcode.Code, ids ...account.UserID) error {
	if f.err != nil {
		return f.err
	}
	found, err := f.world.service.Exist(ctx, testApp, ids)
	if err != nil {
		return err
	}
	for i, ok := range found {
		if !ok && i == 0 && code == errcode.OpenIMNoRecipient {
			return errcode.New(errcode.OpenIMNoSender)
		}
		if !ok {
			return errcode.New(code)
		}
	}
	return nil
}

func checkBody(body []byte, tooLong errcode.Code) error {
	if len(body) > message.MaxBody {
		return errcode.New(tooLong)
	}
	_, err := message.CheckBody(body)
	return err
}

func (f *fakeMessages) key(m *message.Send) message.Sent {
	k := message.Key{Time: f.world.clock.Now().Unix(), Seq: 1, Random: m.Random}
	if m.Seq != nil {
		k.Seq = *m.Seq
	}
	return message.Sent{Key: k}
}

// Send implements rest.Messages.
func (f *fakeMessages) Send(ctx context.Context, _ *app.App, m message.Send) (message.Sent, error) {
	f.got = m
	if err := f.exist(ctx, errcode.OpenIMNoRecipient, m.From, m.To); err != nil {
		return message.Sent{}, err
	}
	if err := checkBody(m.Body, errcode.OpenIMTooLong); err != nil {
		return message.Sent{}, err
	}
	return f.key(&m), nil
}

// SendMany implements rest.Messages.
func (f *fakeMessages) SendMany(ctx context.Context, _ *app.App, m message.Send, to []account.UserID) (message.Sent, []message.Failure, error) {
	f.got, f.to = m, to
	if err := f.exist(ctx, errcode.OpenIMNoRecipient, m.From); err != nil {
		return message.Sent{}, nil, err
	}
	if err := checkBody(m.Body, errcode.OpenIMBatchTooLong); err != nil {
		return message.Sent{}, nil, err
	}
	found, err := f.world.service.Exist(ctx, testApp, to)
	if err != nil {
		return message.Sent{}, nil, err
	}
	var failed []message.Failure
	for i, id := range to {
		if !found[i] {
			failed = append(failed, message.Failure{UserID: id, Err: errcode.New(errcode.NoAccount)})
		}
	}
	if len(failed) == len(to) {
		return message.Sent{}, failed, errcode.New(errcode.OpenIMNoRecipient)
	}
	return f.key(&m), failed, nil
}

// Import implements rest.Messages.
func (f *fakeMessages) Import(ctx context.Context, _ *app.App, m message.Import) error {
	f.got = m
	if err := f.exist(ctx, errcode.OpenIMNoRecipient, m.From, m.To); err != nil {
		return err
	}
	return checkBody(m.Body, errcode.OpenIMTooLong)
}

// History implements rest.Messages.
func (f *fakeMessages) History(ctx context.Context, _ *app.App, q message.Query) (message.Page, error) {
	f.got = q
	if err := f.exist(ctx, errcode.OpenIMNoAccount, q.Operator, q.Peer); err != nil {
		return message.Page{}, err
	}
	all := conversation()
	switch _, ok := message.ParseKey(q.LastKey); {
	case q.LastKey != "" && !ok:
		return message.Page{}, errcode.New(errcode.OpenIMBadKey)
	case q.MaxTime < all[0].Time:
		return message.Page{Complete: true}, nil
	case q.LastKey != "":
		all = all[:1]
	case q.Max == 1:
		all = all[1:]
	}
	page := message.Page{Complete: all[0].Seq == 1, Messages: all, LastTime: all[0].Time, LastKey: all[0].String()}
	page.PeerRead = []bool{true, false}[:len(all)]
	return page, nil
}

// Withdraw implements rest.Messages.
func (f *fakeMessages) Withdraw(ctx context.Context, _ *app.App, from, to account.UserID, key string, byDevice bool) error {
	f.got = []any{from, to, key, byDevice}
	if err := f.exist(ctx, errcode.OpenIMNoRecipient, from, to); err != nil {
		return err
	}
	all := conversation()
	switch k, ok := message.ParseKey(key); {
	case !ok:
		return errcode.New(errcode.OpenIMBadKey)
	case k == all[0].Key:
		return errcode.New(errcode.OpenIMRecalled)
	case k != all[1].Key:
		return errcode.New(errcode.OpenIMNoMessage)
	}
	return nil
}

// TestMessagesArriveAsTheyWereAsked: what the service is given is what the request says, and
// where it came from.
func TestMessagesArriveAsTheyWereAsked(t *testing.T) {
	w := newWorld(t)
	w.importAccounts(t, "ann", "bob", testAdmin)
	const text = `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]`
	seq := uint32(5)
	sent := message.Send{
		From: testAdmin, Seq: &seq, Random: 7, Body: []byte(text), CloudData: "c", Sync: message.SyncDevices, Life: time.Minute,
		NoUnread: true, NoBefore: true, Address: "192.0.2.1", Platform: "RESTAPI",
	}
	one := sent
	one.From, one.To = "ann", "bob"
	const body = `"MsgSeq":5,"MsgRandom":7,"MsgBody":` + text + `,"CloudCustomData":"c","SyncOtherMachine":1,"MsgLifeTime":60,` +
		`"SendMsgControl":["NoUnread"],"ForbidCallbackControl":["ForbidBeforeSendMsgCallback"]}`
	for _, tc := range []struct {
		command, body string
		want          any
	}{
		{"sendmsg", `{"From_Account":"ann","To_Account":"bob",` + body, one},
		{"batchsendmsg", `{"To_Account":["bob","ann","bob"],` + body, sent},
		{
			"importmsg", `{"From_Account":"ann","To_Account":"bob","MsgRandom":7,"MsgTimeStamp":9,"SyncFromOldSystem":5,"MsgBody":` + text + `}`,
			message.Import{From: "ann", To: "bob", Random: 7, Time: 9, Body: []byte(text), RealTime: true},
		},
		{
			"admin_getroammsg", `{"From_Account":"ann","To_Account":"bob","MaxCnt":5,"MinTime":1,"MaxTime":2,"LastMsgKey":"1_2_3"}`,
			message.Query{Operator: "ann", Peer: "bob", Max: 5, MinTime: 1, MaxTime: 2, LastKey: "1_2_3"},
		},
		{
			"admin_msgwithdraw", `{"From_Account":"bob","To_Account":"ann","MsgKey":"2_22_1700000002"}`,
			[]any{account.UserID("bob"), account.UserID("ann"), "2_22_1700000002", false},
		},
	} {
		answer := w.serve(t, "/v4/openim/"+tc.command+"?"+w.query(t), tc.body).Body.String()
		if got := answer[:20]; got != `{"ActionStatus":"OK"` {
			t.Errorf("%s answers %s", tc.command, answer)
		}
		if diff := cmp.Diff(tc.want, w.messages.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.command, diff)
		}
	}
	if diff := cmp.Diff([]account.UserID{"bob", "ann", "bob"}, w.messages.to); diff != "" {
		t.Errorf("To_Account (-want +got):\n%s", diff)
	}
}

// TestRecipients: an App sends to 12,000 accounts at once and to 200 in every second after
// that, whatever others do; what is refused takes nothing.
func TestRecipients(t *testing.T) {
	w := newWorld(t)
	w.options.Recipients = 0
	w.open(t)
	limited := w.apps[0]
	limited.Rate = app.DefaultRate
	w.addApp(t, limited)
	w.importAccounts(t, testAdmin, "n")
	send := func(n int) (retry string) {
		t.Helper()
		body := `{"To_Account":["n"`
		for range n - 1 {
			body += `,"n"`
		}
		body += `],"MsgRandom":1,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]}`
		w.messages.got = nil
		answer := w.serve(t, "/v4/openim/batchsendmsg?"+w.query(t), body)
		retry = answer.Header().Get("Retry-After")
		if (retry == "") != (w.messages.got != nil) {
			t.Fatalf("Retry-After %q with %s", retry, answer.Body)
		}
		return retry
	}
	for i := range 24 {
		if retry := send(500); retry != "" {
			t.Fatalf("call %d: Retry-After %s", i, retry)
		}
	}
	for _, step := range []struct {
		wait time.Duration
		n    int
		want string
	}{
		{0, 500, "3"},
		{0, 1, "1"},
		{time.Second, 200, ""},
		{0, 1, "1"},
		{2500 * time.Millisecond, 500, ""},
		{time.Hour, 500, ""},
	} {
		w.clock.advance(step.wait)
		if got := send(step.n); got != step.want {
			t.Errorf("%+v: Retry-After %q", step, got)
		}
	}
	w.addApp(t, w.unlimited())
	for i := range 25 {
		if retry := send(500); retry != "" {
			t.Fatal(fmt.Sprint("without a rate, call ", i, ": Retry-After ", retry))
		}
	}
}

// unlimited is the one App without a rate.
func (w *world) unlimited() app.App {
	a := w.apps[0]
	a.Rate = 0
	return a
}
