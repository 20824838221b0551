package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/prometheus/client_golang/prometheus"
)

// Bare is centrifuge with nothing behind it: every connect command is accepted, as the same
// user. It has the buffers of a Gateway, and is what a Gateway is measured against.
type Bare struct {
	node *centrifuge.Node
	door http.Handler
}

// NewBare returns a Bare that serves at once. Its owner calls Stop.
func NewBare() (*Bare, error) {
	node, err := centrifuge.New(centrifuge.Config{
		Metrics: centrifuge.MetricsConfig{RegistererGatherer: prometheus.NewRegistry()},
	})
	if err != nil {
		return nil, fmt.Errorf("gateway: new bare: %w", err)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "anybody"}}, nil
	})
	if err := node.Run(); err != nil {
		return nil, fmt.Errorf("gateway: new bare: %w", err)
	}
	return &Bare{node: node, door: centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin:        func(*http.Request) bool { return true },
		ReadBufferSize:     readBuffer,
		UseWriteBufferPool: true,
		PingPongConfig:     centrifuge.PingPongConfig{PingInterval: 25 * time.Second, PongTimeout: 8 * time.Second},
	})}, nil
}

// ServeHTTP implements http.Handler.
func (b *Bare) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.door.ServeHTTP(w, r) }

// Stop closes all connections.
func (b *Bare) Stop(ctx context.Context) error { return b.node.Shutdown(ctx) }
