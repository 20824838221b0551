package pebblestore

import (
	"bytes"
	"cmp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
)

func drawRecord(t *rapid.T) record {
	seconds := rapid.Int64Range(0, 1<<40)
	r := record{validFrom: seconds.Draw(t, "validFrom")}
	if rapid.Bool().Draw(t, "dead") {
		r.deletedAt = seconds.Draw(t, "deletedAt")
	} else {
		r.tinyID = account.FirstTinyID + account.TinyID(rapid.Uint64Range(0, 1<<60).Draw(t, "id"))
		r.created = seconds.Draw(t, "created")
	}
	r.profile.Nick = rapid.String().Draw(t, "nick")
	r.profile.FaceURL = rapid.String().Draw(t, "face")
	for _, tag := range rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "tags") {
		r.profile.Attrs = append(r.profile.Attrs, account.Attr{Tag: tag, Value: rapid.String().Draw(t, "value")})
	}
	return r
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		b := appendRecord(nil, &want)
		got, err := decodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(record{})); diff != "" {
			t.Fatal(diff)
		}
		if _, err := decodeRecord(b[:len(b)-1]); err == nil {
			t.Fatal("a record that lost its last byte was read")
		}
		if _, err := decodeRecord(append(b, 0)); err == nil {
			t.Fatal("a record with a byte too many was read")
		}
	})
}

func TestMostRecordsAreSmall(t *testing.T) {
	r := record{tinyID: account.FirstTinyID + 10_000_000, created: 1_800_000_000}
	if n := len(appendRecord(nil, &r)); n > 11 {
		t.Errorf("a plain account has %d bytes, want 11 at most: disk and log grow with it", n)
	}
}

// FuzzDecodeRecord holds that no bytes make the decoder panic and that whatever it
// accepts is the encoding of what it returns.
func FuzzDecodeRecord(f *testing.F) {
	seeds := []record{
		{tinyID: account.FirstTinyID, created: 1},
		{deletedAt: 5, validFrom: 5},
		{tinyID: account.FirstTinyID + 77, created: 1_800_000_000, validFrom: 9, profile: account.Profile{
			Nick: "n", FaceURL: "u", Attrs: []account.Attr{{Tag: "Tag_Profile_Custom_a", Value: `"x"`}},
		}},
	}
	for _, r := range seeds {
		f.Add(appendRecord(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(appendRecord(nil, &r))
		if err != nil || gocmp.Diff(r, again, gocmp.AllowUnexported(record{})) != "" {
			t.Fatalf("%x decodes to %+v, which encodes to something else (%v)", b, r, err)
		}
	})
}

func TestKeysSortLikeNames(t *testing.T) {
	name := rapid.StringMatching(`[!-~]{1,32}`)
	app := rapid.SampledFrom([]account.SDKAppID{1, 255, 256, 1400000001, 1<<32 - 1})
	rapid.Check(t, func(t *rapid.T) {
		appA, appB := app.Draw(t, "appA"), app.Draw(t, "appB")
		a, b := account.UserID(name.Draw(t, "a")), account.UserID(name.Draw(t, "b"))
		keyA, keyB := appendAccountKey(nil, appA, a), appendAccountKey(nil, appB, b)
		want := cmp.Or(cmp.Compare(appA, appB), cmp.Compare(a, b))
		if got := bytes.Compare(keyA, keyB); got != want {
			t.Fatalf("order of (%d,%s) and (%d,%s) is %d, of their keys %d", appA, a, appB, b, want, got)
		}
		gotApp, gotName, ok := splitAccountKey(keyA)
		if !ok || gotApp != appA || account.UserID(gotName) != a {
			t.Fatalf("key of (%d,%s) splits into (%d,%s,%v)", appA, a, gotApp, gotName, ok)
		}
		lower, upper := accountBounds(appA)
		inside := bytes.Compare(lower, keyB) <= 0 && bytes.Compare(keyB, upper) < 0
		if inside != (appA == appB) {
			t.Fatalf("key of App %d within the bounds of App %d: %v", appB, appA, inside)
		}
	})
}

func TestStagingSortsByKey(t *testing.T) {
	name := rapid.StringMatching(`(user_)?[!-~]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		var s staging
		for _, n := range rapid.SliceOfNDistinct(name, 1, 50, rapid.ID[string]).Draw(t, "names") {
			app := rapid.SampledFrom([]account.SDKAppID{1, 2}).Draw(t, "app")
			s.add(app, account.UserID(n), &record{tinyID: account.FirstTinyID})
		}
		s.sort()
		for i := 1; i < len(s.items); i++ {
			a, b := s.items[i-1], s.items[i]
			if bytes.Compare(s.buf[a.key:a.val], s.buf[b.key:b.val]) >= 0 {
				t.Fatalf("%q stands before %q", s.buf[a.key:a.val], s.buf[b.key:b.val])
			}
		}
	})
}
