package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/message"
)

// item is a message as devices get it, or the event of one that was read.
type item struct {
	Event        string
	Reader, Peer string
	From         string `json:"From_Account"`
	To           string `json:"To_Account"`
	MsgKey       string
	MsgFlagBits  int
	MsgBody      json.RawMessage
	IsPeerRead   int
	Box          uint64
	Time         int64
}

// chatter is a device that keeps what it is sent.
type chatter struct {
	*device.Device
	w     *world
	items chan item
}

func (w *world) chatter(id, instance string) *chatter {
	w.t.Helper()
	c := &chatter{w: w, items: make(chan item, 10_000)}
	l := w.credentials(id)
	l.InstanceID, l.Platform = instance, "PC"
	if instance == "phone" {
		l.Platform = "iPhone"
	}
	var err error
	c.Device, err = w.dial(l, device.Options{OnPush: func(push json.RawMessage) {
		var p struct{ Pub struct{ Data item } }
		if json.Unmarshal(push, &p) == nil {
			c.items <- p.Pub.Data
		}
	}})
	w.must(err)
	w.t.Cleanup(c.Close)
	return c
}

func (c *chatter) next() item {
	c.w.t.Helper()
	select {
	case i := <-c.items:
		return i
	case <-time.After(10 * time.Second):
		c.w.t.Fatal("nothing came")
		return item{}
	}
}

// call calls and decodes the answer into out, which may be nil.
func (c *chatter) call(method string, data, out any) {
	c.w.t.Helper()
	raw, err := c.RPC(c.w.t.Context(), method, data)
	c.w.must(err)
	if out != nil {
		c.w.must(json.Unmarshal(raw, out))
	}
}

type m map[string]any

func hello(text string, random int) m {
	return m{"To_Account": "bob", "MsgRandom": random, "MsgBody": []m{{"MsgType": "TIMTextElem", "MsgContent": m{"Text": text}}}}
}

type sentAnswer struct{ MsgKey string }

type syncAnswer struct {
	Messages []item
	Last     uint64
}

func TestChat(t *testing.T) {
	w := newWorld(t, nil)
	ann, phone, bob := w.chatter("ann", "pc"), w.chatter("ann", "phone"), w.chatter("bob", "pc")
	var sent sentAnswer
	ann.call("sendC2C", hello("hi", 1), &sent)
	for _, c := range []*chatter{ann, phone, bob} {
		got := c.next()
		if got.MsgKey != sent.MsgKey || got.From != "ann" || got.To != "bob" || got.Box != 1 {
			t.Errorf("%s got %+v", c.InstanceID, got)
		}
	}
	var unread struct{ Unread int }
	bob.call("unread", m{"Peer_Account": "ann"}, &unread)
	if unread.Unread != 1 {
		t.Errorf("%d are unread", unread.Unread)
	}
	bob.call("read", m{"Peer_Account": "ann"}, nil)
	for _, c := range []*chatter{ann, phone, bob} {
		if got := c.next(); got.Event != "Read" || got.Reader != "bob" || got.Peer != "ann" || got.Time == 0 {
			t.Errorf("%s got %+v", c.InstanceID, got)
		}
	}
	var page struct {
		Messages []item
		Complete int
	}
	ann.call("history", m{"Peer_Account": "bob"}, &page)
	if len(page.Messages) != 1 || page.Messages[0].IsPeerRead != 1 || page.Complete != 1 {
		t.Errorf("the history is %+v", page)
	}
	ann.call("recall", m{"To_Account": "bob", "MsgKey": sent.MsgKey}, nil)
	for _, c := range []*chatter{ann, phone, bob} {
		if got := c.next(); got.MsgKey != sent.MsgKey || got.MsgFlagBits != 8 || got.Box != 2 {
			t.Errorf("%s got %+v", c.InstanceID, got)
		}
	}
}

// TestMissed has a device be away, come back and get what it missed, in order, once.
func TestMissed(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.chatter("ann", "pc")
	bob := w.chatter("bob", "phone")
	ann.call("sendC2C", hello("1", 1), nil)
	first := bob.next()
	bob.call("ack", m{"Box": first.Box}, nil)
	bob.Close()
	for i := range 250 {
		ann.call("sendC2C", hello("more", 10+i), nil)
	}
	bob = w.chatter("bob", "phone")
	at := uint64(0)
	for page := 0; ; page++ {
		ask := m{"Limit": 100}
		if page > 0 {
			ask["After"] = at
		}
		var s syncAnswer
		bob.call("sync", ask, &s)
		for _, i := range s.Messages {
			if at != 0 && i.Box != at+1 || at == 0 && i.Box != 2 {
				t.Fatalf("%d follows %d", i.Box, at)
			}
			at = i.Box
		}
		if at == s.Last {
			break
		}
	}
	if at != 251 {
		t.Errorf("the last one is %d", at)
	}
	ann.call("sendC2C", hello("live", 1000), nil)
	if got := bob.next(); got.Box != 252 {
		t.Errorf("the live one is %d", got.Box)
	}
}

// TestInOrder has many send to one at the same time: its device sees the numbers in order.
func TestInOrder(t *testing.T) {
	w := newWorld(t, nil)
	bob := w.chatter("bob", "pc")
	var wg sync.WaitGroup
	const senders, each = 8, 50
	for i := range senders {
		c := w.chatter(fmt.Sprint("s", i), "pc")
		wg.Go(func() {
			for n := range each {
				if _, err := c.RPC(t.Context(), "sendC2C", hello("x", n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for n := range uint64(senders * each) {
		if got := bob.next(); got.Box != n+1 {
			t.Fatalf("%d came after %d", got.Box, n)
		}
	}
}

func TestChatRefused(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.chatter("ann", "pc")
	for _, tt := range []struct {
		method string
		data   any
		code   int
	}{
		{"sendC2C", hello("to nobody", 1), 90012},
		{"sendC2C", m{"To_Account": "ann", "MsgRandom": 1, "MsgBody": []m{{"MsgType": "TIMDance"}}}, 90010},
		{"sendC2C", m{"To_Account": "ann", "MsgRandom": 1, "MsgBody": []m{}}, 90002},
		{"sync", m{"After": "x"}, 70402},
		{"sync", m{"After": -1}, 70402},
		{"history", m{"Peer_Account": "nobody"}, 90048},
		{"recall", m{"To_Account": "ann", "MsgKey": "x"}, 90054},
		{"recall", m{"To_Account": "ann", "MsgKey": "1_2_3"}, 20016},
	} {
		_, err := ann.RPC(t.Context(), tt.method, tt.data)
		if failed, _ := errors.AsType[*device.Failed](err); failed == nil || failed.Code != tt.code {
			t.Errorf("%s %v: %v, want %d", tt.method, tt.data, err, tt.code)
		}
	}
}

// TestAppsDoNotMix has a message to the namesake in another App reach
// nobody here.
func TestAppsDoNotMix(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.chatter("ann", "pc")
	w.Deliver(trialApp, &message.Copy{Message: message.Message{From: "bob", To: "ann", Body: []byte("[]")}, Owner: "ann", Box: 1})
	_, err := w.messages.Send(t.Context(), mustFind(w, thisApp), message.Send{
		From: "ann", To: "ann", Random: 1, Body: []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"to myself"}}]`), Life: time.Hour,
	})
	w.must(err)
	if got := ann.next(); got.From != "ann" || got.Box != 1 {
		t.Errorf("ann got %+v", got)
	}
}

func mustFind(w *world, id account.SDKAppID) *app.App {
	a, _ := w.registry.Find(id)
	return a
}
