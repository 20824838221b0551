package faulttest_test

import (
	"context"
	"testing"

	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// messagesOf are those of the i-th call, of which both accounts keep a copy.
func messagesOf(i uint32) (all []message.Append) {
	for j := range uint32(2) {
		m := message.Message{Key: message.Key{Time: 50, Seq: i, Random: j}, From: "ann", To: "bob", Body: []byte("[]"), Expires: 1 << 40}
		all = append(all, message.Append{Message: m, ToBox: true, FromBox: true})
	}
	return all
}

func sendMessages(ctx context.Context, s *pebblestore.Store, i uint32, acked *acknowledged) error {
	done, err := s.AppendMessages(ctx, app, messagesOf(i))
	if err == nil {
		acked.sent[i] = done[0].ToBox
	}
	return err
}

// verifyMessages checks that what was acknowledged is there under its number, that of each
// call there is all or nothing, also when it is repeated, and that no number is missing.
func verifyMessages(t *testing.T, when string, s *pebblestore.Store, acked acknowledged) {
	t.Helper()
	for i := range uint32(batches) {
		done, err := s.AppendMessages(t.Context(), app, messagesOf(i))
		if err != nil {
			t.Fatalf("%s: send again: %v", when, err)
		}
		if done[0].Duplicate != done[1].Duplicate || done[1].ToBox != done[0].ToBox+1 || done[0].ToBox != done[0].FromBox {
			t.Errorf("%s: half of call %d is there: %+v", when, i, done)
		}
		if number, ok := acked.sent[i]; ok && (!done[0].Duplicate || done[0].ToBox != number) {
			t.Errorf("%s: call %d was acknowledged with %d and gave %+v again", when, i, number, done)
		}
	}
	copies, last, err := s.ReadBox(t.Context(), app, "bob", 0, 10*batches, 60)
	if err != nil || last != 2*batches || len(copies) != 2*batches {
		t.Errorf("%s: the box has %d copies, its last number is %d (%v); want %d", when, len(copies), last, err, 2*batches)
	}
	for i := range copies {
		if copies[i].Box != uint64(i+1) {
			t.Errorf("%s: number %d stands in the place of %d", when, copies[i].Box, i+1)
		}
	}
}
