package crashtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/usersig"
)

// TestMessagesAcrossKills sends messages through the REST API and the gateway to accounts
// whose devices come and go, while the server is killed and started again
// MUSTER_CRASH_CYCLES times, 6 if that is not set. Who does not get an answer sends the same
// message again. In the end each device has every message once, in the order of its box, in
// which no number is missing, and those of one sender in the order in which they were sent.
func TestMessagesAcrossKills(t *testing.T) {
	cycles := crashCycles(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	exe, dir := buildServer(t), filepath.Join(t.TempDir(), "store")
	s := start(t, exe, dir)
	w := newChat(t, s, seed)
	listen := strings.TrimPrefix(s.base, "http://")
	w.power.on()
	w.begin()
	defer w.end()
	for range cycles {
		<-time.NewTimer(time.Duration(50+rng.IntN(400)) * time.Millisecond).C
		w.power.off()
		s.kill()
		s = startAt(t, exe, dir, listen)
		w.power.on()
	}
	w.end()
	s.kill() // what the devices have acknowledged is durable as well
	s = startAt(t, exe, dir, listen)
	w.verify()
	s.stop(t)
	fsck(t, exe, dir)
	w.report(cycles)
}

// patience bounds one call.
const patience = 10 * time.Second

// chat is who sends, who reads, and what connects them.
type chat struct {
	t       *testing.T
	url     string // of the gateway
	client  *imclient.Client
	power   *power
	senders []*sender
	readers []*reader

	ended   sync.Once
	quiet   chan struct{} // closed when nobody is to send a new message
	finish  chan struct{} // closed when nobody sends any more
	sending sync.WaitGroup
	reading sync.WaitGroup
}

func newChat(t *testing.T, s *server, seed uint64) *chat {
	t.Helper()
	w := &chat{
		t: t, url: "ws" + strings.TrimPrefix(s.base, "http") + gateway.PathWebSocket, client: s.client(t),
		power: &power{up: make(chan struct{})}, quiet: make(chan struct{}), finish: make(chan struct{}),
	}
	var names []string
	for i := range 3 {
		r := &reader{w: w, name: fmt.Sprintf("reader%d", i), rng: rand.New(rand.NewPCG(seed, uint64(i+1))), came: make(chan struct{}, 1)}
		w.readers = append(w.readers, r)
		names = append(names, r.name)
	}
	for i := range 7 {
		x := &sender{w: w, name: fmt.Sprintf("sender%d", i), rng: rand.New(rand.NewPCG(seed, uint64(i+100)))}
		x.post = []func(context.Context, *sent) (string, error){x.one, x.many, x.fromDevice}[i%3]
		x.toAll = i%3 == 1
		w.senders = append(w.senders, x)
		names = append(names, x.name)
	}
	// One of those who read sends as well. Its copies of that are not pushed to its own device,
	// which finds gaps instead.
	both := &sender{w: w, name: w.readers[0].name, rng: rand.New(rand.NewPCG(seed, 200))}
	both.post = both.one
	w.senders = append(w.senders, both)
	if _, err := w.client.MultiAccountImport(t.Context(), imclient.ImportRequest{Names: names}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *chat) begin() {
	for _, r := range w.readers {
		w.reading.Go(r.run)
	}
	for _, x := range w.senders {
		w.sending.Go(x.run)
	}
}

// end waits until all messages are acknowledged, and then until the devices have them.
func (w *chat) end() {
	w.ended.Do(func() {
		close(w.quiet)
		w.sending.Wait()
		close(w.finish)
		w.reading.Wait()
	})
}

// dial logs a device in; an error that a kill does not explain fails the test.
func (w *chat) dial(name string, push func(json.RawMessage)) (*device.Device, error) {
	sig, err := usersig.Sign([]byte(key), usersig.Claims{Identifier: name, SDKAppID: sdkAppID, Time: time.Now().Unix(), Expire: 86400})
	if err != nil {
		w.t.Error(err)
		return nil, err
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	d, err := device.Dial(ctx, w.url, device.Login{SDKAppID: sdkAppID, UserID: name, UserSig: sig, Platform: "Android", InstanceID: "phone"}, device.Options{OnPush: push})
	w.explain(name, "login", err)
	return d, err
}

// explain fails the test if an error is one that the server gave.
func (w *chat) explain(name, what string, err error) {
	_, refused := errors.AsType[*imclient.Error](err)
	_, failed := errors.AsType[*device.Failed](err)
	gone, ended := errors.AsType[*device.Disconnected](err)
	if refused || failed || (ended && gone.Code >= 3000) {
		w.t.Errorf("%s: %s: %v", name, what, err)
	}
}

// power says whether there is a server.
type power struct {
	mu sync.Mutex
	up chan struct{} // closed if there is
}

func (p *power) on() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.up)
}

// off is called before the server is killed, so that whoever notices waits for the next.
func (p *power) off() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = make(chan struct{})
}

// wait reports false if there is none for too long.
func (p *power) wait() bool {
	p.mu.Lock()
	up := p.up
	p.mu.Unlock()
	select {
	case <-up:
		return true
	case <-time.After(3 * patience):
		return false
	}
}

// sender sends one message after the other.
type sender struct {
	w      *chat
	name   string
	rng    *rand.Rand
	post   func(ctx context.Context, m *sent) (msgKey string, err error)
	toAll  bool
	device *device.Device

	sent  []*sent
	again int // calls that were repeated
}

// sent is a message, known by the number that it has with its sender.
type sent struct {
	to     []string
	number int
	key    string // MsgKey, once it is acknowledged
}

func (x *sender) run() {
	defer x.hangUp()
	for n := 1; ; n++ {
		select {
		case <-x.w.quiet:
			return
		default:
		}
		m := &sent{number: n}
		for _, r := range x.w.readers {
			if r.name != x.name {
				m.to = append(m.to, r.name)
			}
		}
		if !x.toAll {
			at := x.rng.IntN(len(m.to))
			m.to = m.to[at : at+1]
		}
		if !x.send(m) {
			return
		}
		x.sent = append(x.sent, m)
	}
}

// send repeats a message until it is acknowledged.
func (x *sender) send(m *sent) bool {
	for x.w.power.wait() && !x.w.t.Failed() {
		ctx, cancel := context.WithTimeout(x.w.t.Context(), patience)
		msgKey, err := x.post(ctx, m)
		cancel()
		if err == nil {
			m.key = msgKey
			return true
		}
		x.w.explain(x.name, "send", err)
		x.again++
	}
	x.w.t.Errorf("%s: message %d is given up", x.name, m.number)
	return false
}

// request is that of a message to somebody, as JSON.
func (x *sender) request(m *sent, to string) []byte {
	return fmt.Appendf(nil, `{"From_Account":%q,"To_Account":%s,"MsgSeq":%d,"MsgRandom":%d,`+
		`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"%s says %d"}}]}`, x.name, to, m.number, m.number, x.name, m.number)
}

func (x *sender) one(ctx context.Context, m *sent) (string, error) {
	return x.call(ctx, "openim/sendmsg", x.request(m, fmt.Sprintf("%q", m.to[0])))
}

func (x *sender) many(ctx context.Context, m *sent) (string, error) {
	return x.call(ctx, "openim/batchsendmsg", x.request(m, `["`+strings.Join(m.to, `","`)+`"]`))
}

func (x *sender) call(ctx context.Context, command string, request []byte) (string, error) {
	reply, err := x.w.client.Call(ctx, command, request)
	if err != nil {
		return "", err
	}
	return x.msgKey(reply), nil
}

// fromDevice sends over the gateway, and logs in first if that is needed.
func (x *sender) fromDevice(ctx context.Context, m *sent) (string, error) {
	if x.device == nil {
		var err error
		if x.device, err = x.w.dial(x.name, nil); err != nil {
			x.device = nil
			return "", err
		}
	}
	reply, err := x.device.RPC(ctx, "sendC2C", json.RawMessage(x.request(m, fmt.Sprintf("%q", m.to[0]))))
	if err != nil {
		x.hangUp()
		return "", err
	}
	return x.msgKey(reply), nil
}

func (x *sender) hangUp() {
	if x.device != nil {
		x.device.Close()
		x.device = nil
	}
}

func (x *sender) msgKey(reply []byte) string {
	var r struct {
		MsgKey    string
		ErrorList []json.RawMessage
	}
	if err := json.Unmarshal(reply, &r); err != nil || r.MsgKey == "" || len(r.ErrorList) > 0 {
		x.w.t.Errorf("%s: the reply is %s", x.name, reply)
	}
	return r.MsgKey
}
