package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

// decoded runs any decoder and gives its errors one printable form.
func decoded[T any](decode func([]byte) (T, error), body string) (T, string) {
	got, err := decode([]byte(body))
	if err == nil {
		return got, ""
	}
	return got, err.Error()
}

func list(element string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
}

func TestDecodeMultiImport(t *testing.T) {
	entries := func(names ...account.UserID) []account.Entry {
		var out []account.Entry
		for _, n := range names {
			out = append(out, account.Entry{UserID: n})
		}
		return out
	}
	for _, tc := range []struct {
		name, body string
		want       wire.MultiImport
		err        string // a substring
	}{
		{name: "the documented example", body: "{\n\"Accounts\":[\"test1\",\"test2\"]\n}\n", want: wire.MultiImport{Entries: entries("test1", "test2")}},
		{
			name: "objects", body: `{"AccountList":[{"UserID":"a","Nick":"n","FaceUrl":"f","Other":[{}]},{"Nick":null,"UserID":"b"}]}`,
			want: wire.MultiImport{Entries: []account.Entry{{UserID: "a", Nick: "n", FaceURL: "f"}, {UserID: "b"}}},
		},
		{name: "AccountList wins", body: `{"AccountList":[{"UserID":"a"}],"Accounts":["b"]}`, want: wire.MultiImport{Entries: entries("a")}},
		{name: "AccountList wins over a broken list", body: `{"Accounts":7,"AccountList":[{"UserID":"a"}]}`, want: wire.MultiImport{Entries: entries("a")}},
		{name: "null is absent", body: `{"AccountList":null,"Accounts":["b"],"IsNeedDetail":null}`, want: wire.MultiImport{Entries: entries("b")}},
		{name: "escapes", body: `{"\u0041ccounts":["\u0061\/b","\ud83d\ude00","\"\\"]}`, want: wire.MultiImport{Entries: entries("a/b", "😀", `"\`)}},
		{name: "lone surrogate", body: `{"Accounts":["a\ud800"]}`, want: wire.MultiImport{Entries: entries("a\ufffd")}},
		{name: "invalid UTF-8", body: "{\"Accounts\":[\"a\xff\",\"b\"]}", want: wire.MultiImport{Entries: entries("a\ufffd", "b")}},
		{name: "last of a repeated field", body: `{"Accounts":["a"],"Accounts":["b"]}`, want: wire.MultiImport{Entries: entries("b")}},
		{name: "empty name is data", body: `{"Accounts":[""]}`, want: wire.MultiImport{Entries: entries("")}},
		{name: "exactly 100", body: `{"Accounts":` + list(`"a"`, 100) + `}`, want: wire.MultiImport{Entries: entries(slicesRepeat("a", 100)...)}},
		{name: "detail", body: `{"IsNeedDetail":1,"Accounts":["a"]}`, want: wire.MultiImport{Entries: entries("a"), Detail: true}},
		{name: "detail 1.0", body: `{"Accounts":["a"],"IsNeedDetail":1.0}`, want: wire.MultiImport{Entries: entries("a"), Detail: true}},
		{name: "detail off", body: `{"Accounts":["a"],"IsNeedDetail":0}`, want: wire.MultiImport{Entries: entries("a")}},
		{name: "count", body: `{"IsNeedCount":1,"Accounts":["a"]}`, want: wire.MultiImport{Entries: entries("a"), Count: true}},
		{name: "count and detail", body: `{"IsNeedCount":2,"IsNeedDetail":1,"Accounts":["a"]}`, want: wire.MultiImport{Entries: entries("a"), Count: true, Detail: true}},
		{name: "count off", body: `{"Accounts":["a"],"IsNeedCount":0,"isneedcount":1}`, want: wire.MultiImport{Entries: entries("a")}},
		{name: "unknown fields", body: `{"x":{"Accounts":[1]},"accounts":5,"Accounts":["a"]}`, want: wire.MultiImport{Entries: entries("a")}},

		{name: "an empty AccountList wins as well", body: `{"AccountList":[],"Accounts":["b"]}`, err: "70402 AccountList is empty"},
		{name: "no list", body: `{}`, err: "70402 Accounts or AccountList is missing"},
		{name: "field names have a case", body: `{"accounts":["a"]}`, err: "70402 Accounts or AccountList is missing"},
		{name: "not an array", body: `{"Accounts":"a"}`, err: "70402 Accounts must be an array"},
		{name: "empty", body: `{"Accounts":[]}`, err: "70402 Accounts is empty"},
		{name: "101", body: `{"Accounts":` + list(`"a"`, 101) + `}`, err: "70402 Accounts has more than 100 elements"},
		{name: "a great many", body: `{"Accounts":` + list(`"a"`, 100_000) + `}`, err: "70402 Accounts has more than 100 elements"},
		{name: "101 objects", body: `{"AccountList":` + list(`{"UserID":"a"}`, 101) + `}`, err: "70402 AccountList has more than 100 elements"},
		{name: "a number", body: `{"Accounts":["a",7]}`, err: "60015 Accounts[1] must be a string"},
		{name: "a null", body: `{"Accounts":[null]}`, err: "60015 Accounts[0] must be a string"},
		{name: "a name in the list of objects", body: `{"AccountList":["a"]}`, err: "70402 AccountList[0] must be an object"},
		{name: "an object without a name", body: `{"AccountList":[{"UserID":"a"},{"Nick":"n"}]}`, err: "70402 AccountList[1].UserID is missing"},
		{name: "a null name", body: `{"AccountList":[{"UserID":null}]}`, err: "70402 AccountList[0].UserID is missing"},
		{name: "a name that is a number", body: `{"AccountList":[{"UserID":5}]}`, err: "60015 AccountList[0].UserID must be a string"},
		{name: "a Nick that is a number", body: `{"AccountList":[{"UserID":"a","Nick":5}]}`, err: "70402 AccountList[0].Nick must be a string"},
		{name: "detail as text", body: `{"Accounts":["a"],"IsNeedDetail":"1"}`, err: "70402 IsNeedDetail must be an integer"},
		{name: "count as text", body: `{"Accounts":["a"],"IsNeedCount":"1"}`, err: "70402 IsNeedCount must be an integer"},
		{name: "count as truth", body: `{"Accounts":["a"],"IsNeedCount":true}`, err: "70402 IsNeedCount must be an integer"},
		{name: "detail with a fraction", body: `{"Accounts":["a"],"IsNeedDetail":1.5}`, err: "70402 IsNeedDetail must be an integer"},
		{name: "detail beyond floats", body: `{"Accounts":["a"],"IsNeedDetail":1e999}`, err: "70402 IsNeedDetail must be an integer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeMultiImport, tc.body)
			if tc.err != err {
				t.Fatalf("error %q, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func slicesRepeat(name account.UserID, n int) []account.UserID {
	out := make([]account.UserID, n)
	for i := range out {
		out[i] = name
	}
	return out
}

// TestSyntax holds for every decoder: what is no JSON object is a SyntaxError, even if
// the shape is wrong as well.
func TestSyntax(t *testing.T) {
	decoders := map[string]func([]byte) error{
		"account import": func(b []byte) error { _, err := wire.DecodeAccountImport(b); return err },
		"multi import":   func(b []byte) error { _, err := wire.DecodeMultiImport(b); return err },
		"check":          func(b []byte) error { _, err := wire.DecodeCheck(b); return err },
		"delete":         func(b []byte) error { _, err := wire.DecodeDelete(b); return err },
		"kick":           func(b []byte) error { _, err := wire.DecodeKick(b); return err },
		"multi kick":     func(b []byte) error { _, err := wire.DecodeMultiKick(b); return err },
		"status":         func(b []byte) error { _, err := wire.DecodeStatusQuery(b); return err },
		"portrait set":   func(b []byte) error { _, err := wire.DecodePortraitSet(b); return err },
		"portrait get":   func(b []byte) error { _, err := wire.DecodePortraitGet(b); return err },
		"send":           func(b []byte) error { _, err := wire.DecodeSend(b); return err },
		"send many":      func(b []byte) error { _, _, err := wire.DecodeSendMany(b); return err },
		"import message": func(b []byte) error { _, err := wire.DecodeImport(b); return err },
		"history":        func(b []byte) error { _, err := wire.DecodeHistory(b); return err },
		"withdraw":       func(b []byte) error { _, err := wire.DecodeWithdraw(b); return err },
		"chat":           func(b []byte) error { _, err := wire.DecodeChatCall(b); return err },
		"bulk export":    func(b []byte) error { _, err := wire.DecodeExport(b); return err },
	}
	bodies := map[string]string{
		"empty":                 "",
		"white space":           " \n\t",
		"an array":              `["a"]`,
		"a string":              `"Accounts"`,
		"null":                  `null`,
		"cut off":               `{"Accounts":["a"`,
		"cut in a name":         `{"Accou`,
		"cut in a string":       `{"UserID":"a`,
		"trailing comma":        `{"Accounts":["a",]}`,
		"comment":               "{ // the accounts\n\"Accounts\":[\"a\"]}",
		"two objects":           `{} {}`,
		"rubbish behind":        `{"UserID":"a"}x`,
		"bad behind bad shape":  `{"Accounts":7,"CheckItem":7,"To_Account":7,"UserID":7,"UserIDs":7,"ProfileItem":7,}`,
		"wrong closing":         `{"Accounts":["a"}}`,
		"control character":     "{\"UserID\":\"a\nb\"}",
		"single quotes":         `{'UserID':'a'}`,
		"form":                  `UserID=a`,
		"too deep":              `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
		"byte order mark":       "\ufeff{}",
		"bad escape":            `{"UserID":"\x"}`,
		"number with a zero":    `{"IsNeedDetail":01}`,
		"cut in a list's value": `{"CheckItem":[{"UserID":`,
	}
	for dname, decode := range decoders {
		for bname, body := range bodies {
			t.Run(dname+"/"+bname, func(t *testing.T) {
				err := decode([]byte(body))
				if _, ok := errors.AsType[*wire.SyntaxError](err); !ok {
					t.Errorf("%T %v, want a *wire.SyntaxError", err, err)
				}
			})
		}
	}
}

func TestSyntaxErrorNamesTheByte(t *testing.T) {
	_, err := decoded(wire.DecodeKick, `{"UserID":"a" "b"}`)
	want := "wire: decode: byte 14: "
	if !strings.HasPrefix(err, want) {
		t.Errorf("error %q, want the prefix %q", err, want)
	}
}

func TestDecodeAccountImport(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       account.Entry
		err        string
	}{
		{name: "new", body: `{"UserID":"test","Nick":"n","FaceUrl":"http://www.qq.com"}`, want: account.Entry{UserID: "test", Nick: "n", FaceURL: "http://www.qq.com"}},
		{name: "old", body: `{"Identifier":"test","Type":0}`, want: account.Entry{UserID: "test"}},
		{name: "UserID wins", body: `{"Identifier":"old","UserID":"new"}`, want: account.Entry{UserID: "new"}},
		{name: "UserID wins in any order", body: `{"UserID":"new","Identifier":"old"}`, want: account.Entry{UserID: "new"}},
		{name: "null is absent", body: `{"UserID":null,"Identifier":"old","Nick":null}`, want: account.Entry{UserID: "old"}},
		{name: "missing", body: `{"Nick":"n"}`, err: "70402 UserID is missing"},
		{name: "number", body: `{"UserID":5}`, err: "60015 UserID must be a string"},
		{name: "old number", body: `{"Identifier":["a"]}`, err: "60015 Identifier must be a string"},
		{name: "Nick", body: `{"UserID":"a","Nick":{}}`, err: "70402 Nick must be a string"},
		{name: "FaceUrl", body: `{"UserID":"a","FaceUrl":false}`, err: "70402 FaceUrl must be a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeAccountImport, tc.body)
			if got != tc.want || err != tc.err {
				t.Errorf("= %+v, %q, want %+v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestDecodeKick(t *testing.T) {
	for body, want := range map[string]string{
		`{"UserID":"a"}`:                    "a",
		`{"Identifier":"a"}`:                "a",
		`{"Identifier":"b","UserID":"a"}`:   "a",
		`{"UserID":["a"]}`:                  "60015 UserID must be a string",
		`{"To_Account":"a"}`:                "70402 UserID is missing",
		`{"UserID":"a","IsNeedDetail":"1"}`: "a",
	} {
		if got, err := decoded(wire.DecodeKick, body); string(got)+err != want {
			t.Errorf("%s = %q, %q, want %q", body, got, err, want)
		}
	}
}

func TestDecodeItems(t *testing.T) {
	decoders := map[string]func([]byte) ([]account.UserID, error){
		"CheckItem": wire.DecodeCheck, "DeleteItem": wire.DecodeDelete,
	}
	for field, decode := range decoders {
		for _, tc := range []struct {
			name, value string
			want        []account.UserID
			err         string
		}{
			{name: "two", value: `[{"UserID":"a","x":1},{"UserID":"b"}]`, want: []account.UserID{"a", "b"}},
			{name: "not an array", value: `{"UserID":"a"}`, err: "70402 %s must be an array"},
			{name: "empty", value: `[]`, err: "70402 %s is empty"},
			{name: "too many", value: list(`{"UserID":"a"}`, 101), err: "70402 %s has more than 100 elements"},
			{name: "names", value: `["a"]`, err: "70402 %s[0] must be an object"},
			{name: "null", value: `[null]`, err: "70402 %s[0] must be an object"},
			{name: "no name", value: `[{}]`, err: "70402 %s[0].UserID is missing"},
			{name: "number", value: `[{"UserID":"a"},{"UserID":1}]`, err: "60015 %s[1].UserID must be a string"},
			{name: "absent", value: `null`, err: "70402 %s is missing"},
		} {
			t.Run(field+"/"+tc.name, func(t *testing.T) {
				want := tc.err
				if want != "" {
					want = fmt.Sprintf(want, field)
				}
				got, err := decoded(decode, fmt.Sprintf(`{%q:%s}`, field, tc.value))
				if err != want || !cmp.Equal(got, tc.want) {
					t.Errorf("= %v, %q, want %v, %q", got, err, tc.want, want)
				}
			})
		}
	}
}

func TestDecodePortraitSet(t *testing.T) {
	const prefix = "40001 Err_Profile_Comm_Decode_Fail: "
	for _, tc := range []struct {
		name, body string
		want       wire.PortraitSet
		err        string
	}{
		{
			name: "values keep their text", body: `{"From_Account":"id","ProfileItem":[{"Tag":"t","Value":"x\u0041"},{"Value":7,"Tag":"u"},{"Tag":"v","Value":null}]}`,
			want: wire.PortraitSet{UserID: "id", Items: []account.Attr{{Tag: "t", Value: `"x\u0041"`}, {Tag: "u", Value: "7"}, {Tag: "v", Value: "null"}}},
		},
		{name: "no account", body: `{"ProfileItem":[]}`, err: "ProfileItem is empty"},
		{name: "account missing", body: `{"ProfileItem":[{"Tag":"t","Value":1}]}`, err: "From_Account is missing"},
		{name: "account no string", body: `{"From_Account":1}`, err: "From_Account must be a string"},
		{name: "items missing", body: `{"From_Account":"a"}`, err: "ProfileItem is missing"},
		{name: "items no array", body: `{"From_Account":"a","ProfileItem":{}}`, err: "ProfileItem must be an array"},
		{name: "too many", body: `{"From_Account":"a","ProfileItem":` + list(`{"Tag":"t","Value":1}`, 101) + `}`, err: "ProfileItem has more than 100 elements"},
		{name: "item no object", body: `{"From_Account":"a","ProfileItem":["Tag"]}`, err: "ProfileItem[0] must be an object"},
		{name: "tag no string", body: `{"From_Account":"a","ProfileItem":[{"Tag":1,"Value":1}]}`, err: "ProfileItem[0].Tag must be a string"},
		{name: "value missing", body: `{"From_Account":"a","ProfileItem":[{"Tag":"t"}]}`, err: "ProfileItem[0].Value is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.err
			if want != "" {
				want = prefix + want
			}
			got, err := decoded(wire.DecodePortraitSet, tc.body)
			if err != want || !cmp.Equal(got, tc.want) {
				t.Errorf("= %v, %q, want %v, %q", got, err, tc.want, want)
			}
		})
	}
}

func TestDecodePortraitGet(t *testing.T) {
	const prefix = "40001 Err_Profile_Comm_Decode_Fail: "
	for _, tc := range []struct {
		name, body string
		want       wire.PortraitGet
		err        string
	}{
		{
			name: "the documented example", body: `{"To_Account":["id1"],"TagList":["Tag_Profile_IM_Nick"]}`,
			want: wire.PortraitGet{UserIDs: []account.UserID{"id1"}, Tags: []string{"Tag_Profile_IM_Nick"}},
		},
		{name: "no target", body: `{"TagList":["t"]}`, err: "40002 To_Account is missing or empty"},
		{name: "empty target", body: `{"To_Account":[],"TagList":["t"]}`, err: "40002 To_Account is missing or empty"},
		{name: "target no array", body: `{"To_Account":"id1","TagList":["t"]}`, err: prefix + "To_Account must be an array of strings"},
		{name: "target no string", body: `{"To_Account":[1],"TagList":["t"]}`, err: prefix + "To_Account[0] must be a string"},
		{name: "too many", body: `{"To_Account":` + list(`"a"`, 101) + `,"TagList":["t"]}`, err: prefix + "To_Account has more than 100 elements"},
		{name: "no tags", body: `{"To_Account":["a"]}`, err: prefix + "TagList is missing"},
		{name: "empty tags", body: `{"To_Account":["a"],"TagList":[]}`, err: prefix + "TagList is empty"},
		{name: "tag no string", body: `{"To_Account":["a"],"TagList":["t",{}]}`, err: prefix + "TagList[1] must be a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodePortraitGet, tc.body)
			if err != tc.err || !cmp.Equal(got, tc.want) {
				t.Errorf("= %v, %q, want %v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

// TestDecodedStringsOutliveTheBody holds the promise that rest's pooled buffer needs.
func TestDecodedStringsOutliveTheBody(t *testing.T) {
	body := []byte(`{"AccountList":[{"UserID":"alice","Nick":"A"}]}`)
	got, err := wire.DecodeMultiImport(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = '#'
	}
	if want := (account.Entry{UserID: "alice", Nick: "A"}); got.Entries[0] != want {
		t.Errorf("after the body was reused the entry is %+v", got.Entries[0])
	}
}
