package usersig_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/usersig"
)

// vector is a UserSig made by a public generator.
type vector struct {
	Generator  string `json:"generator"`
	SDKAppID   uint64 `json:"sdkappid"`
	Key        string `json:"key"`
	Identifier string `json:"identifier"`
	Time       int64  `json:"time"`
	Expire     int64  `json:"expire"`
	Sig        string `json:"sig"`
	UserSig    string `json:"usersig"`
}

func (v vector) claims() usersig.Claims {
	return usersig.Claims{Identifier: v.Identifier, SDKAppID: v.SDKAppID, Time: v.Time, Expire: v.Expire}
}

// The key and claims of the vectors in im-rest-api.md, section 3.
const (
	specKey    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	specApp    = 1400000000
	specTime   = 1700000000
	specExpire = 86400
)

func specClaims(id string) usersig.Claims {
	return usersig.Claims{Identifier: id, SDKAppID: specApp, Time: specTime, Expire: specExpire}
}

var specVectors = []vector{{
	Generator: "spec: administrator", SDKAppID: specApp, Key: specKey, Identifier: "administrator", Time: specTime, Expire: specExpire,
	Sig:     "9awWeUL8MxxbBn8dhB0Jvuo0JKIh4dNCLkGIX4n5fd0=",
	UserSig: "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUsTAzgQuWZOaChAzN0RQXZ6aDLLFMLA9PDfWx8K2oSHLKs0jJcDLwKivNN-Dy9swwSfFz9sl294wwyTNNSzGwVaoFAEa2NTU_",
}, {
	Generator: "spec: user_01", SDKAppID: specApp, Key: specKey, Identifier: "user_01", Time: specTime, Expire: specExpire,
	Sig:     "vHUag0jFHjk53DIdmD6xx7EK2bDg/sbvxzbAvR+gAeE=",
	UserSig: "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkSotTi*INDGGSxSnZiQUFmSlAKUMTAyiAyqVWFGQWpQJlLMxM4IIlmbkgIUNzNMXFmekg48s8QhPTDbLcPLKyTY1dPFNyXcwqKsxdvY2SXNL1i5PKKqqSHMuCtNMdU11tlWoBVOMydw__",
}}

func loadVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile("testdata/usersig_vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		tb.Fatal(err)
	}
	if len(file.Vectors) < 4 {
		tb.Fatalf("%d vectors in the file, want at least 4", len(file.Vectors))
	}
	return append(file.Vectors, specVectors...)
}

func TestVectorsOfPublicGeneratorsVerify(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.Generator, func(t *testing.T) {
			sig, err := usersig.Parse(v.UserSig)
			if err != nil {
				t.Fatal(err)
			}
			mac, err := base64.StdEncoding.DecodeString(v.Sig)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(usersig.Sig{Claims: v.claims(), MAC: mac}, sig); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			for _, now := range []int64{v.Time, v.Time + v.Expire/2, v.Time + v.Expire} {
				want := usersig.Expect{SDKAppID: v.SDKAppID, Identifier: v.Identifier, Now: now}
				if _, err := usersig.Verify(v.UserSig, [][]byte{[]byte(v.Key)}, want); err != nil {
					t.Errorf("Verify at %d: %v", now, err)
				}
			}
		})
	}
}

// TestSignGivesTheKnownMAC compares what Sign computes with what the generators did.
func TestSignGivesTheKnownMAC(t *testing.T) {
	type row struct {
		name   string
		claims usersig.Claims
		key    string
		sig    string
	}
	rows := []row{
		{"spec: userbuf with a room number", withUserBuf(t, numberedRoom), specKey, "rrw5OG06lsvAlFq7vH4Kbzd/bi5RpTaHluosa7xvjWM="},
		{"spec: userbuf with a room name", withUserBuf(t, namedRoom), specKey, "PqoOrPpR770IfPbUCpRg5oiSUyoRigP3/ChWIvLM74s="},
	}
	for _, v := range loadVectors(t) {
		rows = append(rows, row{v.Generator, v.claims(), v.Key, v.Sig})
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s, err := usersig.Sign([]byte(r.key), r.claims)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := usersig.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.claims, sig.Claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if got := base64.StdEncoding.EncodeToString(sig.MAC); got != r.sig {
				t.Errorf("MAC = %s, want %s", got, r.sig)
			}
		})
	}
}

var (
	numberedRoom = usersig.UserBuf{Account: "xiaojun", SDKAppID: specApp, RoomID: 1000, Expires: 1700086400, Privileges: 255}
	namedRoom    = usersig.UserBuf{Account: "xiaojun", SDKAppID: specApp, Room: "room1", Expires: 1700086400, Privileges: 255}
)

func withUserBuf(tb testing.TB, u usersig.UserBuf) usersig.Claims {
	tb.Helper()
	b, err := u.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	c := specClaims("xiaojun")
	c.UserBuf = b
	return c
}

func TestUserBufBytes(t *testing.T) {
	for _, tc := range []struct {
		name string
		buf  usersig.UserBuf
		hex  string
	}{
		{"room number", numberedRoom, "0000077869616f6a756e53724e00000003e865554280000000ff00000000"},
		{"room name", namedRoom, "0100077869616f6a756e53724e000000000065554280000000ff000000000005726f6f6d31"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := tc.buf.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != tc.hex {
				t.Errorf("Encode = %s, want %s", got, tc.hex)
			}
			got, err := usersig.ParseUserBuf(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.buf, got); diff != "" {
				t.Errorf("ParseUserBuf (-want +got):\n%s", diff)
			}
			for n := range b {
				if _, err := usersig.ParseUserBuf(b[:n]); err == nil {
					t.Errorf("the first %d of %d bytes were accepted", n, len(b))
				}
			}
		})
	}
}

func TestUserBufRefusals(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for name, u := range map[string]usersig.UserBuf{
		"account too long":  {Account: long},
		"room too long":     {Room: long},
		"two kinds of room": {Room: "a", RoomID: 1},
	} {
		if _, err := u.Encode(); err == nil {
			t.Errorf("%s: Encode accepted it", name)
		}
	}
	for name, text := range map[string]string{
		"empty":                     "",
		"unknown kind":              "0200077869616f6a756e53724e00000003e865554280000000ff00000000",
		"something follows":         "0000077869616f6a756e53724e00000003e865554280000000ff0000000000",
		"a name that is empty":      "0100077869616f6a756e53724e000000000065554280000000ff000000000000",
		"a number besides the name": "0100077869616f6a756e53724e000000000165554280000000ff00000000000161",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := usersig.ParseUserBuf(b); err == nil {
			t.Errorf("%s: ParseUserBuf accepted it as %+v", name, u)
		}
	}
}

// pack makes a UserSig of any content, at any zlib level, with bytes after the stream.
func pack(tb testing.TB, content string, level int, after string) string {
	tb.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	b.WriteString(after)
	return armor(b.Bytes())
}

func armor(b []byte) string {
	return strings.NewReplacer("+", "*", "/", "-", "=", "_").Replace(base64.StdEncoding.EncodeToString(b))
}

func unarmor(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.NewReplacer("*", "+", "-", "/", "_", "=").Replace(s))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// stageOf returns the stage of an error of this package.
func stageOf(tb testing.TB, err error) usersig.Stage {
	tb.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*usersig.Error](err)
	if !ok {
		tb.Fatalf("%v is no *usersig.Error", err)
	}
	if e.Reason == "" || len(e.Reason) > 512 {
		tb.Fatalf("the reason has %d bytes: %q", len(e.Reason), e.Reason)
	}
	return e.Stage
}
