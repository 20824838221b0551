package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/usersig"
)

func login(t *testing.T, s *server.Server, l device.Login) (*device.Device, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := device.Dial(ctx, "ws://"+s.Addr()+"/connection/websocket", l, device.Options{})
	if err == nil {
		t.Cleanup(d.Close)
	}
	return d, err
}

func mustLogin(t *testing.T, s *server.Server, l device.Login) *device.Device {
	t.Helper()
	d, err := login(t, s, l)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func phone(t *testing.T, id string) device.Login {
	t.Helper()
	return device.Login{SDKAppID: appID, UserID: id, UserSig: sign(t, id), Platform: "iPhone", InstanceID: "phone", PushCapable: true}
}

func mustEnd(t *testing.T, d *device.Device, code int) {
	t.Helper()
	select {
	case <-d.Closed():
	case <-time.After(10 * time.Second):
		t.Fatal("the device is still connected")
	}
	if out, ok := errors.AsType[*device.Disconnected](d.Err()); !ok || out.Code != code {
		t.Errorf("ended with %v, want %d", d.Err(), code)
	}
}

func status(t *testing.T, c *imclient.Client, id string) string {
	t.Helper()
	all, err := c.QueryOnlineStatus(t.Context(), []string{id}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Accounts) != 1 {
		t.Fatalf("no status: %v", all.Errors)
	}
	return all.Accounts[0].Status
}

// TestLoginKickRestart is the story of a device on a store that lasts.
func TestLoginKickRestart(t *testing.T) {
	dsn := onDisk(t.TempDir())
	first := start(t, settings(dsn))
	c := newClient(t, first)
	d := mustLogin(t, first, phone(t, "ann"))
	if got := status(t, c, "ann"); got != "Online" {
		t.Errorf("ann is %s", got)
	}
	old := phone(t, "bob")
	bob := mustLogin(t, first, old)
	if err := c.Kick(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, bob, 4501)
	stop(t, first)
	mustEnd(t, d, 3001)

	second := start(t, settings(dsn))
	c = newClient(t, second)
	if got := status(t, c, "ann"); got != "PushOnline" {
		t.Errorf("ann is %s after the restart", got)
	}
	if got := status(t, c, "bob"); got != "Offline" {
		t.Errorf("bob is %s after the restart", got)
	}
	if _, err := login(t, second, old); err == nil || !strings.Contains(err.Error(), "4500 70052") {
		t.Errorf("bob's old UserSig: %v", err)
	}
	mustLogin(t, second, phone(t, "bob"))
	if got := status(t, c, "bob"); got != "Online" {
		t.Errorf("bob is %s with a new UserSig", got)
	}
}

// accountReport is what the operator's API says of an account.
type accountReport struct {
	TinyID   string `json:"tiny_id"`
	Created  int64  `json:"created"`
	Status   string `json:"status"`
	Sessions []struct {
		Platform   string `json:"platform"`
		InstanceID string `json:"instance_id"`
		Address    string `json:"address"`
		Push       bool   `json:"push_capable"`
		Since      int64  `json:"since"`
	} `json:"sessions"`
	Push      []struct{} `json:"push"`
	ValidFrom int64      `json:"valid_from"`
}

func TestOpsAccount(t *testing.T) {
	s := start(t, settings(inMemory()))
	base := "http://" + s.OpsAddr() + "/ops/v1/apps/"
	mustLogin(t, s, phone(t, "ann"))
	if err := newClient(t, s).Kick(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	began := time.Now().Unix()
	mustLogin(t, s, phone(t, "ann"))
	code, body := get(t, base+"1400000001/accounts/ann")
	var r accountReport
	if err := json.Unmarshal([]byte(body), &r); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s: %v", code, body, err)
	}
	if r.TinyID == "" || r.TinyID == "0" || r.Created == 0 || r.Status != "Online" || r.ValidFrom == 0 || r.ValidFrom > began {
		t.Errorf("the report is %+v", r)
	}
	if len(r.Sessions) != 1 || r.Sessions[0].Platform != "iPhone" || r.Sessions[0].InstanceID != "phone" ||
		r.Sessions[0].Address != "127.0.0.1" || !r.Sessions[0].Push || r.Sessions[0].Since < began {
		t.Errorf("the sessions are %+v", r.Sessions)
	}
	for path, want := range map[string]int{
		"1400000001/accounts/nobody": http.StatusNotFound,
		"7/accounts/ann":             http.StatusNotFound,
		"x/accounts/ann":             http.StatusBadRequest,
		"1400000001/accounts/":       http.StatusNotFound,
	} {
		if code, body := get(t, base+path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	_, metrics := get(t, "http://"+s.OpsAddr()+"/metrics")
	for _, want := range []string{
		`muster_logins_total{code="0"} 2`,
		`muster_session_ends_total{cause="kick"} 1`,
		`muster_sessions{platform="iPhone"} 1`,
		"muster_login_seconds_count 2",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}

// TestWebhooks has an App's backend told of all that happens to a device.
func TestWebhooks(t *testing.T) {
	type event struct {
		Query string
		Body  string
	}
	events := make(chan event, 20)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		events <- event{q.Get("SdkAppid") + " " + q.Get("CallbackCommand") + " " + q.Get("OptPlatform") + " " + q.Get("ClientIP"), string(body)}
		_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`)
	}))
	defer backend.Close()
	c := settings(inMemory())
	c.Apps[0].Webhook = app.Webhook{URL: backend.URL}
	s := start(t, c)
	client := newClient(t, s)

	next := func(query, action string) {
		t.Helper()
		select {
		case e := <-events:
			if e.Query != query {
				t.Errorf("the query says %q, want %q", e.Query, query)
			}
			var body struct{ Info, KickedDevice json.RawMessage }
			if err := json.Unmarshal([]byte(e.Body), &body); err != nil {
				t.Fatalf("%s: %v", e.Body, err)
			}
			if diff := cmp.Diff(action, string(body.Info)+string(body.KickedDevice)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no event came")
		}
	}
	d := mustLogin(t, s, phone(t, "ann"))
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Login","To_Account":"ann","Reason":"Register"}`)
	if _, err := d.RPC(t.Context(), "set_status", map[string]string{"CustomStatus": "busy"}); err != nil {
		t.Fatal(err)
	}
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"CustomStatusChange","To_Account":"ann","Reason":"SetCustomStatus","CustomStatus":"busy"}`)
	other := phone(t, "ann")
	other.InstanceID = "other"
	d2 := mustLogin(t, s, other)
	mustEnd(t, d, 4502)
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Login","To_Account":"ann","Reason":"Register"}[{"Platform":"iOS"}]`)
	d2.Close()
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Disconnect","To_Account":"ann","Reason":"LinkClose"}`)
	d3 := mustLogin(t, s, other)
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Login","To_Account":"ann","Reason":"Register"}`)
	if _, err := d3.RPC(t.Context(), "logout", struct{}{}); err != nil {
		t.Fatal(err)
	}
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Logout","To_Account":"ann","Reason":"Unregister"}`)
	mustLogin(t, s, other)
	next("1400000001 State.StateChange IOS 127.0.0.1", `{"Action":"Login","To_Account":"ann","Reason":"Register"}`)
	if err := client.Kick(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	next("1400000001 State.StateChange RESTAPI ", `{"Action":"Logout","To_Account":"ann","Reason":"OpenKickInstance"}`)
}

// TestDeadWebhook has a receiver that never answers: nobody waits for it.
func TestDeadWebhook(t *testing.T) {
	release := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer backend.Close()
	defer close(release)
	c := settings(inMemory())
	c.ShutdownTimeout = 0
	c.Apps[0].Webhook = app.Webhook{URL: backend.URL}
	s := newServer(t, c)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 50 {
		mustLogin(t, s, phone(t, "ann"))
	}
	if took := time.Since(begin); took > app.WebhookTimeout*10 {
		t.Errorf("50 logins took %v: they waited for the receiver", took)
	}
	if err := s.Stop(context.WithoutCancel(t.Context())); err == nil || !strings.Contains(err.Error(), "abandoned") {
		t.Errorf("the stop says %v, and not how many events were abandoned", err)
	}
}

// TestKeyTakenAway ends sessions whose UserSig nobody would accept any more.
func TestKeyTakenAway(t *testing.T) {
	s := start(t, settings(inMemory()))
	mine := phone(t, "ann")
	d := mustLogin(t, s, mine)
	changed := testApp()
	changed.Rate = 100
	if err := s.SetApps(t.Context(), []app.App{changed}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RPC(t.Context(), "set_status", map[string]string{"CustomStatus": "here"}); err != nil {
		t.Errorf("a session ended because of the App's rate: %v", err)
	}
	const newKey = "fedcba9876543210fedcba9876543210"
	changed.Keys = []app.Key{newKey}
	if err := s.SetApps(t.Context(), []app.App{changed}); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, d, 4001)
	if _, err := login(t, s, mine); err == nil || !strings.Contains(err.Error(), "4500 70009") {
		t.Errorf("with the old Key: %v", err)
	}
	sig, err := usersig.Sign([]byte(newKey), usersig.Claims{Identifier: "ann", SDKAppID: appID, Time: time.Now().Unix(), Expire: 3600})
	if err != nil {
		t.Fatal(err)
	}
	mine.UserSig = sig
	mustLogin(t, s, mine)
}
