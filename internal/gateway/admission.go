package gateway

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
)

// admissions counts the connections there are, in all and by address.
type admissions struct {
	maxTotal, maxPerAddress int // 0 means no limit

	mu        sync.Mutex
	n         int
	byAddress map[string]int
	empty     chan struct{} // closed when n becomes 0; nil while nobody waits
}

func newAdmissions(maxTotal, maxPerAddress int) *admissions {
	return &admissions{maxTotal: maxTotal, maxPerAddress: maxPerAddress, byAddress: make(map[string]int)}
}

// admission is a connection that is counted.
type admission struct {
	of      *admissions
	address string
	once    sync.Once
}

// enter counts one more connection of address, or says why there may be none.
func (a *admissions) enter(address string) (*admission, denial, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.maxTotal > 0 && a.n >= a.maxTotal {
		return nil, denyTotal, false
	}
	if a.maxPerAddress > 0 && a.byAddress[address] >= a.maxPerAddress {
		return nil, denyAddress, false
	}
	a.n++
	a.byAddress[address]++
	return &admission{of: a, address: address}, 0, true
}

// leave stops counting the connection; calling it again does nothing.
func (d *admission) leave() {
	d.once.Do(func() {
		d.of.mu.Lock()
		defer d.of.mu.Unlock()
		d.of.n--
		if d.of.byAddress[d.address]--; d.of.byAddress[d.address] == 0 {
			delete(d.of.byAddress, d.address)
		}
		if d.of.n == 0 && d.of.empty != nil {
			close(d.of.empty)
			d.of.empty = nil
		}
	})
}

// total returns how many connections there are.
func (a *admissions) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}

// wait returns once there is no connection.
func (a *admissions) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.empty == nil {
		a.empty = make(chan struct{})
	}
	empty := a.empty
	a.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hijack implements http.Hijacker: the connection counts until it is closed.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.taken = true
	return &countedConn{Conn: conn, admission: h.admission}, rw, nil
}

type countedConn struct {
	net.Conn
	admission *admission
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.admission.leave()
	return c.Conn.Close()
}
