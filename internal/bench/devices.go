package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/usersig"
)

// loginRun is one run of Login.
type loginRun struct {
	*suite
	o    LoginOptions
	ids  []string
	sigs []string
}

// loginTimeout bounds one login, and how long a kick may take to reach its device.
const loginTimeout = 30 * time.Second

// sign makes a UserSig for every account, once for all rounds.
func (m *loginRun) sign() error {
	m.ids = make([]string, m.o.Sessions)
	m.sigs = make([]string, m.o.Sessions)
	newNames(DefaultPrefix, 0).fill(m.ids, 0, nil)
	for i, id := range m.ids {
		sig, err := usersig.Sign([]byte(m.key), usersig.Claims{
			Identifier: id, SDKAppID: suiteApp, Time: now().Unix(), Expire: int64(24 * time.Hour / time.Second),
		})
		if err != nil {
			return fmt.Errorf("bench: login: %w", err)
		}
		m.sigs[i] = sig
	}
	return nil
}

// devices are logged in, but for those that are nil.
type devices []*device.Device

func (all devices) close() {
	var wg sync.WaitGroup
	for _, d := range all {
		if d != nil {
			wg.Go(d.Close)
		}
	}
	wg.Wait()
}

// broken counts the devices whose connection has ended.
func (all devices) broken() int {
	n := 0
	for _, d := range all {
		if d.Err() != nil {
			n++
		}
	}
	return n
}

// logIn logs in a device for every account and leaves all of them connected.
func (m *loginRun) logIn(ctx context.Context, c *child) (devices, Logins, error) {
	before, err := memoryOf(c.cmd.Process.Pid)
	if err != nil {
		return nil, Logins{}, err
	}
	all := make(devices, len(m.ids))
	latencies := newLatencies()
	begin := now()
	err = m.each(len(m.ids), func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, loginTimeout)
		defer cancel()
		start := now()
		d, err := device.Dial(ctx, "ws://"+c.addr+gateway.PathWebSocket, device.Login{
			SDKAppID: suiteApp, UserID: m.ids[i], UserSig: m.sigs[i], Platform: "Android", InstanceID: "bench",
		}, device.Options{BufferSize: 512})
		if err != nil {
			return fmt.Errorf("bench: login of %s: %w", m.ids[i], err)
		}
		latencies.add(now().Sub(start))
		all[i] = d
		return nil
	})
	l := Logins{Sessions: len(all), Duration: now().Sub(begin), Latency: latencies.summary(), MemoryAtStart: before.RSS}
	if err != nil {
		return all, l, err
	}
	l.PerSecond = float64(len(all)) / l.Duration.Seconds()
	after, err := memoryOf(c.cmd.Process.Pid)
	l.ServerMemory = after.RSS
	l.PerSession = (after.RSS - before.RSS) / int64(len(all))
	return all, l, err
}

// each calls f for 0 to n-1, several at a time, and stops at the first error.
func (m *loginRun) each(n int, f func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range m.o.Concurrency {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return first
}

func (m *loginRun) client(c *child) (*imclient.Client, error) {
	return imclient.New(imclient.Options{
		BaseURL: "http://" + c.addr, SDKAppID: suiteApp, Key: m.key, Admin: suiteAdmin,
	})
}

// kick kicks accounts one after the other, and measures how long each device takes to know.
// The calls are answered once their second is over, which nobody waits for.
func (m *loginRun) kick(ctx context.Context, c *child, all devices) (Latency, error) {
	client, err := m.client(c)
	if err != nil {
		return Latency{}, err
	}
	defer client.CloseIdleConnections()
	latencies := newLatencies()
	calls := make(chan error, m.o.Kicks)
	for i := range m.o.Kicks {
		start := now()
		go func() { calls <- client.Kick(ctx, m.ids[i]) }()
		select {
		case <-all[i].Closed():
			latencies.add(now().Sub(start))
		case <-time.After(loginTimeout):
			return Latency{}, fmt.Errorf("bench: kick: the device of %s is still connected after %v", m.ids[i], loginTimeout)
		}
		if out, ok := errors.AsType[*device.Disconnected](all[i].Err()); !ok || out.Code != 4501 {
			return Latency{}, fmt.Errorf("bench: kick: the device of %s ended with %w", m.ids[i], all[i].Err())
		}
	}
	var failed error
	for range m.o.Kicks {
		failed = errors.Join(failed, <-calls)
	}
	return latencies.summary(), failed
}

// statusQuery is how many names one status query asks for.
const statusQuery = 500

// query asks for the status of many accounts, one call after the other.
func (m *loginRun) query(ctx context.Context, c *child) (Latency, error) {
	client, err := m.client(c)
	if err != nil {
		return Latency{}, err
	}
	defer client.CloseIdleConnections()
	latencies := newLatencies()
	n := min(statusQuery, len(m.ids))
	for i := range m.o.Queries {
		from := i * 37 % (len(m.ids) - n + 1)
		start := now()
		states, err := client.QueryOnlineStatus(ctx, m.ids[from:from+n], false)
		latencies.add(now().Sub(start))
		if err != nil {
			return Latency{}, fmt.Errorf("bench: status: %w", err)
		}
		for _, s := range states.Accounts {
			if s.Status != "Online" {
				return Latency{}, fmt.Errorf("bench: status: %s is %s and has a session", s.UserID, s.Status)
			}
		}
	}
	return latencies.summary(), nil
}

// latencies collects what several goroutines measure.
type latencies struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newLatencies() *latencies {
	return &latencies{h: hdrhistogram.New(1, longest.Microseconds(), significantDigits)}
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // which is in range
}

func (l *latencies) summary() Latency { return latencyOf(l.h) }

// serveUntil serves handler on a free port, whose address it writes, until ctx ends.
func serveUntil(ctx context.Context, handler http.Handler, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: serve: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing is worth waiting for
	defer stop()
	if _, err := fmt.Fprintf(out, "listening rest=%s\n", listener.Addr()); err != nil {
		return errors.Join(fmt.Errorf("bench: serve: %w", err), listener.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bench: serve: %w", err)
	}
	return nil
}
