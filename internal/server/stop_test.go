package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/internal/store/backend"
)

// A stop under load must answer every call that was let in: a client sees whole answers
// and then a closed door, never half an answer or an error of the server. What was
// acknowledged must be there after a restart.
func TestStopUnderLoad(t *testing.T) {
	dsn := onDisk(t.TempDir())
	s := start(t, settings(dsn))
	const clients = 16
	var acknowledged sync.Map
	var calls atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for i := range clients {
		c := newClient(t, s)
		wg.Go(func() {
			for n := 0; ; n++ {
				names := []string{fmt.Sprintf("u%d_%d_a", i, n), fmt.Sprintf("u%d_%d_b", i, n)}
				_, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names})
				if err != nil {
					checkGone(t, err)
					return
				}
				acknowledged.Store(names[0], true)
				acknowledged.Store(names[1], true)
				if calls.Add(1) == 50*clients {
					close(enough)
				}
			}
		})
	}
	<-enough
	stop(t, s)
	wg.Wait()

	c := newClient(t, start(t, settings(dsn)))
	var names []string
	acknowledged.Range(func(name, _ any) bool { names = append(names, name.(string)); return true })
	for len(names) > 0 {
		n := min(len(names), account.MaxBatch)
		if got := imported(t, c, names[:n]...); strings.Contains(got, "false") {
			t.Fatal("an acknowledged account is gone")
		}
		names = names[n:]
	}
}

// checkGone fails the test unless err is what a client gets whose server is gone: no
// answer at all.
func checkGone(t *testing.T, err error) {
	t.Helper()
	if refused, ok := errors.AsType[*imclient.Error](err); ok {
		t.Errorf("refused: %v", refused)
	}
	if broken, ok := errors.AsType[*imclient.ReplyError](err); ok {
		t.Errorf("not an answer: %v", broken)
	}
	if strings.Contains(err.Error(), "read the reply") {
		t.Errorf("half an answer: %v", err)
	}
}

// slowCall begins a call whose body it sends only when told to. It returns once the
// server waits for the body, and its result is what the server answers in the end.
func slowCall(t *testing.T, s *server.Server) (send func(), result <-chan string) {
	t.Helper()
	body, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+s.Addr()+"/v4/im_open_login_svc/account_import?"+query(t), body)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 1)
	go func() {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		resp, err := transport.RoundTrip(req)
		if err != nil {
			out <- "error: " + err.Error()
			return
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		out <- fmt.Sprint(string(answer), err, resp.Header["Connection"], resp.Close)
	}()
	if _, err := io.WriteString(w, `{"UserID":`); err != nil {
		t.Fatal(err)
	}
	awaitMetric(t, s, "\nmuster_requests_in_flight 1\n")
	return func() {
		_, _ = io.WriteString(w, `"anna"}`)
		_ = w.Close()
	}, out
}

// awaitMetric waits until /metrics has a line.
func awaitMetric(t *testing.T, s *server.Server, line string) {
	t.Helper()
	eventually(t, line, func() bool {
		_, metrics := get(t, "http://"+s.OpsAddr()+"/metrics")
		return strings.Contains(metrics, line)
	})
}

// eventually waits for something that a real socket brings about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %q", what)
		}
	}
}

// While a call is under way a stopping server must say that it is not ready, take no
// new connection, and then answer the call.
func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	s := start(t, settings(inMemory()))
	send, result := slowCall(t, s)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.WithoutCancel(t.Context())) }()
	eventually(t, "not ready", func() bool { return ready(t, s)["server"] == "stopping" })
	eventually(t, "door closed", func() bool {
		_, err := newClient(t, s).AccountCheck(t.Context(), []string{"anna"})
		return err != nil
	})
	send()
	if got := <-result; !strings.Contains(got, `"ActionStatus":"OK"`) || !strings.Contains(got, "<nil>") {
		t.Errorf("the call got %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A call that takes longer than the shutdown time-out must not keep the server.
func TestStopGivesUp(t *testing.T) {
	c := settings(inMemory())
	c.ShutdownTimeout = 50 * time.Millisecond
	s := start(t, c)
	send, result := slowCall(t, s)
	err := s.Stop(context.WithoutCancel(t.Context()))
	if err == nil || !strings.Contains(err.Error(), "rest: requests were still under way after 50ms") {
		t.Errorf("Stop = %v", err)
	}
	send() // into a closed connection
	if got := <-result; !strings.HasPrefix(got, "error: ") {
		t.Errorf("the call got %s", got)
	}
}

// Run must serve until its context ends, and end without an error then.
func TestRun(t *testing.T) {
	s := newServer(t, settings(onDisk(t.TempDir())))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	serving := make(chan struct{})
	go func() { ended <- s.Run(ctx, func() { close(serving) }) }()
	<-serving
	c := newClient(t, s)
	tinyIDs(t, c, 10)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := c.AccountCheck(t.Context(), []string{"anna"}); err == nil {
		t.Error("it still answers")
	}
}

// A store that fails must end the server with its error, and show in /readyz meanwhile.
func TestStoreFailureEndsServer(t *testing.T) {
	s := newServer(t, settings(onDisk(t.TempDir())))
	broken := &backend.Fault{Err: fmt.Errorf("%w: no space left", account.ErrFailed)}
	err := s.Run(t.Context(), func() {
		s.FailStore(broken)
		s.FailStore(&backend.Fault{Err: errors.New("a later one")})
		if got := ready(t, s); got["ready"] != false || got["store"] != "failed: a later one" {
			t.Errorf("/readyz says %v", got)
		}
	})
	if fault, ok := errors.AsType[*backend.Fault](err); !ok || fault != broken {
		t.Errorf("Run = %v", err)
	}
}

// A failure that comes together with the end of the context must not be lost.
func TestStoreFailureWhileStopping(t *testing.T) {
	s := newServer(t, settings(onDisk(t.TempDir())))
	ctx, cancel := context.WithCancel(t.Context())
	broken := &backend.Fault{Err: account.ErrFailed}
	err := s.Run(ctx, func() { cancel(); s.FailStore(broken) })
	if !errors.Is(err, broken) {
		t.Errorf("Run = %v", err)
	}
}
