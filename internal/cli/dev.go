package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/usersig"
)

// devCmd is muster dev.
type devCmd struct {
	Dir       string `name:"dir" default:"muster-data" placeholder:"DIR" help:"Where the App's Key and the store are kept."`
	Listen    string `name:"listen" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the REST API."`
	OpsListen string `name:"ops-listen" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address of /metrics, /healthz and /readyz."`
	Once      bool   `name:"once" help:"Stop once the accounts are imported."`
}

// Run makes everything ready, shows it, and serves until ctx ends.
func (c *devCmd) Run(ctx context.Context, streams Streams) error {
	credentials, err := loadDevApp(c.Dir)
	if err != nil {
		return err
	}
	// Requests are logged only once the import is over, which has its own display.
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	settings := c.config(credentials.app())
	s, err := server.New(server.Options{
		Config:  settings,
		Logger:  slog.New(newLogHandler(streams.Err, settings.LogFormat, level)),
		Version: readVersion().Version,
	})
	if err != nil {
		return err
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	var welcomeErr error
	err = s.Run(serving, func() {
		printListening(streams.Out, s)
		welcomeErr = c.welcome(serving, streams, s, credentials)
		level.Set(slog.LevelInfo)
		if c.Once || welcomeErr != nil {
			cancel()
		}
	})
	if ctx.Err() != nil {
		welcomeErr = nil // Ctrl-C during the import is no failure
	}
	return withStoreHint(errors.Join(welcomeErr, err), settings.Store)
}

func (c *devCmd) config(a app.App) config.Config {
	settings := config.Default()
	settings.Listen, settings.OpsListen = c.Listen, c.OpsListen
	settings.Store = store.DSN{Backend: store.Pebble, Dir: filepath.Join(c.Dir, devStore)}
	settings.Apps = []app.App{a}
	settings.AllowedOrigins = []string{"*"} // pages are tried out from wherever they are
	return settings
}

// welcome imports the sample accounts and says what can be done now.
func (c *devCmd) welcome(ctx context.Context, streams Streams, s *server.Server, d devApp) error {
	base := "http://" + dialable(s.Addr())
	samples, err := sampleAccounts()
	if err != nil {
		return err
	}
	client, err := d.client(base)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	begin := time.Now()
	progress := newBar(streams.Err, "importing", int64(len(samples)), true)
	sum, err := importSamples(ctx, client, samples, progress.set)
	progress.stop()
	if err != nil {
		return fmt.Errorf("import the sample accounts: %w", err)
	}
	if err := sum.print(streams.Out, time.Since(begin)); err != nil || c.Once {
		return err
	}
	return printWelcome(streams.Out, s, d, filepath.Join(c.Dir, devFile))
}

// printWelcome says where everything is and gives a call to try.
func printWelcome(w io.Writer, s *server.Server, d devApp, file string) error {
	base := "http://" + dialable(s.Addr())
	call, err := curl(base, d, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `
App       %d, admin %s, edition %s, %d calls per second of each command
Key       in %s
REST API  %s
devices   %s%s
metrics   http://%s/metrics, and /healthz, /readyz

Import three more accounts; paste this into another terminal:

%s

Ctrl-C stops the server. The accounts stay.
`, d.SDKAppID, d.Admin, app.Pro, app.DefaultRate, file, base, "ws"+strings.TrimPrefix(base, "http"), gateway.PathWebSocket, dialable(s.OpsAddr()), call)
	return err
}

// curlValidity is how long the UserSig in the call is good.
const curlValidity = 7 * 24 * time.Hour

// curl returns a command for a shell that imports three accounts which are not there yet.
func curl(base string, d devApp, now time.Time) (string, error) {
	sig, err := usersig.Sign([]byte(d.Key), usersig.Claims{
		Identifier: d.Admin,
		SDKAppID:   uint64(d.SDKAppID),
		Time:       now.Unix(),
		Expire:     int64(curlValidity / time.Second),
	})
	if err != nil {
		return "", err
	}
	guest := "guest_" + strings.ToLower(rand.Text()[:6])
	return fmt.Sprintf(`curl -sS '%s/v4/im_open_login_svc/multiaccount_import?sdkappid=%d&identifier=%s&usersig=%s&random=%d&contenttype=json' \
  -d '{"Accounts":["%s_1","%s_2","%s_3"]}'`, base, d.SDKAppID, d.Admin, sig, now.Unix(), guest, guest, guest), nil
}

// dialable returns an address under which this machine reaches a server that listens on
// address.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
