package pebblestore

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

func TestPushRoundTrip(t *testing.T) {
	text := rapid.StringMatching(`[!-~]{0,64}|.{0,200}`)
	draw := func(t *rapid.T) presence.PushDevice {
		return presence.PushDevice{
			PushKey: presence.PushKey{
				SDKAppID:   account.SDKAppID(rapid.Uint32().Draw(t, "app")),
				UserID:     account.UserID(text.Draw(t, "name")),
				Platform:   presence.Platform(text.Draw(t, "platform")),
				InstanceID: text.Draw(t, "instance"),
			},
			Seen: rapid.Int64().Draw(t, "seen"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want, other := draw(t), draw(t)
		key, value := pushKey(&want.PushKey), pushRecord(&want)
		if got, err := decodePush(key, value); err != nil || got != want {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
		if bytes.Equal(key, pushKey(&other.PushKey)) != (want.PushKey == other.PushKey) {
			t.Fatalf("%+v and %+v have the same key", want.PushKey, other.PushKey)
		}
		if _, err := decodePush(key, value[:len(value)-1]); err == nil {
			t.Fatal("a record that lost its last byte was read")
		}
		if _, err := decodePush(key, append(value, 0)); err == nil {
			t.Fatal("a record with a byte too many was read")
		}
	})
}

// FuzzDecodePush holds that no bytes make the decoder panic, and that what it accepts is
// read back as it is.
func FuzzDecodePush(f *testing.F) {
	d := presence.PushDevice{
		PushKey: presence.PushKey{SDKAppID: 1, UserID: "ann", Platform: presence.IPad, InstanceID: "a/b|c"}, Seen: 1_800_000_000,
	}
	f.Add(pushKey(&d.PushKey), pushRecord(&d))
	f.Add([]byte("p\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte{pushVersion, 0})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		d, err := decodePush(key, value)
		if err != nil {
			return
		}
		again, err := decodePush(pushKey(&d.PushKey), pushRecord(&d))
		if err != nil || again != d {
			t.Fatalf("%x = %x decodes to %+v, which encodes to something else: %+v, %v", key, value, d, again, err)
		}
	})
}
