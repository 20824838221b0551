package webhook_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

// rawReceiver answers one request with OK and passes on its bytes, as they came.
func rawReceiver(t *testing.T) (addr string, requests <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	raw := make(chan string, 1)
	go func() {
		defer close(raw)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var bytes bytes.Buffer
		r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &bytes)))
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(ok), ok)
		raw <- bytes.String()
	}()
	return listener.Addr().String(), raw
}

// TestRequest compares each event with the exact bytes of its request.
func TestRequest(t *testing.T) {
	const userInfo = "Authorization: Basic dTpw\r\n"
	for name, test := range map[string]struct {
		event webhook.StateChange
		url   string // with HOST for the receiver's
		token app.Key
		line  string
		more  string // header lines
		body  string
	}{
		"login": {
			event: webhook.StateChange{
				UserID: "u", Action: webhook.Login, Reason: webhook.Register,
				OptPlatform: "Web", ClientIP: "192.0.2.1",
			},
			url:  "http://HOST/hook",
			line: "/hook?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=192.0.2.1&OptPlatform=Web",
			body: `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Login","To_Account":"u","Reason":"Register"}}`,
		},
		"login that puts devices out": {
			event: webhook.StateChange{
				UserID: "u", Action: webhook.Login, Reason: webhook.Register,
				OptPlatform: "iPhone", ClientIP: "2001:db8::1",
				Kicked: []string{"PC", "iPhone", "Mac", "Android", "iPad", "Linux", "Web"},
			},
			url:  "http://HOST",
			line: "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=2001%3Adb8%3A%3A1&OptPlatform=IOS",
			body: `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Login","To_Account":"u","Reason":"Register"},` +
				`"KickedDevice":[{"Platform":"Windows"},{"Platform":"iOS"},{"Platform":"Mac"},{"Platform":"Android"},{"Platform":"iPad"},{"Platform":"Linux"},{"Platform":"Web"}]}`,
		},
		"logout": {
			event: webhook.StateChange{UserID: "u", Action: webhook.Logout, Reason: webhook.Unregister, OptPlatform: "PC", CustomStatus: "ignored"},
			url:   "http://HOST/",
			line:  "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=&OptPlatform=Windows",
			body:  `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Logout","To_Account":"u","Reason":"Unregister"}}`,
		},
		"kick": {
			event: webhook.StateChange{UserID: `<&"'\>`, Action: webhook.Logout, Reason: webhook.OpenKickInstance, OptPlatform: webhook.RESTAPI, ClientIP: "192.0.2.9"},
			url:   "http://HOST/",
			line:  "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=192.0.2.9&OptPlatform=RESTAPI",
			body:  `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Logout","To_Account":"<&\"'\\>","Reason":"OpenKickInstance"}}`,
		},
		"closed link, URL with a query, a fragment and a password": {
			event: webhook.StateChange{UserID: "u", Action: webhook.Disconnect, Reason: webhook.LinkClose, OptPlatform: "Mac", ClientIP: "a&b=c"},
			url:   "http://u:p@HOST/a%2fb?key=a%20b&x#part",
			line:  "/a%2fb?key=a%20b&x&SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=a%26b%3Dc&OptPlatform=macOS",
			more:  userInfo,
			body:  `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Disconnect","To_Account":"u","Reason":"LinkClose"}}`,
		},
		"time-out, signed": {
			event: webhook.StateChange{UserID: "u", Action: webhook.Disconnect, Reason: webhook.TimeOut},
			url:   "http://HOST/?",
			token: "xxxyyy",
			line: "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=&OptPlatform=Unknown" +
				fmt.Sprintf("&RequestTime=1669872112&Sign=%x", sha256.Sum256([]byte("xxxyyy1669872112"))),
			body: `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"Disconnect","To_Account":"u","Reason":"TimeOut"}}`,
		},
		"custom status": {
			event: webhook.StateChange{UserID: "u", Action: webhook.CustomStatusChange, Reason: webhook.SetCustomStatus, OptPlatform: "Android", CustomStatus: "büßy"},
			url:   "http://HOST/",
			line:  "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=&OptPlatform=Android",
			body:  `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"CustomStatusChange","To_Account":"u","Reason":"SetCustomStatus","CustomStatus":"büßy"}}`,
		},
		"custom status cleared": {
			event: webhook.StateChange{UserID: "u", Action: webhook.CustomStatusChange, Reason: webhook.SetCustomStatus, OptPlatform: "Linux"},
			url:   "http://HOST/",
			line:  "/?SdkAppid=1400000001&CallbackCommand=State.StateChange&contenttype=json&ClientIP=&OptPlatform=Linux",
			body:  `{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{"Action":"CustomStatusChange","To_Account":"u","Reason":"SetCustomStatus","CustomStatus":""}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, requests := rawReceiver(t)
			a := hooked(firstApp, strings.Replace(test.url, "HOST", addr, 1))
			a.Webhook.Token = test.token
			w := newWorld(t, func(o *webhook.Options) {
				o.Now = func() time.Time { return time.Unix(1669872112, 0) }
			}, a)
			event := test.event
			event.SDKAppID, event.At = firstApp, at
			w.StateChanged(event)
			want := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: muster\r\nContent-Length: %d\r\n%sContent-Type: application/json\r\n\r\n%s",
				test.line, addr, len(test.body), test.more, test.body)
			if diff := cmp.Diff(want, <-requests); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			w.finish()
			w.results(map[string]float64{"delivered": 1})
		})
	}
}

// An event without a time happened when it was reported.
func TestEventTimeIsNow(t *testing.T) {
	addr, requests := rawReceiver(t)
	w := newWorld(t, func(o *webhook.Options) {
		o.Now = func() time.Time { return time.UnixMilli(1669872112345) }
	}, hooked(firstApp, "http://"+addr))
	w.StateChanged(webhook.StateChange{SDKAppID: firstApp, UserID: "u", Action: webhook.Login, Reason: webhook.Register})
	if got := <-requests; !strings.Contains(got, `"EventTime":1669872112345,`) {
		t.Errorf("request: %s", got)
	}
	w.finish()
}
