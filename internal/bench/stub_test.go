package bench_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/muster-im/muster/internal/bench"
)

// stubVariable makes the test binary play the muster binary.
const stubVariable = "MUSTER_BENCH_STUB"

func TestMain(m *testing.M) {
	if role := os.Getenv(stubVariable); role != "" {
		if err := stub(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "stub:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// stub plays a role: a muster that works, one that fails, or one that never listens.
func stub(role string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch role {
	case "fails":
		return errors.New("the store is locked")
	case "silent":
		fmt.Fprintln(os.Stdout, "nothing to see")
		<-ctx.Done()
		return nil
	}
	command := strings.Join(args[:min(2, len(args))], " ")
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	listen := flags.String("listen", "", "")
	flags.String("ops-listen", "", "")
	flags.String("app", "", "")
	store := flags.String("store", "", "")
	rest := args[min(2, len(args)):]
	if args[0] == "serve" {
		command, rest = "serve", args[1:]
	}
	if err := flags.Parse(rest); err != nil {
		return err
	}
	switch command {
	case "serve":
		return stubService(ctx, *listen, strings.TrimPrefix(*store, "pebble:"), role)
	case "bench ceiling":
		return bench.ServeCeiling(ctx, bench.CeilingOptions{Listen: *listen, Dir: *store, Out: os.Stdout})
	case "bench compact":
		return os.WriteFile(filepath.Join(*store, "data"), []byte("small"), 0o600)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// stubReady says at first that the index is loading, and then that it is complete.
func stubReady() http.HandlerFunc {
	var asked atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		state := "complete"
		if asked.Add(1) == 1 {
			state = "loading"
		}
		fmt.Fprintf(w, `{"ready":true,"name_index":%q}`, state)
	}
}

// stubService serves the API and leaves a file when it stops, as a store would. It
// counts on the driver to send every name of a store only once, the re-import excepted.
func stubService(ctx context.Context, listen, dir, role string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	api := &service{imported: map[string]int{}}
	if role == "forgetful" {
		api.refuse = func(_ int, w http.ResponseWriter) bool {
			clear(api.imported)
			return false
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("GET /readyz", stubReady())
	server := &http.Server{Handler: mux}
	stopped := context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	defer stopped()
	fmt.Fprintln(os.Stdout, "time=now level=INFO msg=starting")
	fmt.Fprintf(os.Stdout, "listening rest=%[1]s ops=%[1]s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "data"), make([]byte, 300_000), 0o600)
}
