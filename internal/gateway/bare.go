package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/prometheus/client_golang/prometheus"
)

// Bare is centrifuge with nothing behind it: every connect command is accepted. It has the
// buffers of a Gateway, and is what a Gateway is measured against.
type Bare struct {
	node *centrifuge.Node
	door http.Handler
}

// NewBare returns a Bare that serves at once. Its owner calls Stop.
func NewBare() (*Bare, error) {
	return newBare(func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "anybody"}}, nil
	})
}

// NewBarePublisher is NewBare with one thing more: the channel that bears the UserID of the
// connect data has each connection as a subscriber, and Publish writes to it.
func NewBarePublisher() (*Bare, error) {
	return newBare(func(e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		var login struct{ UserID string }
		if err := json.Unmarshal(e.Data, &login); err != nil {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectBadRequest
		}
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: login.UserID},
			Subscriptions: map[string]centrifuge.SubscribeOptions{login.UserID: {}},
		}, nil
	})
}

// Publish sends data, which is JSON, to whoever is connected as a user. Only that of
// NewBarePublisher reaches anybody.
func (b *Bare) Publish(user string, data []byte) error {
	_, err := b.node.Publish(user, data)
	return err
}

func newBare(accept func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error)) (*Bare, error) {
	node, err := centrifuge.New(centrifuge.Config{
		Metrics: centrifuge.MetricsConfig{RegistererGatherer: prometheus.NewRegistry()},
	})
	if err != nil {
		return nil, fmt.Errorf("gateway: new bare: %w", err)
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return accept(e)
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
