// Package device is a small client of the gateway, as a device would be one: centrifuge's
// JSON protocol over WebSocket. Tests and the load driver log in with it. It never connects
// again by itself.
package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Login is the connect data.
type Login struct {
	SDKAppID    uint64
	UserID      string
	UserSig     string
	Platform    string
	InstanceID  string `json:",omitempty"`
	PushCapable bool   `json:",omitempty"`
}

// Disconnected is how the server ended a connection, or refused a login.
type Disconnected struct {
	Code   int // 1006 if the connection broke without a word
	Reason string
}

// Error implements error.
func (d *Disconnected) Error() string { return fmt.Sprintf("disconnected: %d %s", d.Code, d.Reason) }

// Failed is the error of an RPC.
type Failed struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (f *Failed) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Message) }

// Options are what Dial takes beside the address and the Login; the zero value will do.
type Options struct {
	Header     http.Header
	NetDial    func(ctx context.Context, network, address string) (net.Conn, error)
	ConnectRaw json.RawMessage // sent as the connect data instead of the Login
	BufferSize int             // of each direction; 0 means 1 KiB
	// OnPush is called with every push, in order, from the goroutine that reads; nil drops them.
	OnPush func(push json.RawMessage)
}

// Device is a connection that is logged in. Its methods are safe for concurrent use.
type Device struct {
	InstanceID string // as the server has it

	conn   *websocket.Conn
	onPush func(json.RawMessage)
	closed chan struct{}

	mu      sync.Mutex
	write   sync.Mutex
	lastID  uint32
	waiting map[uint32]chan reply
	err     error // once closed
}

type reply struct {
	ID      uint32          `json:"id"`
	Error   *Failed         `json:"error"`
	Connect json.RawMessage `json:"connect"`
	RPC     *struct {
		Data json.RawMessage `json:"data"`
	} `json:"rpc"`
	Push json.RawMessage `json:"push"`
}

// Dial connects to url, such as ws://127.0.0.1:8080/connection/websocket, and logs in. Its
// error is a *Disconnected if the server refused the login. The caller Closes the Device.
func Dial(ctx context.Context, url string, l Login, o Options) (*Device, error) {
	if o.BufferSize == 0 {
		o.BufferSize = 1024
	}
	dialer := websocket.Dialer{NetDialContext: o.NetDial, ReadBufferSize: o.BufferSize, WriteBufferSize: o.BufferSize}
	conn, response, err := dialer.DialContext(ctx, url, o.Header) //nolint:bodyclose // it is the connection, or read already
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("device: dial: HTTP %d: %w", response.StatusCode, err)
		}
		return nil, fmt.Errorf("device: dial: %w", err)
	}
	d := &Device{conn: conn, onPush: o.OnPush, closed: make(chan struct{})}
	if err := d.connect(ctx, l, o.ConnectRaw); err != nil {
		_ = conn.Close() // what it could say, connect has said
		return nil, err
	}
	go d.read()
	return d, nil
}

func (d *Device) connect(ctx context.Context, l Login, raw json.RawMessage) error {
	if raw == nil {
		var err error
		if raw, err = json.Marshal(l); err != nil {
			return fmt.Errorf("device: dial: %w", err)
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = d.conn.SetReadDeadline(deadline)
	}
	d.lastID = 1
	command := fmt.Appendf(nil, `{"id":1,"connect":{"data":%s}}`, raw)
	if err := d.conn.WriteMessage(websocket.TextMessage, command); err != nil {
		return disconnected(err)
	}
	_, frame, err := d.conn.ReadMessage()
	if err != nil {
		return disconnected(err)
	}
	first, rest, _ := bytes.Cut(frame, []byte("\n"))
	var r reply
	if err := json.Unmarshal(first, &r); err != nil {
		return fmt.Errorf("device: dial: %w", err)
	}
	if r.Error != nil {
		return fmt.Errorf("device: dial: %w", r.Error)
	}
	var answer struct{ Data struct{ InstanceID string } }
	if err := json.Unmarshal(r.Connect, &answer); err != nil {
		return fmt.Errorf("device: dial: %w", err)
	}
	d.InstanceID = answer.Data.InstanceID
	_ = d.conn.SetReadDeadline(time.Time{})
	d.frame(rest)
	return nil
}

// disconnected returns the close frame that ended a connection as a *Disconnected.
func disconnected(err error) error {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return &Disconnected{Code: e.Code, Reason: e.Text}
	}
	return &Disconnected{Code: websocket.CloseAbnormalClosure, Reason: err.Error()}
}

func (d *Device) read() {
	for {
		_, frame, err := d.conn.ReadMessage()
		if err != nil {
			d.end(disconnected(err))
			return
		}
		d.frame(frame)
	}
}

func (d *Device) frame(frame []byte) {
	for line := range bytes.SplitSeq(frame, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if bytes.Equal(line, []byte("{}")) {
			_ = d.send(line) // a ping; reading will find out if the connection is gone
			continue
		}
		var r reply
		if json.Unmarshal(line, &r) != nil {
			continue
		}
		if r.Push != nil {
			if d.onPush != nil {
				d.onPush(r.Push)
			}
			continue
		}
		d.mu.Lock()
		waiting := d.waiting[r.ID]
		delete(d.waiting, r.ID)
		d.mu.Unlock()
		if waiting != nil {
			waiting <- r
		}
	}
}

func (d *Device) end(err error) {
	_ = d.conn.Close() // it is over
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	close(d.closed)
}

func (d *Device) send(command []byte) error {
	d.write.Lock()
	defer d.write.Unlock()
	return d.conn.WriteMessage(websocket.TextMessage, command)
}

// RPC calls a method of the gateway and returns the answer's data. Its error is a *Failed if
// the server answered with one, a *Disconnected if the connection ended first.
func (d *Device) RPC(ctx context.Context, method string, data any) (json.RawMessage, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("device: rpc: %w", err)
	}
	answer := make(chan reply, 1)
	d.mu.Lock()
	d.lastID++
	id := d.lastID
	if d.waiting == nil {
		d.waiting = make(map[uint32]chan reply)
	}
	d.waiting[id] = answer
	d.mu.Unlock()
	if err := d.send(fmt.Appendf(nil, `{"id":%d,"rpc":{"method":%q,"data":%s}}`, id, method, raw)); err != nil {
		return nil, disconnected(err)
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			return nil, r.Error
		}
		if r.RPC == nil {
			return nil, errors.New("device: rpc: the answer is none")
		}
		return r.RPC.Data, nil
	case <-d.closed:
		return nil, d.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Closed is closed when the connection has ended, by whichever side.
func (d *Device) Closed() <-chan struct{} { return d.closed }

// Err returns how the connection ended, a *Disconnected; nil while it has not.
func (d *Device) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Close breaks the connection without a word, as a device that loses its network does, and
// returns when it is over.
func (d *Device) Close() {
	_ = d.conn.Close() // there is nothing to do about it
	<-d.closed
}
