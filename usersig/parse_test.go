package usersig_test

import (
	"compress/zlib"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/usersig"
)

const someMAC = `"TLS.sig":"9awWeUL8MxxbBn8dhB0Jvuo0JKIh4dNCLkGIX4n5fd0="`

func TestParseAcceptsEverySpelling(t *testing.T) {
	want := usersig.Claims{Identifier: "a<b/c", SDKAppID: 1400000000, Time: 1700000000, Expire: 86400}
	for name, text := range map[string]string{
		"compact":             `{"TLS.ver":"2.0","TLS.identifier":"a<b/c","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `}`,
		"another order":       `{"TLS.sdkappid":1400000000,"TLS.time":1700000000,` + someMAC + `,"TLS.expire":86400,"TLS.ver":"2.0","TLS.identifier":"a<b/c"}`,
		"white space":         " {\n \"TLS.ver\" : \"2.0\",\t\"TLS.identifier\": \"a<b/c\", \"TLS.sdkappid\" : 1400000000 , \"TLS.expire\": 86400, \"TLS.time\": 1700000000, " + someMAC + " }\r\n",
		"HTML escapes":        `{"TLS.ver":"2.0","TLS.identifier":"a\u003cb/c","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + "}\n",
		"escaped slashes":     `{"TLS.ver":"2.0","TLS.identifier":"a<b\/c","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `}`,
		"escaped field names": `{"TLS\u002ever":"2.0","TLS.identifier":"a<b/c","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `}`,
		"decimal strings":     `{"TLS.ver":"2.0","TLS.identifier":"a<b/c","TLS.sdkappid":"1400000000","TLS.expire":"86400","TLS.time":"1700000000",` + someMAC + `}`,
		"unknown fields":      `{"TLS.ver":"2.0","TLS.new":{"a":[1,{}]},"TLS.identifier":"a<b/c","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `,"":null}`,
	} {
		for _, level := range []int{zlib.NoCompression, zlib.BestSpeed, zlib.DefaultCompression, zlib.BestCompression, zlib.HuffmanOnly} {
			t.Run(fmt.Sprintf("%s/level %d", name, level), func(t *testing.T) {
				sig, err := usersig.Parse(pack(t, text, level, ""))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, sig.Claims); diff != "" {
					t.Errorf("claims (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestParseTellsAnEmptyUserBufFromNone(t *testing.T) {
	for _, tc := range []struct {
		name, field string
		want        []byte
	}{
		{"none", ``, nil},
		{"empty", `,"TLS.userbuf":""`, []byte{}},
		{"some", `,"TLS.userbuf":"AAEC/w=="`, []byte{0, 1, 2, 255}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := `{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":1,"TLS.expire":1,"TLS.time":1,` + someMAC + tc.field + `}`
			sig, err := usersig.Parse(pack(t, text, zlib.BestSpeed, ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, sig.UserBuf); diff != "" {
				t.Errorf("UserBuf (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefusesWhatIsNotOneZlibStream(t *testing.T) {
	good := specVectors[0].UserSig
	raw := unarmor(t, good)
	damaged := append([]byte(nil), raw...)
	damaged[len(damaged)-1] ^= 1
	for _, tc := range []struct {
		name, sig string
		stage     usersig.Stage
		reason    string // a part of it
	}{
		{"empty", "", usersig.StageBase64, "empty"},
		{"too long", strings.Repeat("A", usersig.MaxLen+1), usersig.StageBase64, "limit is 4096"},
		{"plain base64 plus", strings.Replace(good, "*", "+", 1) + "+", usersig.StageBase64, "plain base64"},
		{"plain base64 slash", "/" + good, usersig.StageBase64, "plain base64"},
		{"plain base64 padding", strings.TrimRight(good, "_") + "=", usersig.StageBase64, "plain base64"},
		{"percent-encoded", strings.Replace(specVectors[1].UserSig, "*", "%2A", 1), usersig.StageBase64, "percent-encoded"},
		{"line break after", good + "\n", usersig.StageBase64, "line breaks"},
		{"line break inside", good[:8] + "\r\n" + good[8:], usersig.StageBase64, "line breaks"},
		{"space before", " " + good, usersig.StageBase64, "white space"},
		{"NUL after", good + "\x00", usersig.StageBase64, `'\x00'`},
		{"not ASCII", "é" + good, usersig.StageBase64, "'é'"},
		{"not UTF-8", good + "\xff", usersig.StageBase64, "does not belong"},
		{"no padding", strings.TrimRight(good, "_"), usersig.StageBase64, "cut off"},
		{"loose bits in the last group", "AB__", usersig.StageBase64, "cut off or damaged"},
		{"a word", "administrator___", usersig.StageBase64, "cut off or damaged"},
		{"JSON without zlib", armor([]byte(`{"TLS.ver":"2.0"}`)), usersig.StageZlib, "does not hold a zlib stream"},
		{"one byte", armor([]byte{0x78}), usersig.StageZlib, "cut off"},
		{"only a header", armor(raw[:2]), usersig.StageZlib, "cut off"},
		{"wrong checksum", armor(damaged), usersig.StageZlib, "checksum"},
		{"preset dictionary", armor([]byte{0x78, 0xbb, 0, 0, 0, 2, 3, 0}), usersig.StageZlib, "dictionary"},
		{"reserved block type", armor([]byte{0x78, 0x9c, 0x07, 0, 0, 0, 0}), usersig.StageZlib, "cannot be inflated"},
		{"NUL after the stream", armor(append(slices.Clip(raw), 0)), usersig.StageZlib, "1 bytes follow"},
		{"two streams", armor(append(slices.Clip(raw), raw...)), usersig.StageZlib, "bytes follow"},
		{"nothing inside", pack(t, "", zlib.BestSpeed, ""), usersig.StageJSON, "not one JSON object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := usersig.Parse(tc.sig)
			if got := stageOf(t, err); got != tc.stage || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("got %v, want stage %s and %q", err, tc.stage, tc.reason)
			}
		})
	}
}

func TestParseRefusesWrongContent(t *testing.T) {
	// with returns the JSON of a good UserSig, one piece of it replaced.
	with := func(piece, by string) string {
		const good = `{"TLS.ver":"2.0","TLS.identifier":"user_01","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `}`
		if strings.Count(good, piece) != 1 {
			t.Fatalf("%q does not stand once in the JSON", piece)
		}
		return strings.Replace(good, piece, by, 1)
	}
	for _, tc := range []struct {
		name, json string
		stage      usersig.Stage
		reason     string // a part of it
	}{
		{"an array", `[]`, usersig.StageJSON, "not one JSON object"},
		{"a string", `"TLS"`, usersig.StageJSON, "not one JSON object"},
		{"cut off", `{"TLS.ver":"2.0"`, usersig.StageJSON, "not one JSON object"},
		{"cut off after a name", `{"TLS.ver"`, usersig.StageJSON, "not one JSON object"},
		{"a comma too many", with("}", ",}"), usersig.StageJSON, "not one JSON object"},
		{"a name that is no string", `{1:2}`, usersig.StageJSON, "not one JSON object"},
		{"a comment", with("{", "{/**/"), usersig.StageJSON, "not one JSON object"},
		{"a second object", with("}", "}{}"), usersig.StageJSON, "after top-level value"},
		{"NUL after the object", with("}", "}\x00"), usersig.StageJSON, "after top-level value"},
		{"not UTF-8", with("user_01", "user\xff01"), usersig.StageJSON, "UTF-8"},
		{"a field twice", with(`{`, `{"TLS.sdkappid":1400000000,`), usersig.StageJSON, `"TLS.sdkappid" stands twice`},
		{"an unknown field twice", with(`{`, `{"x":1,"\u0078":1,`), usersig.StageJSON, `"x" stands twice`},
		{"too many fields", manyFields(33), usersig.StageJSON, "more than 32 fields"},
		{"deep nesting", `{"x":` + strings.Repeat("[", 12000), usersig.StageJSON, "not one JSON object"},
		{"no fields", `{}`, usersig.StageFields, "version 1.0"},
		{"version 1.0", `{"TLS.account_type":"0","TLS.identifier":"u","TLS.appid_at_3rd":"0","TLS.sdk_appid":"1400000000","TLS.expire_after":"86400","TLS.version":"201610110000","TLS.time":"1700000000","TLS.sig":"MEUC"}`, usersig.StageFields, "version 1.0"},
		{"version 3.0", with(`"2.0"`, `"3.0"`), usersig.StageFields, `version "3.0"`},
		{"version as a number", with(`"2.0"`, `2.0`), usersig.StageFields, "TLS.ver is not a string"},
		{"field names fold no case", with(`TLS.ver`, `TLS.Ver`), usersig.StageFields, "no TLS.ver"},
		{"no identifier", with(`"TLS.identifier":"user_01",`, ``), usersig.StageFields, "TLS.identifier is missing"},
		{"identifier null", with(`"user_01"`, `null`), usersig.StageFields, "TLS.identifier is not a string"},
		{"identifier empty", with(`user_01`, ``), usersig.StageFields, "identifier is empty"},
		{"identifier with a newline", with(`user_01`, `u\nTLS.sdkappid:1`), usersig.StageFields, "control character U+000A"},
		{"identifier with DEL", with(`user_01`, "u\x7f"), usersig.StageFields, "control character U+007F"},
		{"no sdkappid", with(`"TLS.sdkappid":1400000000,`, ``), usersig.StageFields, "TLS.sdkappid is missing"},
		{"sdkappid negative", with(`1400000000`, `-1`), usersig.StageFields, "TLS.sdkappid is not a whole number"},
		{"sdkappid true", with(`1400000000`, `true`), usersig.StageFields, "TLS.sdkappid is not a whole number"},
		{"sdkappid empty string", with(`1400000000`, `""`), usersig.StageFields, "TLS.sdkappid is not a whole number"},
		{"sdkappid hexadecimal", with(`1400000000`, `"0x53724e00"`), usersig.StageFields, "TLS.sdkappid is not a whole number"},
		{"sdkappid over 64 bits", with(`1400000000`, `18446744073709551616`), usersig.StageFields, "TLS.sdkappid is not a whole number"},
		{"time a fraction", with(`1700000000`, `1700000000.5`), usersig.StageFields, "TLS.time is not a whole number"},
		{"time with exponent", with(`1700000000`, `17e8`), usersig.StageFields, "TLS.time is not a whole number"},
		{"time negative", with(`1700000000`, `-1700000000`), usersig.StageFields, "TLS.time is not a whole number"},
		{"time over 63 bits", with(`1700000000`, `9223372036854775808`), usersig.StageFields, "TLS.time is not a whole number"},
		{"expire negative string", with(`86400`, `"-86400"`), usersig.StageFields, "TLS.expire is not a whole number"},
		{"time plus expire overflows", with(`86400`, `9223372036854775807`), usersig.StageFields, "out of range"},
		{"no MAC", with(`,`+someMAC, ``), usersig.StageFields, "TLS.sig is missing"},
		{"MAC a number", with(someMAC, `"TLS.sig":1`), usersig.StageFields, "TLS.sig is not a string"},
		{"MAC not base64", with(`9awWe`, `9*wWe`), usersig.StageFields, "TLS.sig is not standard base64"},
		{"MAC with a line break", with(`9awWe`, `9a\nwWe`), usersig.StageFields, "TLS.sig is not standard base64"},
		{"MAC with loose bits", with(`5fd0=`, `5fd1=`), usersig.StageFields, "TLS.sig is not standard base64"},
		{"MAC too short", with(someMAC, `"TLS.sig":"AAAA"`), usersig.StageFields, "TLS.sig has 3 bytes"},
		{"userbuf not padded", with(`}`, `,"TLS.userbuf":"AAEC/w"}`), usersig.StageFields, "TLS.userbuf is not standard base64"},
		{"userbuf a number", with(`}`, `,"TLS.userbuf":1}`), usersig.StageFields, "TLS.userbuf is not a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := usersig.Parse(pack(t, tc.json, zlib.BestCompression, ""))
			if got := stageOf(t, err); got != tc.stage || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("got %v, want stage %s and %q", err, tc.stage, tc.reason)
			}
			if err != nil && !stageOf(t, err).Decoding() {
				t.Errorf("the stage %s of Parse is not one of decoding", stageOf(t, err))
			}
		})
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"f%d":0`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestParseBoundsTheInflatedSize(t *testing.T) {
	bomb := pack(t, strings.Repeat(" ", 2<<20), zlib.BestCompression, "")
	if len(bomb) > usersig.MaxLen {
		t.Fatalf("the bomb has %d bytes and would be refused for that", len(bomb))
	}
	tooBig := func(name, sig string) {
		t.Helper()
		const reason = "zlib: the UserSig inflates to more than 16384 bytes"
		if _, err := usersig.Parse(sig); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %q", name, err, reason)
		}
	}
	tooBig("2 MiB", bomb)
	const good = `{"TLS.ver":"2.0","TLS.identifier":"user_01","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,` + someMAC + `}`
	padded := good + strings.Repeat(" ", usersig.MaxJSON-len(good))
	if _, err := usersig.Parse(pack(t, padded, zlib.BestCompression, "")); err != nil {
		t.Errorf("exactly MaxJSON: %v", err)
	}
	tooBig("MaxJSON and one", pack(t, padded+" ", zlib.BestCompression, ""))
}

func TestParseRefusesEveryTruncation(t *testing.T) {
	for _, v := range loadVectors(t) {
		raw := unarmor(t, v.UserSig)
		for n := range raw {
			if _, err := usersig.Parse(armor(raw[:n])); !stageOf(t, err).Decoding() {
				t.Errorf("%s: the first %d of %d bytes: %v, want a decoding error", v.Generator, n, len(raw), err)
			}
		}
		for n := range v.UserSig {
			if _, err := usersig.Parse(v.UserSig[:n]); !stageOf(t, err).Decoding() {
				t.Errorf("%s: the first %d of %d characters: %v, want a decoding error", v.Generator, n, len(v.UserSig), err)
			}
		}
	}
}

// TestNoFlippedBitChangesTheClaims flips every bit of every vector. A few bits of a zlib
// stream mean nothing; with all others the UserSig must be refused.
func TestNoFlippedBitChangesTheClaims(t *testing.T) {
	for _, v := range loadVectors(t) {
		raw := unarmor(t, v.UserSig)
		want := usersig.Expect{SDKAppID: v.SDKAppID, Identifier: v.Identifier, Now: v.Time}
		accepted := 0
		for i := range len(raw) * 8 {
			raw[i/8] ^= 1 << (i % 8)
			if got, err := usersig.Verify(armor(raw), [][]byte{[]byte(v.Key)}, want); err == nil {
				accepted++
				if diff := cmp.Diff(v.claims(), got); diff != "" {
					t.Errorf("%s: bit %d flipped and accepted (-want +got):\n%s", v.Generator, i, diff)
				}
			}
			raw[i/8] ^= 1 << (i % 8)
		}
		if accepted > 16 {
			t.Errorf("%s: %d flipped bits were accepted, want only those that mean nothing", v.Generator, accepted)
		}
	}
}
