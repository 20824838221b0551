package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/message"
)

// MaxMessages is how many messages a step of Messages may have.
const MaxMessages = 100_000_000

// What Messages drives with.
const (
	sendingConnections = 64     // of the closed loops
	sendingDevices     = 64     // of sendC2C
	openWorkers        = 512    // of the open loops
	absent             = 10_000 // accounts that are never connected
	openFor            = 10 * time.Second
)

// messageRun is one run of Messages.
type messageRun struct {
	*loginRun // whose ids are those of the accounts that connect
	o         MessageOptions
	all       []string // accounts: those that connect, and then those that do not

	random   atomic.Uint32 // the last MsgRandom, so that no message is the same as another
	arrivals atomic.Pointer[arrivals]
}

// body is the MsgBody of all messages.
const body = `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"` +
	`The quick brown fox jumps over the lazy dog, and then it comes back to see what became of it.` + `"}}]`

// recordSize is about what a store has to keep of a message: its body, two names, numbers.
const recordSize = len(body) + 64

func (m *messageRun) name() {
	m.all = make([]string, len(m.ids)+absent)
	newNames(DefaultPrefix, 0).fill(m.all, 0, nil)
}

// away is an account that is never connected; neighbours are far from each other.
func (m *messageRun) away(i int) string { return m.all[len(m.ids)+i*7919%absent] }

// loop makes the calls 0 to n-1, at a rate if that is not 0, and stops at the first error. The
// latency of a call counts from begin, for which it was planned, or at which it begins.
func (m *messageRun) loop(ctx context.Context, n, workers int, rate float64, call func(i int, begin time.Time) error) (Sending, error) {
	d := &driver{o: Options{Rate: rate}, started: now()}
	var first error
	var once sync.Once
	var wg sync.WaitGroup
	latencies := newLatencies()
	for range min(workers, n) {
		wg.Go(func() {
			for i := d.next.Add(1) - 1; i < int64(n); i = d.next.Add(1) - 1 {
				begin, ok := d.begin(ctx, i)
				if !ok {
					return
				}
				if err := call(int(i), begin); err != nil {
					once.Do(func() { first = err })
					d.next.Store(int64(n))
					return
				}
				latencies.add(now().Sub(begin))
			}
		})
	}
	wg.Wait()
	s := Sending{Messages: n, Duration: now().Sub(d.started), Latency: latencies.summary()}
	s.PerSecond = perSecond(int64(n), s.Duration)
	if first == nil {
		first = ctx.Err()
	}
	return s, first
}

// sender returns a client with so many connections.
func (m *messageRun) sender(c *child, connections int) (*imclient.Client, error) {
	return imclient.New(imclient.Options{
		BaseURL: "http://" + c.addr, SDKAppID: suiteApp, Key: m.key, Admin: suiteAdmin, Connections: connections, Attempts: 1,
	})
}

// appendSend appends the request of sendmsg, or of sendC2C, which does not look at the sender.
func (m *messageRun) appendSend(dst []byte, from, to string, random uint32) []byte {
	dst = append(dst, `{"From_Account":"`...)
	dst = append(dst, from...)
	dst = append(dst, `","To_Account":"`...)
	dst = append(dst, to...)
	dst = append(dst, `","MsgRandom":`...)
	dst = strconv.AppendUint(dst, uint64(random), 10)
	return append(append(dst, `,"MsgBody":`+body...), '}')
}

// rest measures sendmsg and batchsendmsg.
func (m *messageRun) rest(ctx context.Context, c *child, r *MessageRound) error {
	client, err := m.sender(c, sendingConnections)
	if err != nil {
		return fmt.Errorf("bench: message: %w", err)
	}
	defer client.CloseIdleConnections()
	r.One, err = m.loop(ctx, m.o.Messages, sendingConnections, 0, func(i int, _ time.Time) error {
		request := m.appendSend(make([]byte, 0, 512), m.away(i+1), m.away(i), m.random.Add(1))
		_, err := client.Call(ctx, "openim/sendmsg", request)
		return err
	})
	if err != nil {
		return fmt.Errorf("bench: sendmsg: %w", err)
	}
	m.say("sendmsg", r.One)
	batches := max(m.o.Messages/message.MaxRecipients, 1)
	r.Many, err = m.loop(ctx, batches, sendingConnections, 0, func(i int, _ time.Time) error {
		_, err := client.Call(ctx, "openim/batchsendmsg", m.batch(i))
		return err
	})
	if err != nil {
		return fmt.Errorf("bench: batchsendmsg: %w", err)
	}
	r.Many.times(message.MaxRecipients)
	m.say("batchsendmsg", r.Many)
	return nil
}

// times makes messages of calls.
func (s *Sending) times(n int) {
	s.Messages *= n
	s.PerSecond *= float64(n)
}

func (m *messageRun) say(what string, s Sending) {
	m.logf("  %-24s %10s messages/s  p99 %s", what, grouped(int64(s.PerSecond)), millis(s.Latency.P99))
}

// batch makes the request of batchsendmsg.
func (m *messageRun) batch(i int) []byte {
	dst := make([]byte, 0, 16<<10)
	dst = append(dst, `{"From_Account":"`+m.all[i%len(m.ids)]+`","To_Account":[`...)
	for k := range message.MaxRecipients {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, m.away(i*message.MaxRecipients+k)...)
		dst = append(dst, '"')
	}
	dst = append(dst, `],"MsgRandom":`...)
	dst = strconv.AppendUint(dst, uint64(m.random.Add(1)), 10)
	return append(append(dst, `,"MsgBody":`+body...), '}')
}

// overGateway measures sendC2C, one call at a time of every device.
func (m *messageRun) overGateway(ctx context.Context, c *child) (Sending, error) {
	all, err := m.dial(ctx, c, sendingDevices)
	defer all.close()
	if err != nil {
		return Sending{}, err
	}
	free := make(chan int, len(all))
	for i := range all {
		free <- i
	}
	s, err := m.loop(ctx, m.o.Messages, len(all), 0, func(i int, _ time.Time) error {
		at := <-free
		defer func() { free <- at }()
		request := json.RawMessage(m.appendSend(make([]byte, 0, 512), m.ids[at], m.away(i), m.random.Add(1)))
		_, err := all[at].RPC(ctx, "sendC2C", request)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("bench: sendC2C: %w", err)
	}
	m.say("sendC2C", s)
	return s, nil
}

// deliver sends to accounts that are all connected, at a rate, and measures until the messages
// are at their devices.
func (m *messageRun) deliver(ctx context.Context, c *child, rate float64) (Delivery, error) {
	client, err := m.sender(c, openWorkers)
	if err != nil {
		return Delivery{}, fmt.Errorf("bench: message: %w", err)
	}
	defer client.CloseIdleConnections()
	all, err := m.dial(ctx, c, m.o.Sessions)
	defer all.close()
	if err != nil {
		return Delivery{}, err
	}
	return m.open(ctx, "delivery", rate, func(i int, random uint32) error {
		request := m.appendSend(make([]byte, 0, 512), m.away(i), m.ids[m.connected(i)], random)
		_, err := client.Call(ctx, "openim/sendmsg", request)
		return err
	})
}

// connected is a recipient whose device is connected.
func (m *messageRun) connected(i int) int { return i * 7919 % m.o.Sessions }

// open makes calls at a rate, each of which has a message published at a device.
func (m *messageRun) open(ctx context.Context, title string, rate float64, call func(i int, random uint32) error) (Delivery, error) {
	n := min(m.o.Messages, max(int(math.Round(rate*openFor.Seconds())), 1))
	a := newArrivals(m.random.Add(uint32(n))-uint32(n)+1, n) // #nosec G115 -- bounded by Messages
	m.arrivals.Store(a)
	defer m.arrivals.Store(nil)
	calls, err := m.loop(ctx, n, openWorkers, rate, func(i int, begin time.Time) error {
		a.begun[i].Store(begin.UnixNano())
		return call(i, a.first+uint32(i)) // #nosec G115 -- bounded by n
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("bench: %s: %w", title, err)
	}
	d := Delivery{Messages: n, Rate: rate, Call: calls.Latency, Missing: a.wait(ctx), Latency: a.latencies.summary()}
	m.logf("  %-24s p50 %s  p99 %s at %s calls/s, which took p50 %s  p99 %s", title,
		millis(d.Latency.P50), millis(d.Latency.P99), grouped(int64(rate)), millis(d.Call.P50), millis(d.Call.P99))
	return d, ctx.Err()
}
