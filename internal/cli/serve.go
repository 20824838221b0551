package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"

	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/server"
)

// serveCmd is muster serve.
type serveCmd struct {
	settings
}

// Help is shown by --help.
func (*serveCmd) Help() string {
	return `Every setting can also stand in the config file, under its name without the dashes, and in the environment;
flags win over the environment, and that over the file.

It prints one line once it listens, with the addresses really bound, and logs to standard error. SIGINT or SIGTERM
ends it: it answers what is under way and closes the store; a second signal ends it at once. SIGHUP makes it read the
Apps again.`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, streams Streams) error {
	loaded, err := config.Load(c.sources())
	if err != nil {
		return err
	}
	log := newLogger(streams.Err, &loaded.Config)
	if len(loaded.Config.Apps) == 0 {
		log.Warn("no App is configured, so every call will be refused with 70020; see --app")
	}
	s, err := server.New(server.Options{Config: loaded.Config, Logger: log, Version: readVersion().Version})
	if err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	var reloading sync.WaitGroup
	defer reloading.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = s.Run(ctx, func() {
		printListening(streams.Out, s)
		reloading.Go(func() {
			r := reloader{server: s, sources: c.sources(), running: loaded.Config, log: log}
			r.run(ctx, hangups)
		})
	})
	return withStoreHint(err, loaded.Config.Store)
}

// printListening prints the line that says that a server is ready.
func printListening(w io.Writer, s *server.Server) {
	line := fmt.Sprintf("listening rest=%s ops=%s", s.Addr(), s.OpsAddr())
	if s.TLS() {
		line += " scheme=https"
	}
	_, _ = fmt.Fprintln(w, line) // a server whose output nobody reads still serves
}

// reloader gives a running server its Apps anew.
type reloader struct {
	server  *server.Server
	sources config.Sources
	running config.Config
	log     *slog.Logger
}

// run reloads at each signal, until ctx ends.
func (r *reloader) run(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			r.reload(ctx)
		}
	}
}

// reload takes over the Apps if all settings are good; else everything stays as it is.
func (r *reloader) reload(ctx context.Context) {
	loaded, err := config.Load(r.sources)
	if err == nil {
		err = r.server.SetApps(ctx, loaded.Config.Apps)
	}
	if err != nil {
		r.log.ErrorContext(ctx, "the settings were not reloaded", slog.Any("error", err))
		return
	}
	before, after := r.running, loaded.Config
	before.Apps, after.Apps = nil, nil
	if !reflect.DeepEqual(before, after) {
		r.log.WarnContext(ctx, "settings other than the Apps have changed too; they need a restart")
	}
}
