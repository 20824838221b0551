package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/usersig"
)

// TestMain looks for goroutines that are left. Those of centrifuge that give up a channel
// which has no subscriber any more take a second for it, also after the node has been stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge.(*Node).unsubscribeFromBrokerWhenEmpty.func1"))
}

const (
	appID = 1400000001
	key   = "0123456789abcdef0123456789abcdef"
	admin = "administrator"
)

func testApp() app.App {
	return app.App{SDKAppID: appID, Keys: []app.Key{key}, Admins: []account.UserID{admin}, Edition: app.Pro}
}

// settings returns those of a server on free ports, with one App without a rate.
func settings(dsn store.DSN) config.Config {
	c := config.Default()
	c.Listen, c.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	c.Store = dsn
	c.Apps = []app.App{testApp()}
	return c
}

func inMemory() store.DSN { return store.DSN{Backend: store.Memory} }

func onDisk(dir string) store.DSN { return store.DSN{Backend: store.Pebble, Dir: dir} }

func newServer(t *testing.T, c config.Config) *server.Server {
	t.Helper()
	s, err := server.New(server.Options{Config: c, Logger: logger(t), Version: "v0.0.0-test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// start returns a running server, which the test's end stops unless the test does.
func start(t *testing.T, c config.Config) *server.Server {
	t.Helper()
	s := newServer(t, c)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *server.Server) {
	t.Helper()
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// newClient returns a client of s that keeps connections of its own.
func newClient(t *testing.T, s *server.Server) *imclient.Client {
	t.Helper()
	c, err := imclient.New(imclient.Options{BaseURL: "http://" + s.Addr(), SDKAppID: appID, Key: key, Admin: admin, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// sign returns a UserSig that is good now.
func sign(t *testing.T, id string) string {
	t.Helper()
	sig, err := usersig.Sign([]byte(key), usersig.Claims{Identifier: id, SDKAppID: appID, Time: time.Now().Unix(), Expire: 3600})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// query is what follows the question mark in a command's URL.
func query(t *testing.T) string {
	t.Helper()
	return "sdkappid=1400000001&identifier=" + admin + "&usersig=" + sign(t, admin) + "&random=7&contenttype=json"
}

// get returns status and body of a GET.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// ready returns what /readyz says, and whether its status agrees.
func ready(t *testing.T, s *server.Server) map[string]any {
	t.Helper()
	status, body := get(t, "http://"+s.OpsAddr()+"/readyz")
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	if isReady := out["ready"] == true; isReady != (status == http.StatusOK) {
		t.Errorf("/readyz has status %d with %s", status, body)
	}
	return out
}
