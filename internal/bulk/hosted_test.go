package bulk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
)

// hosted is the hosted service as its documentation describes it: no extension of Muster's, so
// many calls a second, and now and then one that fails.
type hosted struct {
	rate float64 // calls per second
	now  func() time.Time

	mu       sync.Mutex
	tokens   float64
	filled   time.Time
	calls    int // all that came
	refused  int // for the rate
	failed   map[string]int
	accounts map[string]bool
	created  int
}

// burst is how many calls may come at once: those of a tenth of a second.
func (h *hosted) burst() float64 { return h.rate / 10 }

// take takes a call's token from the bucket.
func (h *hosted) take() bool {
	now := h.now()
	if !h.filled.IsZero() {
		h.tokens += now.Sub(h.filled).Seconds() * h.rate
	} else {
		h.tokens = h.burst()
	}
	h.filled = now
	h.tokens = min(h.tokens, h.burst())
	if h.tokens < 1 {
		h.refused++
		return false
	}
	h.tokens--
	return true
}

// fails says how a call fails, "" if it does not. One in fifty does.
func (h *hosted) fails() string {
	h.calls++
	if h.calls%50 != 0 {
		return ""
	}
	how := []string{"60008", "before", "70500", "after"}[h.calls/50%4]
	h.failed[how]++
	return how
}

func (h *hosted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.take() {
		answer(w, 60007, "slow down", "")
		return
	}
	how := h.fails()
	switch how {
	case "60008", "70500":
		code := 60008
		if how == "70500" {
			code = 70500
		}
		answer(w, code, "out of order", "")
		return
	case "before":
		hangUp(w)
		return
	}
	reply := h.do(r)
	if how == "after" {
		hangUp(w)
		return
	}
	reply(w)
}

// do carries out a command.
func (h *hosted) do(r *http.Request) (reply func(http.ResponseWriter)) {
	refuse := func(code int, info string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { answer(w, code, info, "") }
	}
	command := strings.TrimPrefix(r.URL.Path, "/v4/im_open_login_svc/")
	if command != "account_import" && command != "multiaccount_import" {
		return refuse(60009, "no such command")
	}
	var body struct {
		UserID      string
		Accounts    []string
		AccountList []struct{ UserID, Nick string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return refuse(60003, err.Error())
	}
	names := body.Accounts
	for _, a := range body.AccountList {
		names = append(names, a.UserID)
	}
	if command == "account_import" {
		names = []string{body.UserID}
	}
	failed := []string{}
	for _, name := range names {
		if judgeName(name) != "" {
			failed = append(failed, name)
		} else {
			h.put(name)
		}
	}
	switch {
	case command == "multiaccount_import":
		list, _ := json.Marshal(failed)
		return func(w http.ResponseWriter) { answer(w, 0, "", `,"FailAccounts":`+string(list)) }
	case len(failed) > 0:
		return refuse(70402, judgeName(body.UserID))
	default:
		return refuse(0, "")
	}
}

func judgeName(name string) string {
	_, info := judge(imclient.Account{UserID: name})
	return info
}

func (h *hosted) put(name string) {
	if !h.accounts[name] {
		h.created++
	}
	h.accounts[name] = true
}

func answer(w http.ResponseWriter, code int, info, more string) {
	status := "OK"
	if code != 0 {
		status = "FAIL"
	}
	fmt.Fprintf(w, `{"ActionStatus":%q,"ErrorCode":%d,"ErrorInfo":%q%s}`, status, code, info, more)
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// TestHostedService imports through the hosted service's API as it is: at its rate, without
// what Muster adds to it, with one call in fifty failing. The rate is four times the real one,
// so that the test takes a quarter of the time.
func TestHostedService(t *testing.T) {
	t.Parallel() // it waits for its turn
	const rate, rows = 400, 12_000
	h := &hosted{rate: rate, now: time.Now, failed: make(map[string]int), accounts: make(map[string]bool)}
	server := httptest.NewServer(h)
	defer server.Close()
	client, err := imclient.New(imclient.Options{
		BaseURL: server.URL, SDKAppID: 1400000001, Key: imclient.Key(strings.Repeat("k", 64)), Admin: "administrator",
		Rate: rate, Attempts: 12,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()

	var text strings.Builder
	for i := range rows {
		if i%100 == 7 {
			fmt.Fprintf(&text, "%s_%d\n", badName, i)
		} else {
			fmt.Fprintf(&text, "user_%d\n", i)
		}
	}
	dir := t.TempDir()
	o := bulk.Options{
		Service: client, SDKAppID: 1400000001, Door: bulk.Stream, // which the hosted service does not have
		Checkpoint: filepath.Join(dir, "c"), Rejects: filepath.Join(dir, "r"),
	}
	begin := time.Now()
	sum, err := bulk.Import(t.Context(), newReader(t, text.String(), bulk.ReaderOptions{}), o)
	took := time.Since(begin)
	want := bulk.Counts{Imported: rows - rows/100, Rejected: rows / 100}
	if err != nil || sum.Counts != want || sum.Door != bulk.Calls {
		t.Fatalf("%+v, error %v; want %+v", sum, err, want)
	}
	m := modelOf(t, text.String(), bulk.ReaderOptions{})
	if diff := cmp.Diff(m.rejects, readRejects(t, o.Rejects)); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.created != rows-rows/100 || len(h.accounts) != h.created {
		t.Errorf("%d accounts, %d created", len(h.accounts), h.created)
	}
	if len(h.failed) != 4 {
		t.Errorf("calls failed so: %v", h.failed)
	}
	if least := time.Duration(float64(h.calls) / rate * float64(time.Second)); took < least*9/10 {
		t.Errorf("%d calls took %v, at the rate they take %v", h.calls, took, least)
	}
	t.Logf("%d calls in %v; failed %v; refused for the rate %d", h.calls, took, h.failed, h.refused)
}
