package usersig_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/usersig"
)

// FuzzParse feeds Parse and Explain any text, and the same text packed as the content of
// a UserSig, which random bytes would hardly ever be.
func FuzzParse(f *testing.F) {
	vectors := loadVectors(f) // fails if there are none
	for _, v := range vectors {
		f.Add(v.UserSig)
		f.Add(v.UserSig[:len(v.UserSig)/2])
	}
	f.Add("")
	f.Add(pack(f, strings.Repeat(" ", 1<<20), zlib.BestCompression, ""))
	f.Add(`{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":"1","TLS.expire":1,"TLS.time":1,` + someMAC + `,"TLS.userbuf":""}`)
	f.Add(`{"a" : "\"}\\" , "\u0062":[{"c":"]"}, "," ],"":{} }`)
	f.Add(`{}`)
	f.Add(`{"TLS.ver":"1.0","TLS.ver":null,"x":[{}]`)
	f.Fuzz(func(t *testing.T, text string) {
		tryParse(t, text)
		if packed := pack(t, text, zlib.BestSpeed, ""); len(packed) <= usersig.MaxLen {
			tryParse(t, packed)
			compareFields(t, text, usersig.Explain(packed, nil, usersig.Expect{}))
		}
	})
}

// compareFields holds the fields that were found in text to those that encoding/json finds.
func compareFields(t *testing.T, text string, e usersig.Explanation) {
	t.Helper()
	if e.FailedAt != "" && e.FailedAt != usersig.StageFields {
		return
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%q was accepted: %v", text, err)
	}
	got := make(map[string]json.RawMessage)
	for _, f := range e.Fields {
		got[f.Name] = f.Value
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(e.Fields) {
		t.Errorf("fields of %q (-want +got):\n%s", text, diff)
	}
}

func tryParse(t *testing.T, s string) {
	t.Helper()
	key := "k"
	sig, err := usersig.Parse(s)
	e := usersig.Explain(s, keys(key), usersig.Expect{Now: 1})
	if err != nil {
		if stage := stageOf(t, err); !stage.Decoding() || stage != e.FailedAt || e.Claims != nil {
			t.Errorf("Parse fails at %s, Explain at %s with claims %v", stage, e.FailedAt, e.Claims)
		}
		return
	}
	if len(s) > usersig.MaxLen || e.Encoding.JSON > usersig.MaxJSON {
		t.Errorf("accepted %d bytes, %d inflated", len(s), e.Encoding.JSON)
	}
	if diff := cmp.Diff(sig.Claims, *e.Claims); diff != "" {
		t.Errorf("Parse and Explain disagree (-parse +explain):\n%s", diff)
	}
	// What Parse accepts can be signed, the limits of Sign's own packing apart.
	again, err := usersig.Sign([]byte(key), sig.Claims)
	if err != nil {
		if sig.SDKAppID != 0 && len(sig.Identifier)+len(sig.UserBuf) < 256 {
			t.Errorf("Sign refuses the parsed claims %+v: %v", sig.Claims, err)
		}
		return
	}
	second, err := usersig.Parse(again)
	if err != nil {
		t.Fatalf("Parse refuses what Sign made: %v", err)
	}
	if diff := cmp.Diff(sig.Claims, second.Claims); diff != "" {
		t.Errorf("signed again (-want +got):\n%s", diff)
	}
}

// FuzzRoundTrip signs claims, expects them back, and expects that no claim can be changed
// without the MAC noticing.
func FuzzRoundTrip(f *testing.F) {
	for _, v := range loadVectors(f) { // fails if there are none
		f.Add(v.Key, v.Identifier, v.SDKAppID, v.Time, v.Expire, []byte(nil), false)
		f.Add(v.Key, v.Identifier, v.SDKAppID, v.Time, v.Expire, []byte("buffer"), true)
	}
	f.Add("k", "1\nTLS.sdkappid:2", uint64(1), int64(-1), int64(0), []byte{}, true)
	f.Fuzz(func(t *testing.T, key, id string, app uint64, at, expire int64, buf []byte, hasBuf bool) {
		c := usersig.Claims{Identifier: id, SDKAppID: app, Time: at, Expire: expire}
		if hasBuf {
			c.UserBuf = append([]byte{}, buf...)
		}
		s, err := usersig.Sign([]byte(key), c)
		if err != nil {
			if key != "" && isPlain(id) && app != 0 && at >= 0 && expire >= 0 && at+expire >= 0 && len(buf) < 1024 {
				t.Fatalf("Sign refuses %+v: %v", c, err)
			}
			return
		}
		want := usersig.Expect{SDKAppID: app, Identifier: id, Now: c.ExpiresAt()}
		got, err := usersig.Verify(s, keys(key), want)
		if err != nil {
			t.Fatalf("Verify refuses what Sign made of %+v: %v", c, err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		noClaimCanBeChanged(t, s, []byte(key))
	})
}

func noClaimCanBeChanged(t *testing.T, s string, key []byte) {
	t.Helper()
	good, err := usersig.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*usersig.Sig){
		"identifier": func(s *usersig.Sig) { s.Identifier += "x" },
		"sdkappid":   func(s *usersig.Sig) { s.SDKAppID ^= 1 },
		"time":       func(s *usersig.Sig) { s.Time ^= 1 },
		"expire":     func(s *usersig.Sig) { s.Expire ^= 1 },
		"userbuf":    func(s *usersig.Sig) { s.UserBuf = append([]byte{1}, s.UserBuf...) },
		"no userbuf": func(s *usersig.Sig) {
			if s.UserBuf == nil {
				s.UserBuf = []byte{}
			} else {
				s.UserBuf = nil
			}
		},
		"mac": func(s *usersig.Sig) { s.MAC = append([]byte{s.MAC[0] ^ 1}, s.MAC[1:]...) },
	} {
		forged := good
		change(&forged)
		if forged.VerifyMAC(key) {
			t.Errorf("the changed %s is not noticed", name)
		}
	}
	if !good.VerifyMAC(key) || good.VerifyMAC(append([]byte("x"), key...)) {
		t.Error("the MAC does not depend on the key alone")
	}
}

// FuzzParseUserBuf expects that what ParseUserBuf accepts is exactly what Encode makes.
func FuzzParseUserBuf(f *testing.F) {
	for _, u := range []usersig.UserBuf{numberedRoom, namedRoom, {}} {
		b, err := u.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := usersig.ParseUserBuf(b)
		if err != nil {
			return
		}
		again, err := u.Encode()
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%x was parsed as %+v, which is encoded as %x, %v", b, u, again, err)
		}
	})
}

// isPlain reports whether an identifier is short and surely allowed.
func isPlain(id string) bool {
	return id != "" && len(id) <= 32 && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r >= 0x7f })
}
