package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

const (
	beforeSend = "C2C.CallbackBeforeSendMsg"
	afterSend  = "C2C.CallbackAfterSendMsg"
)

// chatty is an App that wants all callbacks.
func chatty(url string) app.App {
	a := hooked(firstApp, url)
	a.Webhook.BeforeSend, a.Webhook.AfterSend = true, true
	return a
}

func hello() webhook.Message {
	return webhook.Message{
		SDKAppID: firstApp, From: "jared", To: "jonh", Seq: 48374, Random: 2837546, Time: 1557481126,
		Body:        []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"<red> & \"packet\" ☃"}}]`),
		CloudData:   "your cloud custom data",
		OptPlatform: "iPhone", ClientIP: "192.0.2.1", At: at,
	}
}

const (
	helloHead = `"From_Account":"jared","To_Account":"jonh","MsgSeq":48374,"MsgRandom":2837546,"MsgTime":1557481126,"MsgKey":"48374_2837546_1557481126",`
	helloTail = `"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"<red> & \"packet\" ☃"}}],"CloudCustomData":"your cloud custom data","EventTime":1629883332497}`
)

// TestMessageRequest compares each callback of a message with the exact bytes of its request.
func TestMessageRequest(t *testing.T) {
	for name, test := range map[string]struct {
		send     func(w *world, m webhook.Message)
		change   func(*webhook.Message)
		command  string
		platform string
		body     string
	}{
		"before": {
			send:     func(w *world, m webhook.Message) { _, _ = w.Before(w.t.Context(), webhook.BeforeSend{Message: m}) },
			command:  beforeSend,
			platform: "iOS",
			body:     `"OnlineOnlyFlag":0,` + helloTail,
		},
		"before, online only, by the REST API": {
			send: func(w *world, m webhook.Message) { _, _ = w.Before(w.t.Context(), webhook.BeforeSend{Message: m}) },
			change: func(m *webhook.Message) {
				m.OnlineOnly, m.OptPlatform = true, webhook.RESTAPI
			},
			command:  beforeSend,
			platform: "RESTAPI",
			body:     `"OnlineOnlyFlag":1,` + helloTail,
		},
		"after": {
			send:     func(w *world, m webhook.Message) { w.AfterSent(webhook.AfterSend{Message: m, Unread: 7}) },
			change:   func(m *webhook.Message) { m.OptPlatform = "Mac" },
			command:  afterSend,
			platform: "macOS",
			body:     `"OnlineOnlyFlag":0,"SendMsgResult":0,"ErrorInfo":"send msg succeed","UnreadMsgNum":7,` + helloTail,
		},
		"after a failure": {
			send: func(w *world, m webhook.Message) {
				w.AfterSent(webhook.AfterSend{Message: m, Result: 91000, Info: "the service has a fault; retry", Unread: 7})
			},
			change:   func(m *webhook.Message) { m.OptPlatform = "PC" },
			command:  afterSend,
			platform: "Windows",
			body:     `"OnlineOnlyFlag":0,"SendMsgResult":91000,"ErrorInfo":"the service has a fault; retry","UnreadMsgNum":-1,` + helloTail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, requests := rawReceiver(t)
			w := newWorld(t, nil, chatty("http://"+addr+"/hook"))
			m := hello()
			if test.change != nil {
				test.change(&m)
			}
			test.send(w, m)
			body := `{"CallbackCommand":"` + test.command + `",` + helloHead + test.body
			want := fmt.Sprintf("POST /hook?SdkAppid=1400000001&CallbackCommand=%s&contenttype=json&ClientIP=192.0.2.1&OptPlatform=%s HTTP/1.1\r\n"+
				"Host: %s\r\nUser-Agent: muster\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%s",
				test.command, test.platform, addr, len(body), body)
			if diff := cmp.Diff(want, <-requests); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			w.finish()
			if got := w.value("muster_webhook_events_total delivered " + test.command); got != 1 {
				t.Errorf("%v events are delivered", got)
			}
			if got := w.value("muster_webhook_seconds " + test.command); got != 1 {
				t.Errorf("muster_webhook_seconds has %v samples", got)
			}
			w.results(map[string]float64{}) // no State.StateChange
		})
	}
}

// Each callback is sent only to an App that wants it.
func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		hook app.Webhook
		want string
	}{
		"by default":  {app.Webhook{}, "State.StateChange"},
		"nothing":     {app.Webhook{NoState: true}, ""},
		"before send": {app.Webhook{NoState: true, BeforeSend: true}, beforeSend},
		"after send":  {app.Webhook{NoState: true, AfterSend: true}, afterSend},
		"all":         {app.Webhook{BeforeSend: true, AfterSend: true}, beforeSend + " State.StateChange " + afterSend},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string // one worker, and Before is over before the others begin
			a := hooked(firstApp, "http://receiver")
			test.hook.URL = a.Webhook.URL
			a.Webhook = test.hook
			w := newWorld(t, func(o *webhook.Options) {
				o.Workers = 1
				o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					got = append(got, r.URL.Query().Get("CallbackCommand"))
					return respond(200, ok), nil
				})
			}, a)
			if v, err := w.Before(t.Context(), webhook.BeforeSend{Message: hello()}); err != nil || v.Code != webhook.Allow {
				t.Errorf("Before = %+v, %v", v, err)
			}
			w.report(firstApp, "jared", "1")
			w.AfterSent(webhook.AfterSend{Message: hello()})
			w.finish()
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("sent: %q, want %q", got, test.want)
			}
		})
	}
}

// What an App does not want any more when it would be sent is dropped, and that alone.
func TestUnwantedInQueue(t *testing.T) {
	v, came, release := newHeldReceiver(t, nil)
	w := newWorld(t, func(o *webhook.Options) { o.Workers = 1 }, chatty(v.URL))
	w.report(firstApp, "jared", "1")
	<-came
	w.AfterSent(webhook.AfterSend{Message: hello()})
	w.report(firstApp, "jared", "2")
	w.swap(hooked(firstApp, v.URL))
	release()
	w.finish()
	w.results(map[string]float64{"delivered": 2})
	if got := w.value("muster_webhook_events_total dropped " + afterSend); got != 1 || v.marks() != "1 2" {
		t.Errorf("%v AfterSends are dropped; came: %s", got, v.marks())
	}
}

// A flood of messages takes neither the room nor the order of what is told of an account, and
// its bytes are bounded.
func TestFloodOfMessages(t *testing.T) {
	const room, floods = 3, 50
	size := len(hello().Body) + len(hello().CloudData)
	for name, change := range map[string]func(*webhook.Options){
		"by number": func(o *webhook.Options) { o.QueueLen = room },
		"by bytes":  func(o *webhook.Options) { o.QueueBytes = room*size + size/2 },
	} {
		t.Run(name, func(t *testing.T) {
			v, came, release := newHeldReceiver(t, nil)
			w := newWorld(t, func(o *webhook.Options) { o.Workers = 1; change(o) }, chatty(v.URL))
			w.report(firstApp, "jared", "1")
			<-came
			for range floods {
				w.AfterSent(webhook.AfterSend{Message: hello()})
			}
			w.report(firstApp, "jared", "2")
			release()
			w.settled(2)
			w.AfterSent(webhook.AfterSend{Message: hello()}) // there is room again
			w.finish()
			w.results(map[string]float64{"delivered": 2})
			if got := w.value("muster_webhook_events_total dropped " + afterSend); got != floods-room {
				t.Errorf("%v AfterSends are dropped, want %v", got, floods-room)
			}
			if got := w.value("muster_webhook_events_total delivered " + afterSend); got != room+1 {
				t.Errorf("%v AfterSends are delivered, want %v", got, room+1)
			}
			if got, want := v.marks(), "1"+strings.Repeat(" ", room)+" 2 "; got != want {
				t.Errorf("came: %q, want %q", got, want)
			}
		})
	}
}

// When an App loses its URL, what waits is dropped, each under its command.
func TestForgottenMessages(t *testing.T) {
	v, came, release := newHeldReceiver(t, nil)
	w := newWorld(t, func(o *webhook.Options) { o.Workers = 1 }, chatty(v.URL))
	w.report(firstApp, "jared", "1")
	<-came
	for range 3 {
		w.report(firstApp, "jared", "x")
		w.AfterSent(webhook.AfterSend{Message: hello()})
	}
	w.swap()
	release()
	w.finish()
	w.results(map[string]float64{"delivered": 1, "dropped": 3})
	if got := w.value("muster_webhook_events_total dropped " + afterSend); got != 3 {
		t.Errorf("%v AfterSends are dropped", got)
	}
	if got := w.value("muster_webhook_queued"); got != 0 {
		t.Errorf("muster_webhook_queued is %v", got)
	}
}

// An event without a time happened when it was reported.
func TestMessageEventTimeIsNow(t *testing.T) {
	for name, send := range map[string]func(w *world, m webhook.Message){
		"before": func(w *world, m webhook.Message) {
			_, _ = w.Before(context.WithoutCancel(w.t.Context()), webhook.BeforeSend{Message: m})
		},
		"after": func(w *world, m webhook.Message) { w.AfterSent(webhook.AfterSend{Message: m}) },
	} {
		t.Run(name, func(t *testing.T) {
			addr, requests := rawReceiver(t)
			w := newWorld(t, func(o *webhook.Options) {
				o.Now = func() time.Time { return time.UnixMilli(1669872112345) }
			}, chatty("http://"+addr))
			m := hello()
			m.At = time.Time{}
			send(w, m)
			if got := <-requests; !strings.HasSuffix(got, `"EventTime":1669872112345}`) {
				t.Errorf("request: %s", got)
			}
			w.finish()
		})
	}
}
