// Command muster is a self-hosted account service for instant messaging. See the README,
// or run muster --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/muster-im/muster/internal/cli"
)

func main() { os.Exit(run()) }

// run turns signals into the end of a context. Once the first has come they have their
// usual effect again, so that a second one ends the program at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
