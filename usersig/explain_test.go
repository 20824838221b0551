package usersig_test

import (
	"compress/zlib"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-im/muster/usersig"
)

// results returns the stages with the results, as "base64 passed".
func results(e usersig.Explanation) []string {
	out := make([]string, len(e.Checks))
	for i, r := range e.Checks {
		out[i] = string(r.Stage) + " " + string(r.Result)
	}
	return out
}

// withDecoded returns the results of a UserSig that can be decoded.
func withDecoded(checks ...string) []string {
	return append([]string{"base64 passed", "zlib passed", "json passed", "fields passed"}, checks...)
}

func TestExplainAValidSig(t *testing.T) {
	want := usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: specTime + 400}
	e := usersig.Explain(specVectors[1].UserSig, keys("new", specKey), want)
	left, claims := int64(86000), specClaims("user_01")
	expect := usersig.Explanation{
		Verdict: usersig.Valid,
		Reason:  "the UserSig is valid for another 86000 s",
		Claims:  &claims,
		Signed:  "2023-11-14T22:13:20Z",
		Expires: "2023-11-15T22:13:20Z",
		Left:    &left,
		Key:     2,
	}
	if diff := cmp.Diff(expect, e, cmpopts.IgnoreFields(usersig.Explanation{}, "Checks", "Fields", "Encoding")); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
	wantResults := withDecoded("sdkappid passed", "identifier passed", "mac passed", "valid-from skipped", "expiry passed")
	if diff := cmp.Diff(wantResults, results(e)); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Name+"="+string(f.Value))
	}
	if diff := cmp.Diff([]string{
		`TLS.ver="2.0"`, `TLS.identifier="user_01"`, `TLS.sdkappid=1400000000`, `TLS.expire=86400`, `TLS.time=1700000000`,
		`TLS.sig="vHUag0jFHjk53DIdmD6xx7EK2bDg/sbvxzbAvR+gAeE="`,
	}, names); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestExplainGoesOnAfterAFailure(t *testing.T) {
	c := specClaims("user_01")
	sig := mustSign(t, specKey, c)
	everything := usersig.Expect{SDKAppID: 1, Identifier: "x", Now: c.ExpiresAt() + 9, ValidFrom: specTime}
	for _, tc := range []struct {
		name     string
		sig      string
		keys     [][]byte
		want     usersig.Expect
		verdict  usersig.Verdict
		failedAt usersig.Stage
		text     string // a part of the reason or the advice
		results  []string
	}{
		{
			"all checks fail", sig, keys("x"), everything, usersig.Invalid, usersig.StageSDKAppID, "requested SDKAppID(1)",
			withDecoded("sdkappid failed", "identifier failed", "mac failed", "valid-from failed", "expiry failed"),
		},
		{
			"only the MAC", sig, keys("x"),
			usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: specTime},
			usersig.Invalid, usersig.StageMAC, "not signed with a key of SDKAppID 1400000000",
			withDecoded("sdkappid passed", "identifier passed", "mac failed", "valid-from skipped", "expiry passed"),
		},
		{
			"expired", sig, keys(specKey),
			usersig.Expect{Now: c.ExpiresAt() + 9},
			usersig.Invalid, usersig.StageExpiry, "expired 9 s ago",
			withDecoded("sdkappid skipped", "identifier skipped", "mac passed", "valid-from skipped", "expiry failed"),
		},
		{
			"kicked", sig, keys(specKey),
			usersig.Expect{Now: specTime + 1, ValidFrom: specTime},
			usersig.Invalid, usersig.StageValidFrom, "kicked or deleted",
			withDecoded("sdkappid skipped", "identifier skipped", "mac passed", "valid-from failed", "expiry passed"),
		},
		{
			"no expectations", sig, nil,
			usersig.Expect{},
			usersig.Unverified, "", "not checked: sdkappid, identifier, mac, expiry",
			withDecoded("sdkappid skipped", "identifier skipped", "mac skipped", "valid-from skipped", "expiry skipped"),
		},
		{
			"clock ahead", sig, keys(specKey),
			usersig.Expect{SDKAppID: specApp, Identifier: "user_01", Now: specTime - 90},
			usersig.Valid, "", "90 s in the future",
			withDecoded("sdkappid passed", "identifier passed", "mac passed", "valid-from skipped", "expiry passed"),
		},
		{
			"plain base64", "A+" + sig, keys(specKey), everything, usersig.Invalid, usersig.StageBase64, "plain base64",
			[]string{"base64 failed", "zlib skipped", "json skipped", "fields skipped", "sdkappid skipped", "identifier skipped", "mac skipped", "valid-from skipped", "expiry skipped"},
		},
		{
			"not zlib", "AAAA", keys(specKey), everything, usersig.Invalid, usersig.StageZlib, "exactly as the generator returned it",
			[]string{"base64 passed", "zlib failed", "json skipped", "fields skipped", "sdkappid skipped", "identifier skipped", "mac skipped", "valid-from skipped", "expiry skipped"},
		},
		{
			"not JSON", pack(t, "x", zlib.BestSpeed, ""), keys(specKey), everything, usersig.Invalid, usersig.StageJSON, "not one JSON object",
			[]string{"base64 passed", "zlib passed", "json failed", "fields skipped", "sdkappid skipped", "identifier skipped", "mac skipped", "valid-from skipped", "expiry skipped"},
		},
		{
			"version 1.0", pack(t, `{"TLS.identifier":"u"}`, zlib.BestSpeed, ""), keys(specKey), everything, usersig.Invalid, usersig.StageFields, "version 1.0",
			[]string{"base64 passed", "zlib passed", "json passed", "fields failed", "sdkappid skipped", "identifier skipped", "mac skipped", "valid-from skipped", "expiry skipped"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := usersig.Explain(tc.sig, tc.keys, tc.want)
			if e.Verdict != tc.verdict || e.FailedAt != tc.failedAt {
				t.Errorf("verdict %s at %q, want %s at %q", e.Verdict, e.FailedAt, tc.verdict, tc.failedAt)
			}
			if text := e.Reason + "\n" + e.Advice; !strings.Contains(text, tc.text) {
				t.Errorf("%q is not in %q", tc.text, text)
			}
			if (e.Verdict == usersig.Invalid) != (e.Advice != "") && e.Skew == 0 {
				t.Errorf("verdict %s with the advice %q", e.Verdict, e.Advice)
			}
			if diff := cmp.Diff(tc.results, results(e)); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("json.Marshal: %v", err)
			}
		})
	}
}

// TestExplainAgreesWithVerify holds Explain to the verdict of Verify where every
// expectation is given.
func TestExplainAgreesWithVerify(t *testing.T) {
	sig := mustSign(t, specKey, specClaims("user_01"))
	for _, app := range []uint64{specApp, 1} {
		for _, id := range []string{"user_01", "x"} {
			for _, key := range []string{specKey, "x"} {
				for _, validFrom := range []int64{specTime - 1, specTime} {
					for _, now := range []int64{specTime, specTime + specExpire + 1} {
						want := usersig.Expect{SDKAppID: app, Identifier: id, Now: now, ValidFrom: validFrom}
						_, err := usersig.Verify(sig, keys(key), want)
						e := usersig.Explain(sig, keys(key), want)
						if got := stageOf(t, err); got != e.FailedAt {
							t.Errorf("%+v with key %q: Verify fails at %q, Explain at %q", want, key, got, e.FailedAt)
						}
						if (err == nil) != (e.Verdict == usersig.Valid) {
							t.Errorf("%+v with key %q: Verify says %v, Explain %s", want, key, err, e.Verdict)
						}
					}
				}
			}
		}
	}
}

func TestExplainShowsEncodingAndUserBuf(t *testing.T) {
	const minimal = `{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":1,"TLS.expire":1,"TLS.time":1,` + someMAC + `}`
	for level, want := range map[int]usersig.Encoding{
		zlib.NoCompression:      {Level: "fastest", Stored: true},
		zlib.BestSpeed:          {Level: "fastest"},
		zlib.DefaultCompression: {Level: "default"},
		zlib.BestCompression:    {Level: "best"},
	} {
		s := pack(t, minimal, level, "")
		want.Chars, want.Compressed, want.JSON = len(s), len(unarmor(t, s)), len(minimal)
		if diff := cmp.Diff(want, usersig.Explain(s, nil, usersig.Expect{}).Encoding); diff != "" {
			t.Errorf("level %d (-want +got):\n%s", level, diff)
		}
	}
	e := usersig.Explain(mustSign(t, specKey, withUserBuf(t, namedRoom)), nil, usersig.Expect{})
	if diff := cmp.Diff(&namedRoom, e.UserBuf); diff != "" {
		t.Errorf("UserBuf (-want +got):\n%s", diff)
	}
	e = usersig.Explain(mustSign(t, specKey, usersig.Claims{Identifier: "a", SDKAppID: 1, Time: 1, Expire: math.MaxInt64 - 1}), nil, usersig.Expect{Now: 1})
	if e.Signed != "1970-01-01T00:00:01Z" || e.Expires != "" || *e.Left != math.MaxInt64-1 {
		t.Errorf("signed %q, expires %q, left %d", e.Signed, e.Expires, *e.Left)
	}
}

func TestExplainNamesTheSlipWithTheKey(t *testing.T) {
	raw, err := hex.DecodeString(specKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ signer, here, slip string }{
		"signer decoded the digits": {string(raw), specKey, "; the signer decoded the hexadecimal digits of the Key"},
		"white space here":          {specKey, specKey + "\n", "; the Key given here has white space around it"},
		"line break at the signer":  {specKey + "\n", specKey, "; the signer's Key ends with a line break"},
		"another key":               {"x", specKey, ""},
	} {
		e := usersig.Explain(mustSign(t, tc.signer, specClaims("a")), keys("old", tc.here), usersig.Expect{})
		const advice = "sign with the Key of this App, as text and exactly as configured"
		if e.FailedAt != usersig.StageMAC || e.Advice != advice+tc.slip {
			t.Errorf("%s: failed at %q, advice %q, want %q", name, e.FailedAt, e.Advice, advice+tc.slip)
		}
	}
}
