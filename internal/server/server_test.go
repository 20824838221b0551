package server_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
)

// The account commands must work from one end to the other, on both stores.
func TestCommands(t *testing.T) {
	for _, dsn := range []store.DSN{inMemory(), onDisk(t.TempDir())} {
		t.Run(dsn.Backend, func(t *testing.T) {
			c := newClient(t, start(t, settings(dsn)))
			reply, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: []string{"anna", "not a name", "bert"}})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"not a name"}, reply.FailAccounts); d != "" {
				t.Error(d)
			}
			if got := imported(t, c, "anna", "bert", "carl", admin); got != "true true false true" {
				t.Errorf("imported: %s", got)
			}
			if err := c.Kick(t.Context(), "anna"); err != nil {
				t.Error(err)
			}
			deleted, err := c.AccountDelete(t.Context(), []string{"bert", admin})
			if err != nil || deleted[0].Code != 0 || deleted[1].Code == 0 {
				t.Errorf("deleted: %+v, %v", deleted, err)
			}
			if got := imported(t, c, "anna", "bert"); got != "true false" {
				t.Errorf("imported after delete: %s", got)
			}
		})
	}
}

func imported(t *testing.T, c *imclient.Client, names ...string) string {
	t.Helper()
	checked, err := c.AccountCheck(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(checked))
	for i, a := range checked {
		out[i] = fmt.Sprint(a.Imported)
	}
	return strings.Join(out, " ")
}

// A kick must end the credentials of the admin that is kicked, also remembered ones.
func TestKickedAdminNeedsNewUserSig(t *testing.T) {
	s := start(t, settings(inMemory()))
	c := newClient(t, s)
	if err := c.Kick(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	_, err := c.AccountCheck(t.Context(), []string{"anna"})
	if refused, ok := errors.AsType[*imclient.Error](err); !ok || refused.Code != 70052 {
		t.Fatalf("the old UserSig gives %v", err)
	}
	if _, err := c.AccountCheck(t.Context(), []string{"anna"}); err != nil {
		t.Errorf("a new UserSig gives %v", err)
	}
}

// TinyIDs must outlive the server.
func TestRestartKeepsTinyIDs(t *testing.T) {
	dsn := onDisk(t.TempDir())
	var first []string
	for round := range 3 {
		s := start(t, settings(dsn))
		got := tinyIDs(t, newClient(t, s), 100)
		if round == 0 {
			first = got
		}
		if d := cmp.Diff(first, got); d != "" {
			t.Fatalf("round %d: %s", round, d)
		}
		stop(t, s)
	}
}

// tinyIDs imports n accounts and returns their TinyIDs.
func tinyIDs(t *testing.T, c *imclient.Client, n int) []string {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user_%03d", i)
	}
	reply, err := c.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names, Detail: true})
	if err != nil || len(reply.Items) != n {
		t.Fatalf("%d items, %v", len(reply.Items), err)
	}
	ids := make([]string, n)
	for i, item := range reply.Items {
		ids[i] = item.TinyID
	}
	return ids
}

// The admins must be accounts beside the 100 of a trial App.
func TestAdminsDoNotCountToQuota(t *testing.T) {
	c := settings(inMemory())
	c.Apps[0].Edition = app.Trial
	client := newClient(t, start(t, c))
	tinyIDs(t, client, app.TrialQuota)
	err := client.AccountImport(t.Context(), imclient.Account{UserID: "one_more"})
	if refused, ok := errors.AsType[*imclient.Error](err); !ok || refused.Code != 70398 {
		t.Errorf("account 101 gives %v", err)
	}
}

// A new set of Apps must hold for the next request: new Keys, new admins, no old ones.
func TestSetApps(t *testing.T) {
	s := start(t, settings(inMemory()))
	c := newClient(t, s)
	if _, err := c.AccountCheck(t.Context(), []string{"anna"}); err != nil {
		t.Fatal(err)
	}
	rotated := testApp()
	rotated.Keys = []app.Key{"another-key-of-the-app"}
	rotated.Admins = append(rotated.Admins, "second_admin")
	if err := s.SetApps(t.Context(), []app.App{rotated, rotated}); err == nil {
		t.Error("two Apps of one SDKAppID are accepted")
	}
	if err := s.SetApps(t.Context(), []app.App{rotated}); err != nil {
		t.Fatal(err)
	}
	_, err := c.AccountCheck(t.Context(), []string{"anna"})
	if refused, ok := errors.AsType[*imclient.Error](err); !ok || refused.Code != 70009 {
		t.Errorf("the old Key gives %v", err)
	}
	renewed, err := imclient.New(imclient.Options{
		BaseURL: "http://" + s.Addr(), SDKAppID: appID, Key: "another-key-of-the-app", Admin: "second_admin", Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer renewed.CloseIdleConnections()
	if got := imported(t, renewed, "second_admin"); got != "true" {
		t.Errorf("the new admin is imported: %s", got)
	}
}

func TestNewRefusesSettings(t *testing.T) {
	c := settings(inMemory())
	c.Listen, c.SigCache, c.Apps = "nowhere", 0, []app.App{testApp(), testApp()}
	_, err := server.New(server.Options{Config: c, Logger: logger(t)})
	faults, ok := errors.AsType[config.Faults](err)
	if !ok || len(faults) != 3 {
		t.Errorf("error is %v", err)
	}
	if _, err := server.New(server.Options{Config: settings(inMemory())}); err == nil {
		t.Error("a server without a Logger is accepted")
	}
}

// A start that fails must leave nothing open, and say which setting is to blame.
func TestStartFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	start(t, settings(onDisk(dir)))

	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		want   string
		fault  bool // of the store
	}{
		{"listen", func(c *config.Config) { c.Listen = taken.Addr().String() }, "server: start: listen: ", false},
		{"ops-listen", func(c *config.Config) { c.OpsListen = taken.Addr().String() }, "server: start: ops-listen: ", false},
		{"certificate", func(c *config.Config) { c.TLSCert, c.TLSKey = "/none", "/none" }, "server: start: tls-cert, tls-key: ", false},
		{"store in use", func(c *config.Config) { c.Store = onDisk(dir) }, "in use by another process", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(inMemory())
			tt.change(&c)
			s := newServer(t, c)
			err := s.Start(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v", err)
			}
			if _, ok := errors.AsType[*backend.Fault](err); ok != tt.fault {
				t.Errorf("is a fault of the store: %t, %v", ok, err)
			}
			stop(t, s) // has nothing to do
		})
	}
}
