package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/server"
)

// post calls a command of openim and returns its answer.
func post(t *testing.T, s *server.Server, command, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/v4/openim/"+command+"?"+query(t), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func sendTo(to, text string, random int) string {
	return fmt.Sprintf(`{"To_Account":%q,"MsgRandom":%d,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":%q}}]}`, to, random, text)
}

// missedBy returns the texts that a device gets when it asks for all it has missed.
func missedBy(t *testing.T, s *server.Server, id string) []string {
	t.Helper()
	d := mustLogin(t, s, phone(t, id))
	raw, err := d.RPC(t.Context(), "sync", map[string]int{"After": 0})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Messages []struct {
			MsgBody []struct{ MsgContent struct{ Text string } }
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range answer.Messages {
		texts = append(texts, m.MsgBody[0].MsgContent.Text)
	}
	d.Close()
	return texts
}

// TestMessageToWhoNeverLoggedIn is why accounts are imported; over a restart, and until the
// account is deleted.
func TestMessageToWhoNeverLoggedIn(t *testing.T) {
	dsn := onDisk(t.TempDir())
	first := start(t, settings(dsn))
	c := newClient(t, first)
	tinyIDs(t, c, 2)
	if answer := post(t, first, "sendmsg", sendTo("user_000", "welcome", 1)); !strings.Contains(answer, `"ErrorCode":0`) {
		t.Fatal(answer)
	}
	stop(t, first)
	second := start(t, settings(dsn))
	if got := fmt.Sprint(missedBy(t, second, "user_000")); got != "[welcome]" {
		t.Errorf("user_000 has missed %s", got)
	}
	c = newClient(t, second)
	if _, err := c.AccountDelete(t.Context(), []string{"user_000"}); err != nil {
		t.Fatal(err)
	}
	if answer := post(t, second, "sendmsg", sendTo("user_000", "gone", 2)); !strings.Contains(answer, `"ErrorCode":90012`) {
		t.Error(answer)
	}
	tinyIDs(t, c, 2)
	if got := missedBy(t, second, "user_000"); got != nil {
		t.Errorf("the account that came back has %v", got)
	}
}

// TestMessageWebhooks has an App's backend judge messages and be told of them.
func TestMessageWebhooks(t *testing.T) {
	var mu sync.Mutex
	verdict := `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`
	after := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Query().Get("CallbackCommand") {
		case "C2C.CallbackBeforeSendMsg":
			mu.Lock()
			defer mu.Unlock()
			_, _ = io.WriteString(w, verdict)
		case "C2C.CallbackAfterSendMsg":
			after <- string(body)
			_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`)
		}
	}))
	defer backend.Close()
	c := settings(inMemory())
	c.Apps[0].Webhook = app.Webhook{URL: backend.URL, NoState: true, BeforeSend: true, AfterSend: true}
	s := start(t, c)
	tinyIDs(t, newClient(t, s), 1)
	for i, tt := range []struct{ verdict, want string }{
		{`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`, `"ErrorCode":0`},
		{`{"ActionStatus":"OK","ErrorCode":1,"ErrorInfo":""}`, `"ErrorCode":20006`},
		{`{"ActionStatus":"OK","ErrorCode":2,"ErrorInfo":""}`, `"ErrorCode":0`},
		{`{"ActionStatus":"OK","ErrorCode":120007,"ErrorInfo":"not after ten"}`, `"ErrorInfo":"not after ten","ErrorCode":120007`},
		{`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"***"}}]}`, `"ErrorCode":0`},
	} {
		mu.Lock()
		verdict = tt.verdict
		mu.Unlock()
		answer := post(t, s, "sendmsg", sendTo("user_000", fmt.Sprint("text ", i), i))
		var got, want map[string]any
		_ = json.Unmarshal([]byte(answer), &got)
		_ = json.Unmarshal([]byte("{"+tt.want+"}"), &want)
		for field := range want {
			if got[field] != want[field] {
				t.Errorf("%s: %s", tt.verdict, answer)
			}
		}
	}
	for range 2 {
		select {
		case body := <-after:
			if !strings.Contains(body, `"SendMsgResult":0`) {
				t.Error(body)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the backend was not told")
		}
	}
	if got := fmt.Sprint(missedBy(t, s, "user_000")); got != "[text 0 ***]" {
		t.Errorf("user_000 got %s", got)
	}
}
