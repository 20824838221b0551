package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store/pebblestore"
	"github.com/muster-im/muster/internal/wire"
)

// CeilingOptions says where the ceiling listens and writes.
type CeilingOptions struct {
	Listen string    // such as 127.0.0.1:0
	Dir    string    // of its database
	Out    io.Writer // gets one line with the bound address, as that of muster serve
}

// maxCeilingBody is how much of a body the ceiling reads; one with 100 names takes 4 KB
// at most.
const maxCeilingBody = 1 << 20

// ServeCeiling serves what Suite measures the service against, until ctx ends: a bare
// net/http handler that decodes an import as the service does, hands the names to a
// blind writer, and answers once they are durable. It checks no signature, name or
// repeat, looks nothing up, counts nothing and logs nothing.
func ServeCeiling(ctx context.Context, o CeilingOptions) (err error) {
	store, err := pebblestore.OpenBlind(o.Dir)
	if err != nil {
		return fmt.Errorf("bench: ceiling: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("bench: ceiling: %w", err)
	}
	server := &http.Server{Handler: newCeiling(store), ReadTimeout: time.Minute}
	stopped := make(chan error, 1)
	// Every handler must be through before the store closes, so this waits without end:
	// ReadTimeout bounds how long a handler may wait for its client.
	stop := context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	defer stop()
	if _, err := fmt.Fprintf(o.Out, "listening rest=%s\n", listener.Addr()); err != nil {
		return errors.Join(fmt.Errorf("bench: ceiling: %w", err), listener.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bench: ceiling: %w", err)
	}
	return <-stopped
}

// ceiling is the handler of ServeCeiling.
type ceiling struct {
	store   *pebblestore.Blind
	bodies  sync.Pool
	reply   []byte
	headers http.Header
}

func newCeiling(store *pebblestore.Blind) *ceiling {
	reply := wire.AppendReply(nil, wire.Envelope{}, wire.ImportReply{})
	return &ceiling{
		store:  store,
		bodies: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		reply:  reply,
		headers: http.Header{
			"Content-Type":   {"application/json"},
			"Content-Length": {strconv.Itoa(len(reply))},
		},
	}
}

func (c *ceiling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := c.bodies.Get().(*bytes.Buffer)
	defer c.bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(io.LimitReader(r.Body, maxCeilingBody)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := wire.DecodeMultiImport(body.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	names := make([]account.UserID, len(request.Entries))
	for i, e := range request.Entries {
		names[i] = e.UserID
	}
	if err := c.store.Write(names); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), c.headers)
	_, _ = w.Write(c.reply) // a client that went away cannot be told
}
