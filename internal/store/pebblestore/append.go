package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// AppendMessages implements message.Store.
func (s *Store) AppendMessages(ctx context.Context, app account.SDKAppID, all []message.Append) ([]message.Appended, error) {
	if len(all) == 0 {
		return nil, nil
	}
	op := &appendOp{app: app, all: all, parts: make([]parts, len(all)), out: make([]message.Appended, len(all))}
	for i := range all {
		op.parts[i] = prepare(app, &all[i])
	}
	if err := s.submit(ctx, op); err != nil {
		return nil, fmt.Errorf("pebblestore: append messages: %w", err)
	}
	return op.out, nil
}

// parts are the keys and values of a message, made by the caller beside the committer. Only
// the numbers of its copies are missing, which stand at the end of each.
type parts struct {
	record   []byte // of both copies
	sentKey  []byte
	sent     []byte
	expiry   []byte // its key
	to, from copyParts
}

// copyParts are the keys of one copy; nil without one.
type copyParts struct{ copy, conversation []byte }

// maxMessageKeys is the space that all keys of a message take at most, and the sent record.
const maxMessageKeys = 512

func prepare(app account.SDKAppID, a *message.Append) (p parts) {
	buf := make([]byte, 0, maxMessageKeys+copySize(&a.Message))
	// cut returns what was appended to buf since the last cut.
	cut := func(grown []byte) []byte {
		n := len(buf)
		buf = grown
		return buf[n:len(buf):len(buf)]
	}
	p.record = cut(appendCopy(buf, &a.Message))
	p.sentKey = cut(appendSentKey(buf, app, &a.Message, a.Sum))
	p.sent = cut(appendSent(buf, sent{time: a.Time}))
	p.expiry = cut(appendExpiryKey(buf, &expiry{expires: a.Expires, app: app, to: a.To, from: a.From, key: a.Key, sum: a.Sum}))
	if a.ToBox {
		p.to.copy = cut(appendCopyKey(buf, app, a.To, 0))
		p.to.conversation = cut(appendConversationKey(buf, app, a.To, a.From, a.Key, 0))
	}
	if a.FromBox && (!a.ToBox || a.From != a.To) { // to oneself: one copy
		p.from.copy = cut(appendCopyKey(buf, app, a.From, 0))
		p.from.conversation = cut(appendConversationKey(buf, app, a.From, a.To, a.Key, 0))
	}
	return p
}

// appendOp appends messages.
type appendOp struct {
	app   account.SDKAppID
	all   []message.Append
	parts []parts
	out   []message.Appended

	earlier []earlier // of all, aligned
}

// earlier is the latest message that one may be the same as.
type earlier struct {
	sent
	known bool
	same  bool // it is
	call  int  // its place in the same call, plus 1; 0 if it was stored before
}

// stage decides all before it stages the first, so that a call is all or nothing.
func (op *appendOp) stage(c *committer) error {
	if err := op.compare(c); err != nil {
		return err
	}
	for i := range op.all {
		if op.earlier[i].same {
			continue
		}
		for _, owner := range [2]account.UserID{op.all[i].To, op.all[i].From} {
			if err := c.boxes.load(boxID{op.app, owner}); err != nil {
				return err
			}
		}
	}
	for i := range op.all {
		op.write(c, i)
	}
	return nil
}

// compare finds out which messages are the same as earlier ones.
func (op *appendOp) compare(c *committer) error {
	if err := c.boxes.sent.load(); err != nil {
		return err
	}
	op.earlier = make([]earlier, len(op.all))
	var inCall map[string]earlier
	if len(op.all) > 1 {
		inCall = make(map[string]earlier, len(op.all))
	}
	for i := range op.all {
		a, e := &op.all[i], &op.earlier[i]
		var seen bool
		if *e, seen = inCall[string(op.parts[i].sentKey)]; !seen {
			var err error
			if e.sent, e.known, err = c.sent(op.parts[i].sentKey, min(a.Since, a.Time)); err != nil {
				return err
			}
		}
		e.same = e.known && e.time >= a.Since
		if !e.same && inCall != nil && (!e.known || e.time <= a.Time) {
			inCall[string(op.parts[i].sentKey)] = earlier{sent: sent{time: a.Time}, known: true, call: i + 1}
		}
	}
	return nil
}

// sent returns the record of a message; ok is false if there is none, and may be if it is
// older than since.
func (c *committer) sent(key []byte, since int64) (r sent, ok bool, err error) {
	if !c.boxes.sent.mayHave(key, since) {
		return sent{}, false, nil
	}
	if err := c.apply(); err != nil {
		return sent{}, false, err
	}
	return getSent(c.db, key)
}

func getSent(db pebble.Reader, key []byte) (r sent, ok bool, err error) {
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return sent{}, false, nil
	}
	if err != nil {
		return sent{}, false, fmt.Errorf("read sent message: %w", err)
	}
	r, err = decodeSent(value)
	return r, err == nil, errors.Join(err, closer.Close())
}

// write stages message i and sets what became of it.
func (op *appendOp) write(c *committer, i int) {
	a, e, p, out := &op.all[i], &op.earlier[i], &op.parts[i], &op.out[i]
	switch {
	case e.same && e.call > 0:
		*out = op.out[e.call-1]
		out.Duplicate = true
		return
	case e.same:
		*out = message.Appended{Key: a.Key, Duplicate: true, ToBox: e.toBox, FromBox: e.fromBox}
		out.Time = e.time
		return
	}
	out.Key = a.Key
	if p.to.copy != nil {
		out.ToBox = c.boxes.next(boxID{op.app, a.To})
		p.to.stage(c, out.ToBox, p.record)
		if a.FromBox && a.From == a.To {
			out.FromBox = out.ToBox
		}
	}
	if p.from.copy != nil {
		out.FromBox = c.boxes.next(boxID{op.app, a.From})
		p.from.stage(c, out.FromBox, p.record)
	}
	putNumbers(p.sent, out.ToBox, out.FromBox)
	if !e.known || e.time <= a.Time {
		c.edits = append(c.edits, edit{key: p.sentKey, value: p.sent})
		c.boxes.sent.add(p.sentKey, a.Time)
	}
	putNumbers(p.expiry, out.ToBox, out.FromBox)
	c.expire(p.expiry)
}

func (p *copyParts) stage(c *committer, number uint64, record []byte) {
	putNumber(p.copy, number)
	putNumber(p.conversation, number)
	c.edits = append(c.edits, edit{key: p.copy, value: record}, edit{key: p.conversation, value: []byte{}})
}

func putNumber(b []byte, number uint64) { binary.BigEndian.PutUint64(b[len(b)-8:], number) }

func putNumbers(b []byte, to, from uint64) {
	putNumber(b[:len(b)-8], to)
	putNumber(b, from)
}
