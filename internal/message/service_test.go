package message_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store/memstore"
)

const thisApp account.SDKAppID = 1400000001

// world is a Service on a store in memory.
type world struct {
	*message.Service
	t     *testing.T
	app   *app.App
	hooks *hooks

	mu        sync.Mutex
	now       time.Time
	delivered []message.Copy
	read      []string
	random    uint32
}

type hooks struct {
	before, after bool
	verdict       message.Verdict
	asked         []message.Outgoing
	told          []string
}

func (h *hooks) Wants(*app.App) (before, after bool) { return h.before, h.after }

func (h *hooks) Before(_ context.Context, _ *app.App, o message.Outgoing) message.Verdict {
	h.asked = append(h.asked, o)
	return h.verdict
}

func (h *hooks) After(_ *app.App, o message.Outgoing, unread int, failed *errcode.Error) {
	h.told = append(h.told, fmt.Sprintf("%s->%s unread %d failed %v", o.Message.From, o.Message.To, unread, failed))
}

// imported are the accounts there are.
type imported []account.UserID

func (a imported) Exist(_ context.Context, _ account.SDKAppID, ids []account.UserID) ([]bool, error) {
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = slices.Contains(a, id)
	}
	return out, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, app: &app.App{SDKAppID: thisApp}, hooks: new(hooks), now: time.Unix(1_700_000_000, 0)}
	var err error
	w.Service, err = message.New(message.Options{
		Store: memstore.New(), Accounts: imported{"ann", "bob", "cid", "admin"}, Hooks: w.hooks, Deliverer: w,
		Now: w.clock, Random: func() uint32 { w.random++; return w.random },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) Deliver(_ account.SDKAppID, c *message.Copy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivered = append(w.delivered, *c)
}

func (w *world) DeliverRead(_ account.SDKAppID, reader, peer account.UserID, upTo int64) {
	w.read = append(w.read, fmt.Sprintf("%s of %s to %d", reader, peer, upTo))
}

func text(s string) []byte {
	return fmt.Appendf(nil, `[{"MsgType":"TIMTextElem","MsgContent":{"Text":%q}}]`, s)
}

func hello(from, to account.UserID, random uint32) message.Send {
	return message.Send{From: from, To: to, Random: random, Body: text("hello"), Life: message.DefaultLife}
}

func (w *world) send(m message.Send) message.Sent {
	w.t.Helper()
	sent, err := w.Send(w.t.Context(), w.app, m)
	if err != nil {
		w.t.Fatal(err)
	}
	return sent
}

func (w *world) take() []string {
	var out []string
	for _, c := range w.delivered {
		out = append(out, fmt.Sprintf("%s#%d %d", c.Owner, c.Box, c.Flags))
	}
	w.delivered = nil
	return out
}

func (w *world) missed(owner account.UserID, after uint64) (numbers []uint64, last uint64) {
	w.t.Helper()
	copies, read, last, err := w.Missed(w.t.Context(), thisApp, owner, after, 100)
	if err != nil || len(read) != len(copies) {
		w.t.Fatal(len(read), err)
	}
	for _, c := range copies {
		numbers = append(numbers, c.Box)
	}
	return numbers, last
}

func (w *world) same(what string, got, want any) {
	w.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (w *world) mustFail(what string, err error, code errcode.Code) {
	w.t.Helper()
	if errcode.Of(err) != code {
		w.t.Errorf("%s: %v, want %d", what, err, code)
	}
}

func TestSend(t *testing.T) {
	w := newWorld(t)
	sent := w.send(hello("ann", "bob", 7))
	w.same("the key", sent.String(), "1_7_1700000000")
	w.same("delivered", w.take(), "[bob#1 0]")
	m := hello("ann", "bob", 8)
	m.Sync = message.SyncDevices
	w.send(m)
	w.same("delivered to both", w.take(), "[ann#2 0 bob#2 0]")
	m = hello("ann", "bob", 9)
	m.Sync = message.SyncNone
	w.send(m)
	w.same("delivered to one", w.take(), "[bob#3 0]")
	numbers, last := w.missed("ann", 0)
	w.same("ann's box", fmt.Sprint(numbers, last), "[1 2] 2")
	numbers, last = w.missed("bob", 1)
	w.same("bob's box behind 1", fmt.Sprint(numbers, last), "[2 3] 3")
}

func TestOnlineOnly(t *testing.T) {
	w := newWorld(t)
	m := hello("ann", "bob", 7)
	m.OnlineOnly, m.Sync = true, message.SyncDevices
	w.send(m)
	w.same("delivered", w.take(), "[bob#0 0 ann#0 0]")
	numbers, last := w.missed("bob", 0)
	w.same("bob's box", fmt.Sprint(numbers, last), "[] 0")
}

func TestDedupe(t *testing.T) {
	w := newWorld(t)
	seq := uint32(5)
	m := hello("ann", "bob", 7)
	m.Seq = &seq
	first := w.send(m)
	w.now = w.now.Add(message.DedupeWindow)
	w.same("again", w.send(m), first)
	w.same("delivered", w.take(), "[bob#1 0]")
	other := m
	other.Body = text("something else")
	w.send(other)
	w.now = w.now.Add(time.Second)
	if w.send(m) == first {
		t.Error("the same message after the window is not a new one")
	}
	w.same("delivered", w.take(), "[bob#2 0 bob#3 0]")
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	long := hello("ann", "bob", 1)
	long.CloudData = strings.Repeat("x", message.MaxBody)
	for _, tt := range []struct {
		name string
		m    message.Send
		code errcode.Code
	}{
		{"no sender", hello("eve", "bob", 1), errcode.OpenIMNoSender},
		{"no recipient", hello("ann", "eve", 1), errcode.OpenIMNoRecipient},
		{"too long", long, errcode.OpenIMTooLong},
		{"no body", message.Send{From: "ann", To: "bob"}, errcode.OpenIMBadBody},
	} {
		_, err := w.Send(t.Context(), w.app, tt.m)
		w.mustFail(tt.name, err, tt.code)
	}
	w.same("delivered", w.take(), "[]")
}

func TestSendMany(t *testing.T) {
	w := newWorld(t)
	m := hello("admin", "", 7)
	sent, failed, err := w.SendMany(t.Context(), w.app, m, []account.UserID{"ann", "eve", "bob", "ann"})
	if err != nil || sent.Random != 7 {
		t.Fatal(sent, err)
	}
	w.same("failed", fmt.Sprint(len(failed), " ", failed[0].UserID, " ", failed[0].Err.Code), "1 eve 70107")
	w.same("delivered", w.take(), "[ann#1 0 bob#1 0]")
	_, _, err = w.SendMany(t.Context(), w.app, m, []account.UserID{"eve"})
	w.mustFail("nobody is there", err, errcode.OpenIMNoRecipient)
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	seq := uint32(3)
	one := message.Import{From: "ann", To: "bob", Seq: &seq, Random: 4, Time: 1_699_999_000, Body: text("old")}
	for range 2 {
		if err := w.Import(t.Context(), w.app, one); err != nil {
			t.Fatal(err)
		}
	}
	back := one
	back.From, back.To, back.Body = "bob", "ann", text("the other way round")
	if err := w.Import(t.Context(), w.app, back); err != nil {
		t.Fatal(err)
	}
	numbers, _ := w.missed("bob", 0)
	w.same("bob's box", numbers, "[1]")
	n, err := w.Unread(t.Context(), thisApp, "bob", "ann")
	w.same("unread", fmt.Sprint(n, err), "0 <nil>")
	one.Time++
	one.RealTime = true
	if err := w.Import(t.Context(), w.app, one); err != nil {
		t.Fatal(err)
	}
	n, err = w.Unread(t.Context(), thisApp, "bob", "ann")
	w.same("unread", fmt.Sprint(n, err), "1 <nil>")
}

// TestHistory pages through a conversation from the newest to the oldest.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		from, to := account.UserID("ann"), account.UserID("bob")
		if i%2 == 1 {
			from, to = to, from
		}
		w.send(hello(from, to, uint32(i)))
		w.send(hello("ann", "cid", uint32(i)))
		if i%3 == 0 {
			w.now = w.now.Add(time.Second)
		}
	}
	q := message.Query{Operator: "ann", Peer: "bob", Max: 10, MaxTime: w.now.Unix()}
	var all []uint32
	for {
		p, err := w.History(t.Context(), w.app, q)
		if err != nil {
			t.Fatal(err)
		}
		var page []uint32
		for _, c := range p.Messages {
			page = append(page, c.Random)
		}
		all = append(page, all...)
		if p.Complete {
			break
		}
		q.MaxTime, q.LastKey = p.LastTime, p.LastKey
	}
	want := make([]uint32, 25)
	for i := range want {
		want[i] = uint32(i)
	}
	w.same("the conversation", all, want)
	_, err := w.History(t.Context(), w.app, message.Query{Operator: "ann", Peer: "bob", Max: 1, MaxTime: 1, LastKey: "x"})
	w.mustFail("a bad key", err, errcode.OpenIMBadKey)
	_, err = w.History(t.Context(), w.app, message.Query{Operator: "ann", Peer: "eve", Max: 1})
	w.mustFail("no such peer", err, errcode.OpenIMNoAccount)
}

func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	key := w.send(hello("ann", "bob", 7)).String()
	w.take()
	w.mustFail("a bad key", w.Withdraw(t.Context(), w.app, "ann", "bob", "1_2", false), errcode.OpenIMBadKey)
	w.mustFail("no message", w.Withdraw(t.Context(), w.app, "ann", "bob", "9_9_9", false), errcode.OpenIMNoMessage)
	w.now = w.now.Add(message.RecallWindow + time.Second)
	w.mustFail("too late for a device", w.Withdraw(t.Context(), w.app, "ann", "bob", key, true), errcode.OpenIMRecallLate)
	if err := w.Withdraw(t.Context(), w.app, "ann", "bob", key, false); err != nil {
		t.Fatal(err)
	}
	w.mustFail("again", w.Withdraw(t.Context(), w.app, "ann", "bob", key, false), errcode.OpenIMRecalled)
	got := w.take()
	slices.Sort(got)
	w.same("notices", got, "[ann#2 1 bob#2 1]")
	p, err := w.History(t.Context(), w.app, message.Query{Operator: "bob", Peer: "ann", Max: 10, MaxTime: w.now.Unix()})
	if err != nil || len(p.Messages) != 1 || p.Messages[0].Flags&message.Recalled == 0 || p.Messages[0].Body != nil {
		t.Errorf("the history is %+v, %v", p.Messages, err)
	}
}

func TestReadAndUnread(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.send(hello("ann", "bob", uint32(i)))
		w.now = w.now.Add(time.Second)
	}
	quiet := hello("ann", "bob", 9)
	quiet.NoUnread = true
	w.send(quiet)
	unread := func(want int) {
		t.Helper()
		n, err := w.Unread(t.Context(), thisApp, "bob", "ann")
		w.same("unread", fmt.Sprint(n, err), fmt.Sprint(want, " <nil>"))
	}
	unread(3)
	if err := w.Read(t.Context(), thisApp, "bob", "ann", 1_700_000_001); err != nil {
		t.Fatal(err)
	}
	unread(1)
	w.same("told", w.read, "[bob of ann to 1700000001]")
	p, err := w.History(t.Context(), w.app, message.Query{Operator: "ann", Peer: "bob", Max: 10, MaxTime: w.now.Unix()})
	w.same("read by the peer", fmt.Sprint(p.PeerRead, err), "[true true false false] <nil>")
	// Nobody has read the future.
	if err := w.Read(t.Context(), thisApp, "bob", "ann", w.now.Unix()+1000); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Second)
	w.send(hello("ann", "bob", 10))
	unread(1)
}

func TestSeen(t *testing.T) {
	w := newWorld(t)
	for _, n := range []uint64{5, 3} {
		if err := w.Acknowledge(t.Context(), thisApp, "ann", "phone", n); err != nil {
			t.Fatal(err)
		}
	}
	n, err := w.Seen(t.Context(), thisApp, "ann", "phone")
	w.same("seen", fmt.Sprint(n, err), "5 <nil>")
	n, err = w.Seen(t.Context(), thisApp, "ann", "tablet")
	w.same("seen by another", fmt.Sprint(n, err), "0 <nil>")
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	short := hello("ann", "bob", 1)
	short.Life = time.Minute
	w.send(short)
	w.send(hello("ann", "bob", 2))
	w.now = w.now.Add(time.Minute)
	numbers, last := w.missed("bob", 0)
	w.same("after a minute", fmt.Sprint(numbers, last), "[2] 2")
	w.now = w.now.Add(message.MaxLife)
	numbers, last = w.missed("bob", 0)
	w.same("after a week", fmt.Sprint(numbers, last), "[] 2")
}

func TestHooks(t *testing.T) {
	w := newWorld(t)
	w.hooks.before, w.hooks.after = true, true
	other := "other"
	w.hooks.verdict = message.Verdict{Body: text("replaced"), CloudData: &other}
	w.send(hello("ann", "bob", 1))
	if c := w.delivered[0]; string(c.Body) != string(text("replaced")) || c.CloudData != "other" {
		t.Errorf("delivered %s %s", c.Body, c.CloudData)
	}
	w.same("told", w.hooks.told, "[ann->bob unread 1 failed <nil>]")
	w.take()

	w.hooks.verdict = message.Verdict{Drop: true}
	w.send(hello("ann", "bob", 2))
	w.hooks.verdict = message.Verdict{Refuse: errcode.New(errcode.OpenIMForbidden)}
	_, err := w.Send(t.Context(), w.app, hello("ann", "bob", 3))
	w.mustFail("forbidden", err, errcode.OpenIMForbidden)
	w.hooks.verdict = message.Verdict{Body: []byte(`{}`)}
	_, err = w.Send(t.Context(), w.app, hello("ann", "bob", 4))
	w.mustFail("replaced by nonsense", err, errcode.OpenIMHook)
	w.same("delivered", w.take(), "[]")
	w.same("told nothing more", len(w.hooks.told), 1)

	m := hello("ann", "bob", 5)
	m.NoBefore, m.NoAfter = true, true
	w.send(m)
	w.same("asked", len(w.hooks.asked), 4)
	w.same("told", len(w.hooks.told), 1)
}

// failing is a store that cannot append.
type failing struct {
	message.Store
	err error
}

func (f failing) AppendMessages(context.Context, account.SDKAppID, []message.Append) ([]message.Appended, error) {
	return nil, f.err
}

func TestStoreErrors(t *testing.T) {
	for err, code := range map[error]errcode.Code{
		account.ErrBusy: errcode.Busy, context.DeadlineExceeded: errcode.StoreTimeout, errors.New("disk"): errcode.OpenIMInternal,
	} {
		w := newWorld(t)
		w.hooks.after = true
		s, newErr := message.New(message.Options{
			Store: failing{memstore.New(), err}, Accounts: imported{"ann", "bob"}, Hooks: w.hooks, Deliverer: w,
			Now: w.clock, Random: func() uint32 { return 1 },
		})
		if newErr != nil {
			t.Fatal(newErr)
		}
		_, got := s.Send(t.Context(), w.app, hello("ann", "bob", 1))
		w.mustFail(err.Error(), got, code)
		if len(w.hooks.told) != 1 || !strings.Contains(w.hooks.told[0], "unread -1 failed") {
			t.Errorf("told %v", w.hooks.told)
		}
	}
}

func TestKey(t *testing.T) {
	for _, bad := range []string{"", "1", "1_2", "1_2_3_4", "x_2_3", "01_2_3", "1_2_-3", "4294967296_1_1", "+1_2_3", "1_2_3 "} {
		if k, ok := message.ParseKey(bad); ok {
			t.Errorf("%q is taken for %v", bad, k)
		}
	}
	k := message.Key{Time: 1_700_000_000, Seq: 4294967295, Random: 1}
	if got, ok := message.ParseKey(k.String()); !ok || got != k {
		t.Errorf("%s is read as %v", k, got)
	}
}
