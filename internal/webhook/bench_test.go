package webhook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/webhook"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func benchSender(b *testing.B, url string, queueLen int, transport http.RoundTripper) *webhook.Sender {
	b.Helper()
	registry, err := app.NewRegistry([]app.App{hooked(firstApp, url)})
	if err != nil {
		b.Fatal(err)
	}
	s, err := webhook.New(webhook.Options{
		Apps: registry.Find, Logger: discard(), Now: time.Now, QueueLen: queueLen, Timeout: time.Hour, Transport: transport,
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func loginsOf(n int) []webhook.StateChange {
	logins := make([]webhook.StateChange, n)
	for i := range logins {
		logins[i] = webhook.StateChange{
			SDKAppID: firstApp, UserID: account.UserID("user" + strconv.Itoa(i)), At: at,
			Action: webhook.Login, Reason: webhook.Register, OptPlatform: "Web", ClientIP: "192.0.2.1",
		}
	}
	return logins
}

// BenchmarkStateChanged is what reporting an event costs who reports it.
func BenchmarkStateChanged(b *testing.B) {
	hangs := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	for _, c := range []struct {
		name, url string
		queueLen  int
	}{
		{"no-url", "", 1},
		{"queued", "http://receiver", 1 << 30},
		{"full", "http://receiver", 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := benchSender(b, c.url, c.queueLen, hangs)
			logins := loginsOf(1024)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s.StateChanged(logins[n%len(logins)])
				n++
			}
			b.StopTimer()
			over, cancel := context.WithCancel(b.Context())
			cancel()
			_ = s.Stop(over)
		})
	}
}

// BenchmarkDelivered is the whole way of an event, through a receiver of net/http.
func BenchmarkDelivered(b *testing.B) {
	v := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(rw, ok)
	}))
	defer v.Close()
	s := benchSender(b, v.URL, 1<<30, nil)
	logins := loginsOf(1024)
	b.ReportAllocs()
	for n := range b.N {
		s.StateChanged(logins[n%len(logins)])
	}
	if err := s.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}
