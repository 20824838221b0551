package memstore

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// messages are the boxes of all Apps and what belongs to them.
type messages struct {
	boxes map[boxKey]*box
	sent  map[sentKey]sent // of messages that are the same the one with the latest Time
	read  map[readKey]int64
	seen  map[seenKey]uint64
}

type (
	boxKey struct {
		app   account.SDKAppID
		owner account.UserID
	}
	sentKey struct {
		app         account.SDKAppID
		from, to    account.UserID
		seq, random uint32
		sum         uint32
	}
	sent struct {
		message.Appended
		expires int64
	}
	readKey struct {
		app          account.SDKAppID
		reader, peer account.UserID
	}
	seenKey struct {
		boxKey
		instance string
	}
)

// box is what one account keeps, in ascending order. last outlives what it counts.
type box struct {
	last   uint64
	copies []kept
}

// kept is a copy. A notice of a recall stands in the box and in no conversation.
type kept struct {
	message.Copy
	notice bool
}

func newMessages() messages {
	return messages{
		boxes: make(map[boxKey]*box), sent: make(map[sentKey]sent),
		read: make(map[readKey]int64), seen: make(map[seenKey]uint64),
	}
}

// box returns the box of an account, making it if there is none.
func (m *messages) box(app account.SDKAppID, owner account.UserID) *box {
	k := boxKey{app, owner}
	b := m.boxes[k]
	if b == nil {
		b = new(box)
		m.boxes[k] = b
	}
	return b
}

// forget removes all that an account keeps but the last number of its box.
func (m *messages) forget(app account.SDKAppID, owner account.UserID) {
	if b := m.boxes[boxKey{app, owner}]; b != nil {
		b.copies = nil
	}
	for k := range m.read {
		if k.app == app && k.reader == owner {
			delete(m.read, k)
		}
	}
	for k := range m.seen {
		if k.app == app && k.owner == owner {
			delete(m.seen, k)
		}
	}
}

// put appends a copy and returns its number.
func (b *box) put(m *message.Message, owner account.UserID, notice bool) uint64 {
	b.last++
	b.copies = append(b.copies, kept{message.Copy{Message: *m, Owner: owner, Box: b.last}, notice})
	return b.last
}

// AppendMessages implements message.Store.
func (s *Store) AppendMessages(ctx context.Context, app account.SDKAppID, all []message.Append) ([]message.Appended, error) {
	leave, err := s.enter(ctx, "append messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]message.Appended, len(all))
	for i := range all {
		out[i] = s.messages.append(app, &all[i])
	}
	return out, nil
}

func (m *messages) append(app account.SDKAppID, a *message.Append) message.Appended {
	msg := a.Message
	// The texts are copied because they may be parts of a whole request.
	msg.From, msg.To = account.UserID(strings.Clone(string(msg.From))), account.UserID(strings.Clone(string(msg.To)))
	msg.Body, msg.CloudData = bytes.Clone(msg.Body), strings.Clone(msg.CloudData)
	k := sentKey{app, msg.From, msg.To, msg.Seq, msg.Random, a.Sum}
	earlier, known := m.sent[k]
	if known && earlier.Time >= a.Since {
		earlier.Duplicate = true
		return earlier.Appended
	}
	done := message.Appended{Key: msg.Key}
	if a.ToBox {
		done.ToBox = m.box(app, msg.To).put(&msg, msg.To, false)
	}
	switch {
	case a.FromBox && a.ToBox && msg.From == msg.To: // to oneself: one copy
		done.FromBox = done.ToBox
	case a.FromBox:
		done.FromBox = m.box(app, msg.From).put(&msg, msg.From, false)
	}
	if !known || earlier.Time <= msg.Time {
		m.sent[k] = sent{done, msg.Expires}
	}
	return done
}

// ReadBox implements message.Store.
func (s *Store) ReadBox(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
	leave, err := s.enter(ctx, "read box")
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	b := s.messages.boxes[boxKey{app, owner}]
	if b == nil {
		return nil, 0, nil
	}
	var out []message.Copy
	for i := range b.copies {
		if c := &b.copies[i]; c.Box > after && c.Expires > now && len(out) < limit {
			out = append(out, c.copy())
		}
	}
	return out, b.last, nil
}

// copy returns the copy without sharing memory.
func (k *kept) copy() message.Copy {
	out := k.Copy
	out.Body = bytes.Clone(out.Body)
	return out
}

// ReadConversation implements message.Store.
func (s *Store) ReadConversation(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, before message.Key, from, to int64, limit int, now int64) ([]message.Copy, error) {
	leave, err := s.enter(ctx, "read conversation")
	if err != nil {
		return nil, err
	}
	defer leave()
	b := s.messages.boxes[boxKey{app, owner}]
	if b == nil {
		return nil, nil
	}
	var found []*kept
	for i := range b.copies {
		c := &b.copies[i]
		if !c.notice && c.Peer() == peer && c.Compare(before) < 0 && c.Time >= from && c.Time <= to && c.Expires > now {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(x, y *kept) int { return x.Compare(y.Key) })
	slices.Reverse(found) // of those with the same Key the one with the higher number is first
	found = found[:min(len(found), max(limit, 0))]
	out := make([]message.Copy, len(found))
	for i, c := range found {
		out[i] = c.copy()
	}
	return out, nil
}

// Recall implements message.Store.
func (s *Store) Recall(ctx context.Context, app account.SDKAppID, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
	leave, err := s.enter(ctx, "recall")
	if err != nil {
		return nil, false, err
	}
	defer leave()
	var notices []message.Copy
	again := false
	for _, owner := range slices.Compact([]account.UserID{to, from}) {
		b := s.messages.boxes[boxKey{app, owner}]
		if b == nil {
			continue
		}
		for i := range len(b.copies) { // not those that are appended here
			c := &b.copies[i]
			if c.notice || c.From != from || c.To != to || c.Key != k {
				continue
			}
			if c.Flags&message.Recalled != 0 {
				again = true
				continue
			}
			c.Flags |= message.Recalled
			c.Body, c.CloudData = nil, ""
			notice := c.Copy
			notice.Box = b.put(&notice.Message, owner, true)
			notices = append(notices, notice)
		}
	}
	return notices, again && len(notices) == 0, nil
}

// SetRead implements message.Store.
func (s *Store) SetRead(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (int64, error) {
	leave, err := s.enter(ctx, "set read")
	if err != nil {
		return 0, err
	}
	defer leave()
	k := readKey{app, account.UserID(strings.Clone(string(reader))), account.UserID(strings.Clone(string(peer)))}
	s.messages.read[k] = max(s.messages.read[k], upTo)
	return s.messages.read[k], nil
}

// ReadUpTo implements message.Store.
func (s *Store) ReadUpTo(ctx context.Context, app account.SDKAppID, pairs []message.Pair) ([]int64, error) {
	leave, err := s.enter(ctx, "read up to")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]int64, len(pairs))
	for i, p := range pairs {
		out[i] = s.messages.read[readKey{app, p.Reader, p.Peer}]
	}
	return out, nil
}

// SetSeen implements message.Store.
func (s *Store) SetSeen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, number uint64) error {
	leave, err := s.enter(ctx, "set seen")
	if err != nil {
		return err
	}
	defer leave()
	k := seenKey{boxKey{app, account.UserID(strings.Clone(string(owner)))}, strings.Clone(instance)}
	s.messages.seen[k] = max(s.messages.seen[k], number)
	return nil
}

// Seen implements message.Store.
func (s *Store) Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error) {
	leave, err := s.enter(ctx, "seen")
	if err != nil {
		return 0, err
	}
	defer leave()
	return s.messages.seen[seenKey{boxKey{app, owner}, instance}], nil
}

// SweepMessages implements message.Store.
func (s *Store) SweepMessages(ctx context.Context, now int64, limit int) (int, error) {
	leave, err := s.enter(ctx, "sweep messages")
	if err != nil {
		return 0, err
	}
	defer leave()
	for k, m := range s.messages.sent {
		if m.expires <= now {
			delete(s.messages.sent, k)
		}
	}
	n := 0
	for _, b := range s.messages.boxes {
		b.copies = slices.DeleteFunc(b.copies, func(c kept) bool {
			gone := c.Expires <= now && n < limit
			if gone {
				n++
			}
			return gone
		})
	}
	return n, nil
}
