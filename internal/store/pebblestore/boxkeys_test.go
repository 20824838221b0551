package pebblestore

import (
	"bytes"
	"cmp"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

func drawMessage(t *rapid.T) message.Message {
	id := rapid.StringMatching(`[!-~]{1,32}`)
	return message.Message{
		Key:       message.Key{Time: rapid.Int64().Draw(t, "time"), Seq: rapid.Uint32().Draw(t, "seq"), Random: rapid.Uint32().Draw(t, "random")},
		From:      account.UserID(id.Draw(t, "from")),
		To:        account.UserID(id.Draw(t, "to")),
		Flags:     message.Flags(rapid.Uint8().Draw(t, "flags")),
		Body:      []byte(rapid.StringN(1, 300, -1).Draw(t, "body")),
		CloudData: rapid.String().Draw(t, "cloud"),
		Expires:   rapid.Int64().Draw(t, "expires"),
	}
}

func TestCopyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		value := appendCopy(nil, &want)
		if got, err := decodeCopy(value); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
		if len(value) > copySize(&want) {
			t.Fatalf("a record of %d bytes was to take %d", len(value), copySize(&want))
		}
		if _, err := decodeCopy(value[:len(value)-1]); err == nil {
			t.Fatal("a record that lost its last byte was read")
		}
		if _, err := decodeCopy(append(value, 0)); err == nil {
			t.Fatal("a record with a byte too many was read")
		}
	})
}

func TestBoxKeysRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := account.SDKAppID(rapid.Uint32().Draw(t, "app"))
		m, number := drawMessage(t), rapid.Uint64().Draw(t, "number")
		for want, key := range map[boxKey][]byte{
			{app: app, owner: m.To, kind: kindCopy, number: number}: appendCopyKey(nil, app, m.To, number),
			{app: app, owner: m.To, kind: kindConversation, peer: m.From, key: m.Key, number: number}: appendConversationKey(
				nil, app, m.To, m.From, m.Key, number),
			{app: app, owner: m.To, kind: kindRead, peer: m.From}:         readKey(app, m.To, m.From),
			{app: app, owner: m.To, kind: kindSeen, instance: "a/" + "b"}: seenKey(app, m.To, "a/b"),
		} {
			if got, ok := splitBoxKey(key); !ok || got != want {
				t.Fatalf("%+v came back as %+v, %t", want, got, ok)
			}
			lower, upper := ownerBounds(app, m.To)
			if bytes.Compare(key, lower) < 0 || bytes.Compare(key, upper) >= 0 {
				t.Fatalf("key %q is not between %q and %q", key, lower, upper)
			}
		}
		want := expiry{
			expires: m.Expires, app: app, to: m.To, from: m.From, key: m.Key, sum: rapid.Uint32().Draw(t, "sum"), toBox: number, fromBox: 7,
		}
		if got, ok := splitExpiryKey(appendExpiryKey(nil, &want)); !ok || got != want {
			t.Fatalf("%+v came back as %+v, %t", want, got, ok)
		}
	})
}

// TestBoxKeysInOrder holds that bytes are in the order of what they say.
func TestBoxKeysInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := drawMessage(t), drawMessage(t)
		kx, ky := appendConversationKey(nil, 1, "a", "b", x.Key, 0), appendConversationKey(nil, 1, "a", "b", y.Key, 0)
		if bytes.Compare(kx, ky) != x.Compare(y.Key) {
			t.Fatalf("%s and %s are in another order than their keys", x.Key, y.Key)
		}
		ex, ey := expiry{expires: x.Expires}, expiry{expires: y.Expires}
		if c := cmp.Compare(x.Expires, y.Expires); c != 0 && bytes.Compare(appendExpiryKey(nil, &ex), appendExpiryKey(nil, &ey)) != c {
			t.Fatalf("%d and %d are in another order than their keys", x.Expires, y.Expires)
		}
		if bytes.Compare(appendExpiryKey(nil, &ex), expiryBound(y.Expires)) < 0 != (x.Expires <= y.Expires) {
			t.Fatalf("what expires at %d is on the wrong side of the bound of %d", x.Expires, y.Expires)
		}
	})
}

// FuzzDecodeCopy holds that no bytes make the decoders panic, and that what they accept is
// read back as it is.
func FuzzDecodeCopy(f *testing.F) {
	m := message.Message{Key: message.Key{Time: 1_800_000_000, Seq: 1, Random: 2}, From: "ann", To: "bob", Body: []byte("[]"), CloudData: "c"}
	f.Add(appendCopyKey(nil, 1, "ann", 7), appendCopy(nil, &m))
	f.Add(appendExpiryKey(nil, &expiry{expires: 9, to: "bob", from: "ann"}), []byte{copyVersion, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if e, ok := splitExpiryKey(key); ok {
			if again, ok := splitExpiryKey(appendExpiryKey(nil, &e)); !ok || again != e {
				t.Fatalf("%x is %+v, and then %+v", key, e, again)
			}
		}
		_, _ = splitBoxKey(key)
		m, err := decodeCopy(value)
		if err != nil {
			return
		}
		again, err := decodeCopy(appendCopy(nil, &m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%x is %+v, and then %+v, %v", value, m, again, err)
		}
	})
}
