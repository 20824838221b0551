package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/internal/device"
	"github.com/muster-im/muster/internal/gateway"
)

// arrivals notes when messages reach their devices. They are known by their MsgRandom, which
// counts up from first.
type arrivals struct {
	first     uint32
	begun     []atomic.Int64 // when a call was planned, in nanoseconds; 0 once it has arrived
	left      atomic.Int64
	done      chan struct{} // closed once nothing is left
	latencies *latencies
}

func newArrivals(first uint32, n int) *arrivals {
	a := &arrivals{first: first, begun: make([]atomic.Int64, n), done: make(chan struct{}), latencies: newLatencies()}
	a.left.Store(int64(n))
	return a
}

// note is told of every push of every device.
func (a *arrivals) note(push json.RawMessage) {
	at := now()
	var p struct {
		Pub struct{ Data struct{ MsgRandom *uint32 } }
	}
	if json.Unmarshal(push, &p) != nil || p.Pub.Data.MsgRandom == nil {
		return // it is no message
	}
	i := *p.Pub.Data.MsgRandom - a.first
	if uint64(i) >= uint64(len(a.begun)) {
		return
	}
	begun := a.begun[i].Swap(0)
	if begun == 0 {
		return
	}
	a.latencies.add(time.Duration(at.UnixNano() - begun))
	if a.left.Add(-1) == 0 {
		close(a.done)
	}
}

// wait waits until everything has arrived, for some time, and returns how much has not.
func (a *arrivals) wait(ctx context.Context) int {
	timer := time.NewTimer(loginTimeout)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return int(a.left.Load())
}

// dial logs in a device for each of the first n accounts.
func (m *messageRun) dial(ctx context.Context, c *child, n int) (devices, error) {
	all := make(devices, n)
	push := func(push json.RawMessage) {
		if a := m.arrivals.Load(); a != nil {
			a.note(push)
		}
	}
	err := m.each(n, func(i int) (err error) {
		ctx, cancel := context.WithTimeout(ctx, loginTimeout)
		defer cancel()
		all[i], err = device.Dial(ctx, "ws://"+c.addr+gateway.PathWebSocket, device.Login{
			SDKAppID: suiteApp, UserID: m.ids[i], UserSig: m.sigs[i], Platform: "Android", InstanceID: "bench",
		}, device.Options{BufferSize: 512, OnPush: push})
		if err != nil {
			return fmt.Errorf("bench: login of %s: %w", m.ids[i], err)
		}
		return nil
	})
	return all, err
}
