package bench

import (
	"context"
	"encoding/json"
	"time"
)

// Arrivals are the messages of an open loop that are awaited.
type Arrivals struct{ a *arrivals }

// NewArrivals awaits n messages, whose MsgRandom counts up from first.
func NewArrivals(first uint32, n int) Arrivals { return Arrivals{newArrivals(first, n)} }

// Begin notes when message i was planned.
func (a Arrivals) Begin(i int, at time.Time) { a.a.begun[i].Store(at.UnixNano()) }

// Note is told of a push.
func (a Arrivals) Note(push string) { a.a.note(json.RawMessage(push)) }

// Wait returns how many messages have not come.
func (a Arrivals) Wait(ctx context.Context) int { return a.a.wait(ctx) }

// Latency is that of those that have.
func (a Arrivals) Latency() Latency { return a.a.latencies.summary() }
