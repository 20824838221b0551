package pebblestore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// TestFsckMessages has fsck look at a store with everything that there is of messages, and
// then find what was damaged.
func TestFsckMessages(t *testing.T) {
	fs := vfs.NewMem()
	fillMessages(t, fs)
	faults := func() []string {
		t.Helper()
		r, err := pebblestore.Fsck(t.Context(), "store", pebblestore.Options{FS: fs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Faults
	}
	if found := faults(); len(found) > 0 {
		t.Fatalf("a sound store has the faults %q", found)
	}
	damages := []struct {
		fault string
		write func(b *pebble.Batch) error
	}{
		{"box of \"bob\" of App 1, number 1: corrupted copy", func(b *pebble.Batch) error {
			return b.Set(pebblestore.CopyKey(1, "bob", 1), []byte("broken"), nil)
		}},
		{"no last number is stored", func(b *pebble.Batch) error {
			return b.Delete(pebblestore.LastKey(1, "bob"), nil)
		}},
		{"the last number given is 1", func(b *pebble.Batch) error {
			return b.Set(pebblestore.LastKey(1, "ann"), []byte{0, 0, 0, 0, 0, 0, 0, 1}, nil)
		}},
		{"has no 2, its conversation has", func(b *pebble.Batch) error {
			return b.Delete(pebblestore.CopyKey(1, "ann", 2), nil)
		}},
		{"malformed key of messages: \"exx\"", func(b *pebble.Batch) error { return b.Set([]byte("exx"), nil, nil) }},
		{"malformed last number \"l\"", func(b *pebble.Batch) error { return b.Set([]byte("l"), nil, nil) }},
		{"sent message \"dxx\"", func(b *pebble.Batch) error { return b.Set([]byte("dxx"), nil, nil) }},
	}
	for _, d := range damages {
		if err := pebblestore.Damage("store", pebblestore.Options{FS: fs}, d.write); err != nil {
			t.Fatal(err)
		}
		if found := strings.Join(faults(), "\n"); !strings.Contains(found, d.fault) {
			t.Errorf("%q is not among the faults %s", d.fault, found)
		}
	}
}

func fillMessages(t *testing.T, fs vfs.FS) {
	t.Helper()
	s, err := pebblestore.Open("store", pebblestore.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Import(t.Context(), 1, account.Batch{Entries: []account.Entry{{UserID: "ann"}, {UserID: "bob"}, {UserID: "cal"}}, At: 50})
	must(err)
	var all []message.Append
	for i := range uint32(6) {
		m := message.Message{
			Key:  message.Key{Time: 50, Seq: i, Random: 1},
			From: "ann", To: []account.UserID{"bob", "cal"}[i%2], Body: fmt.Appendf(nil, "[%d]", i), Expires: 100 + int64(i),
		}
		all = append(all, message.Append{Message: m, ToBox: true, FromBox: true})
	}
	_, err = s.AppendMessages(t.Context(), 1, all)
	must(err)
	_, _, err = s.Recall(t.Context(), 1, "ann", "bob", all[4].Key)
	must(err)
	_, err = s.SetRead(t.Context(), 1, "bob", "ann", 50)
	must(err)
	must(s.SetSeen(t.Context(), 1, "dan", "i", 1)) // whose box is empty
	_, err = s.Delete(t.Context(), 1, []account.UserID{"cal"}, 60)
	must(err)
	n, err := s.SweepMessages(t.Context(), 100, 1) // half of a message
	must(err)
	if n != 1 {
		t.Errorf("%d copies were swept; want 1", n)
	}
}
