package usersig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/usersig"
)

func mustSign(tb testing.TB, key string, c usersig.Claims) string {
	tb.Helper()
	s, err := usersig.Sign([]byte(key), c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func keys(texts ...string) [][]byte {
	out := make([][]byte, len(texts))
	for i, t := range texts {
		out[i] = []byte(t)
	}
	return out
}

func TestVerifyStopsAtTheFirstFailure(t *testing.T) {
	const end = specTime + specExpire
	good := usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: specTime}
	with := func(change func(*usersig.Expect)) usersig.Expect {
		want := good
		change(&want)
		return want
	}
	sig := specVectors[1].UserSig
	for _, tc := range []struct {
		name  string
		keys  [][]byte
		want  usersig.Expect
		stage usersig.Stage // "" if it passes
	}{
		{"all well", keys(specKey), good, ""},
		{"a year before its time", keys(specKey), with(func(e *usersig.Expect) { e.Now -= 365 * 86400 }), ""},
		{"a second before its time", keys(specKey), with(func(e *usersig.Expect) { e.Now-- }), ""},
		{"last second", keys(specKey), with(func(e *usersig.Expect) { e.Now = end }), ""},
		{"a second too late", keys(specKey), with(func(e *usersig.Expect) { e.Now = end + 1 }), usersig.StageExpiry},
		{"the end of time", keys(specKey), with(func(e *usersig.Expect) { e.Now = math.MaxInt64 }), usersig.StageExpiry},
		{"valid-from the second before", keys(specKey), with(func(e *usersig.Expect) { e.ValidFrom = specTime - 1 }), ""},
		{"valid-from the same second", keys(specKey), with(func(e *usersig.Expect) { e.ValidFrom = specTime }), usersig.StageValidFrom},
		{"valid-from the second after", keys(specKey), with(func(e *usersig.Expect) { e.ValidFrom = specTime + 1 }), usersig.StageValidFrom},
		{"new key first", keys("new", specKey), good, ""},
		{"old key first", keys(specKey, "new"), good, ""},
		{"only the new key", keys("new"), good, usersig.StageMAC},
		{"key in another case", keys(strings.ToUpper(specKey)), good, usersig.StageMAC},
		{"no key", nil, good, usersig.StageMAC},
		{"empty key", keys(""), good, usersig.StageMAC},
		{"other account", keys(specKey), with(func(e *usersig.Expect) { e.Identifier = "user_02" }), usersig.StageIdentifier},
		{"other case", keys(specKey), with(func(e *usersig.Expect) { e.Identifier = "User_01" }), usersig.StageIdentifier},
		{"no account", keys(specKey), with(func(e *usersig.Expect) { e.Identifier = "" }), usersig.StageIdentifier},
		{"other App", keys(specKey), with(func(e *usersig.Expect) { e.SDKAppID++ }), usersig.StageSDKAppID},
		{"no App", keys(specKey), with(func(e *usersig.Expect) { e.SDKAppID = 0 }), usersig.StageSDKAppID},
		{"sdkappid before identifier", keys("x"), usersig.Expect{SDKAppID: 1, Identifier: "x", Now: end + 1, ValidFrom: end}, usersig.StageSDKAppID},
		{"identifier before MAC", keys("x"), usersig.Expect{SDKAppID: specApp, Identifier: "x", Now: end + 1, ValidFrom: end}, usersig.StageIdentifier},
		{"MAC before valid-from", keys("x"), usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: end + 1, ValidFrom: end}, usersig.StageMAC},
		{"valid-from before expiry", keys(specKey), usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: end + 1, ValidFrom: end}, usersig.StageValidFrom},
	} {
		t.Run(tc.name, func(t *testing.T) {
			claims, err := usersig.Verify(sig, tc.keys, tc.want)
			if got := stageOf(t, err); got != tc.stage {
				t.Fatalf("got %v, want stage %q", err, tc.stage)
			}
			want := specClaims("user_01")
			if tc.stage != "" {
				want = usersig.Claims{}
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if tc.stage == usersig.StageValidFrom || tc.stage == usersig.StageExpiry || tc.stage == "" {
				if got := stageOf(t, specClaims("user_01").CheckTimes(tc.want)); got != tc.stage {
					t.Errorf("CheckTimes fails at %q, want %q", got, tc.stage)
				}
			}
		})
	}
}

// TestAnEmptyKeyVerifiesNothing matters for an App whose Key was left out: anybody could
// sign for it.
func TestAnEmptyKeyVerifiesNothing(t *testing.T) {
	h := hmac.New(sha256.New, nil)
	h.Write([]byte("TLS.identifier:user_01\nTLS.sdkappid:1400000000\nTLS.time:1700000000\nTLS.expire:86400\n"))
	sig := usersig.Sig{Claims: specClaims("user_01"), MAC: h.Sum(nil)}
	if sig.VerifyMAC(nil) || sig.VerifyMAC([]byte{}) {
		t.Error("a MAC made with the empty key was accepted")
	}
	// HMAC pads keys with zeros, so to it this is the empty key.
	if !sig.VerifyMAC([]byte("\x00")) {
		t.Error("the MAC of this test is wrong, so it proves nothing")
	}
}

func TestReasonsNameTheMeasuredSkew(t *testing.T) {
	c := specClaims("user_01")
	for name, tc := range map[string]struct {
		want usersig.Expect
		part string
	}{
		"expired":     {usersig.Expect{Now: specTime + specExpire + 7}, "expired 7 s ago: it was made at 1700000000 for 86400 s; if it was made just now, the signer's clock is 86407 s behind"},
		"kicked":      {usersig.Expect{Now: specTime + 5, ValidFrom: specTime + 3}, "those made up to 1700000003 were invalidated; if it was made just now, the signer's clock is 5 s behind"},
		"clock ahead": {usersig.Expect{Now: specTime - 5, ValidFrom: specTime}, "made at 1700000000, those made up to 1700000000 were invalidated"},
	} {
		if err := c.CheckTimes(tc.want); err == nil || !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.part)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	good := specClaims("user_01")
	with := func(change func(*usersig.Claims)) usersig.Claims {
		c := good
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name   string
		key    string
		claims usersig.Claims
		reason string
	}{
		{"empty key", "", good, "key is empty"},
		{"no App", "k", with(func(c *usersig.Claims) { c.SDKAppID = 0 }), "SDKAppID is 0"},
		{"no identifier", "k", with(func(c *usersig.Claims) { c.Identifier = "" }), "identifier is empty"},
		{"identifier not UTF-8", "k", with(func(c *usersig.Claims) { c.Identifier = "\xff" }), "not UTF-8"},
		{"newline", "k", with(func(c *usersig.Claims) { c.Identifier = "a\nTLS.sdkappid:1" }), "U+000A"},
		{"NUL", "k", with(func(c *usersig.Claims) { c.Identifier = "a\x00" }), "U+0000"},
		{"C1 control", "k", with(func(c *usersig.Claims) { c.Identifier = "a\u0085" }), "U+0085"},
		{"negative time", "k", with(func(c *usersig.Claims) { c.Time = -1 }), "time is negative"},
		{"negative validity", "k", with(func(c *usersig.Claims) { c.Expire = -1 }), "validity is negative"},
		{"overflow", "k", with(func(c *usersig.Claims) { c.Expire = math.MaxInt64 - specTime + 1 }), "out of range"},
		{"too long", "k", with(func(c *usersig.Claims) { c.UserBuf = make([]byte, 3000) }), "limit is 4096"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := usersig.Sign([]byte(tc.key), tc.claims)
			if err == nil || s != "" || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("Sign = %q, %v, want an error with %q", s, err, tc.reason)
			}
		})
	}
}

func TestSignAtTheLimits(t *testing.T) {
	for name, c := range map[string]usersig.Claims{
		"longest validity": {Identifier: "a", SDKAppID: math.MaxUint64, Time: specTime, Expire: math.MaxInt64 - specTime},
		"all zero":         {Identifier: "a", SDKAppID: 1},
		"empty userbuf":    {Identifier: "a", SDKAppID: 1, UserBuf: []byte{}},
		"long userbuf":     {Identifier: "a", SDKAppID: 1, UserBuf: make([]byte, 2048)},
		"HTML":             {Identifier: "<a&b>\u2028", SDKAppID: 1},
	} {
		want := usersig.Expect{SDKAppID: c.SDKAppID, Identifier: c.Identifier, Now: c.ExpiresAt()}
		got, err := usersig.Verify(mustSign(t, "k", c), keys("k"), want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestExpiresAtDoesNotOverflow(t *testing.T) {
	c := usersig.Claims{Time: 2, Expire: math.MaxInt64 - 1}
	if got := c.ExpiresAt(); got != math.MaxInt64 {
		t.Errorf("ExpiresAt = %d, want the greatest int64", got)
	}
	if got := specClaims("a").ExpiresAt(); got != specTime+specExpire {
		t.Errorf("ExpiresAt = %d, want %d", got, specTime+specExpire)
	}
}

// TestLongIdentifiersAreCutInReasons also goes through stageOf, which bounds the reason.
func TestLongIdentifiersAreCutInReasons(t *testing.T) {
	long := strings.Repeat("x", 2000)
	s := mustSign(t, "k", specClaims(long))
	_, err := usersig.Verify(s, keys("k"), usersig.Expect{SDKAppID: specApp, Identifier: "\x1b[31m"})
	if stageOf(t, err) != usersig.StageIdentifier {
		t.Fatalf("got %v, want a refusal at %s", err, usersig.StageIdentifier)
	}
	if strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("%q holds a control character", err)
	}
}
