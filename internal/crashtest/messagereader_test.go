package crashtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/muster-im/muster/internal/device"
)

// reader is an account with a device that comes and goes. The device keeps what it has seen.
type reader struct {
	w    *chat
	name string
	rng  *rand.Rand

	seen []item // the item with the number n is seen[n-1]
	// How often the device logged in, got a message pushed, read one that it had missed, was
	// told of one that it had, and found that it had missed some.
	logins, pushed, synced, dropped, gaps int

	mu     sync.Mutex
	pushes []item
	came   chan struct{} // there are pushes
}

// item is a message as a device gets it.
type item struct {
	From   string `json:"From_Account"`
	Random int    `json:"MsgRandom"`
	MsgKey string
	Box    uint64
}

// run logs in again and again until nobody sends any more and everything is there.
func (r *reader) run() {
	for r.w.power.wait() {
		if r.session() {
			return
		}
		if r.w.t.Failed() {
			return
		}
	}
	r.w.t.Errorf("%s: there is no server", r.name)
}

// session is one login, for a random time. It reports whether everything is there.
func (r *reader) session() bool {
	r.take() // what an earlier session left would be pushed to nobody
	d, err := r.w.dial(r.name, r.push)
	if err != nil {
		return false
	}
	defer d.Close()
	r.logins++
	if !r.sync(d) {
		return false
	}
	stay := time.NewTimer(time.Duration(20+r.rng.IntN(300)) * time.Millisecond)
	defer stay.Stop()
	for {
		select {
		case <-r.came:
			if !r.readPushes(d) {
				return false
			}
		case <-d.Closed():
			r.w.explain(r.name, "session", d.Err())
			return false
		case <-stay.C:
			return false
		case <-r.w.finish:
			return r.sync(d) && r.acknowledge(d)
		}
	}
}

// push is called by the device with each push.
func (r *reader) push(push json.RawMessage) {
	var p struct{ Pub struct{ Data item } }
	if err := json.Unmarshal(push, &p); err != nil || p.Pub.Data.Box == 0 {
		r.w.t.Errorf("%s: the push is %s (%v)", r.name, push, err)
		return
	}
	r.mu.Lock()
	r.pushes = append(r.pushes, p.Pub.Data)
	r.mu.Unlock()
	select {
	case r.came <- struct{}{}:
	default: // is told already
	}
}

func (r *reader) take() []item {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.pushes
	r.pushes = nil
	return all
}

func (r *reader) last() uint64 { return uint64(len(r.seen)) }

// readPushes drops what the device has, takes what comes next, and asks if there is a gap.
func (r *reader) readPushes(d *device.Device) bool {
	for _, m := range r.take() {
		switch {
		case m.Box <= r.last():
			r.dropped++
			if was := r.seen[m.Box-1]; was != m {
				r.w.t.Errorf("%s: the number %d was that of %+v and is that of %+v", r.name, m.Box, was, m)
			}
		case m.Box == r.last()+1:
			r.pushed++
			r.seen = append(r.seen, m)
		default:
			r.gaps++
			if !r.sync(d) {
				return false
			}
			if m.Box > r.last() {
				r.w.t.Errorf("%s: %+v was pushed, and is not among what was missed up to %d", r.name, m, r.last())
			}
		}
	}
	return true
}

// sync reads what the device has missed; it reports false if the connection ended.
func (r *reader) sync(d *device.Device) bool {
	for {
		page, last, err := r.missed(d, map[string]any{"After": r.last(), "Limit": 100})
		if err != nil {
			return false
		}
		for _, m := range page {
			if m.Box != r.last()+1 {
				r.w.t.Errorf("%s: behind the number %d comes %+v", r.name, r.last(), m)
				return false
			}
			r.synced++
			r.seen = append(r.seen, m)
		}
		if len(page) == 0 && last > r.last() {
			r.w.t.Errorf("%s: nothing is behind the number %d, and the last is %d", r.name, r.last(), last)
			return false
		}
		if last <= r.last() {
			return true
		}
	}
}

// missed is one call of sync.
func (r *reader) missed(d *device.Device, request any) (page []item, last uint64, err error) {
	ctx, cancel := context.WithTimeout(r.w.t.Context(), patience)
	defer cancel()
	reply, err := d.RPC(ctx, "sync", request)
	if err != nil {
		r.w.explain(r.name, "sync", err)
		return nil, 0, err
	}
	var answer struct {
		Messages []item
		Last     uint64
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		r.w.t.Errorf("%s: sync: %v in %s", r.name, err, reply)
		return nil, 0, err
	}
	return answer.Messages, answer.Last, nil
}

func (r *reader) acknowledge(d *device.Device) bool {
	ctx, cancel := context.WithTimeout(r.w.t.Context(), patience)
	defer cancel()
	_, err := d.RPC(ctx, "ack", map[string]any{"Box": r.last()})
	r.w.explain(r.name, "ack", err)
	return err == nil
}

// reads reports whether an account has a device.
func (w *chat) reads(name string) bool {
	return slices.ContainsFunc(w.readers, func(r *reader) bool { return r.name == name })
}

// verify compares what the devices have seen with what was acknowledged, and with what the
// server has.
func (w *chat) verify() {
	type place struct{ from, owner, key string }
	want := map[place]int{}
	for _, x := range w.senders {
		for _, m := range x.sent {
			for _, to := range m.to {
				want[place{x.name, to, m.key}] = m.number
			}
			if w.reads(x.name) {
				want[place{x.name, x.name, m.key}] = m.number
			}
		}
	}
	for _, r := range w.readers {
		newest := map[string]int{}
		for _, m := range r.seen {
			p := place{m.From, r.name, m.MsgKey}
			if number, ok := want[p]; !ok || number != m.Random {
				w.t.Errorf("%s: %+v came twice, or was never acknowledged", r.name, m)
			}
			delete(want, p)
			if m.Random <= newest[m.From] {
				w.t.Errorf("%s: message %d of %s comes behind %d", r.name, m.Random, m.From, newest[m.From])
			}
			newest[m.From] = m.Random
		}
		if err := r.compare(); err != nil {
			w.t.Errorf("%s: %v", r.name, err)
		}
	}
	for p, number := range want {
		w.t.Errorf("message %d of %s to %s (%s) was acknowledged and never came", number, p.from, p.owner, p.key)
	}
}

// compare reads the whole box once more, on the same device and on a new one.
func (r *reader) compare() error {
	d, err := r.w.dial(r.name, nil)
	if err != nil {
		return err
	}
	defer d.Close()
	page, last, err := r.missed(d, struct{}{})
	if err != nil {
		return err
	}
	if len(page) > 0 || last != r.last() {
		r.w.t.Errorf("%s: has acknowledged %d, and behind that are %d messages up to %d", r.name, r.last(), len(page), last)
	}
	again := &reader{w: r.w, name: r.name}
	if !again.sync(d) {
		return errors.New("the box cannot be read again")
	}
	for i, m := range again.seen {
		if i < len(r.seen) && r.seen[i] != m {
			r.w.t.Errorf("%s: has seen %+v and the server has %+v", r.name, r.seen[i], m)
		}
	}
	if len(again.seen) != len(r.seen) {
		r.w.t.Errorf("%s: has seen %d messages and the server has %d", r.name, len(r.seen), len(again.seen))
	}
	return nil
}

// report says what happened, and fails the test if that was too little to prove anything.
func (w *chat) report(cycles int) {
	sent, again := 0, 0
	for _, x := range w.senders {
		sent, again = sent+len(x.sent), again+x.again
	}
	var all reader
	for _, r := range w.readers {
		all.logins, all.pushed, all.synced = all.logins+r.logins, all.pushed+r.pushed, all.synced+r.synced
		all.dropped, all.gaps = all.dropped+r.dropped, all.gaps+r.gaps
	}
	w.t.Logf("%d kills, %d messages acknowledged, %d calls repeated; %d logins, %d messages pushed, %d read after having been missed, %d dropped, %d gaps",
		cycles, sent, again, all.logins, all.pushed, all.synced, all.dropped, all.gaps)
	if sent < cycles*10 || all.pushed == 0 || all.synced == 0 || all.gaps == 0 || again == 0 {
		w.t.Error("that is too little: the test proves nothing")
	}
}
