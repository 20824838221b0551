package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

func TestDecodeRow(t *testing.T) {
	full := wire.Row{UserID: "ann", Nick: "Ann", FaceURL: "http://a", TinyID: 144115188075855873, Created: 1700000000, ValidFrom: 1700000100}
	for _, tc := range []struct {
		name, line string
		want       wire.Row
	}{
		{"a name", `"ann"`, wire.Row{UserID: "ann"}},
		{"a name with escapes", `"a\u006e\/\"\\\ud83d\ude00"`, wire.Row{UserID: `an/"\😀`}},
		{"a name between blanks", " \t\"ann\" \r", wire.Row{UserID: "ann"}},
		{"a name for account to judge", `"中 文"`, wire.Row{UserID: "中 文"}},
		{"an object", `{"UserID":"ann"}`, wire.Row{UserID: "ann"}},
		{"everything", `{"UserID":"ann","TinyID":"144115188075855873","Created":1700000000,"ValidFrom":1700000100,"Nick":"Ann","FaceUrl":"http://a"}`, full},
		{"everything, spread out", ` { "Nick" : "Ann" , "FaceUrl":"http:\/\/a", "TinyID" : 144115188075855873,"UserID":"ann", "ValidFrom":1700000100 ,"Created":1700000000 } `, full},
		{"unknown fields", `{"x":{"UserID":"no"},"UserID":"ann","y":[1,{}],"z":"","n":7,"userid":"no"}`, wire.Row{UserID: "ann"}},
		{"null is absent", `{"UserID":"ann","Nick":null,"FaceUrl":null,"TinyID":null,"Created":null,"ValidFrom":null}`, wire.Row{UserID: "ann"}},
		{"last of a repeated field", `{"UserID":"a","Nick":"A","UserID":"b","Nick":"B"}`, wire.Row{UserID: "b", Nick: "B"}},
		{"escaped field names", `{"User\u0049D":"ann","N\u0069ck":"Ann"}`, wire.Row{UserID: "ann", Nick: "Ann"}},
		{"the largest numbers", `{"UserID":"a","TinyID":"18446744073709551615","Created":9223372036854775807}`, wire.Row{UserID: "a", TinyID: 1<<64 - 1, Created: 1<<63 - 1}},
		{"zeros", `{"UserID":"a","TinyID":"0","Created":0,"ValidFrom":0}`, wire.Row{UserID: "a"}},
		{"a replacement character of its own", "{\"UserID\":\"a\",\"Nick\":\"\ufffd \\uFFFD\"}", wire.Row{UserID: "a", Nick: "\ufffd \ufffd"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got wire.Row
			if err := wire.DecodeRow(tc.line, true, &got); err != nil || got != tc.want {
				t.Errorf("%s = %+v, %v, want %+v", tc.line, got, err, tc.want)
			}
		})
	}
}

func TestDecodeRowFails(t *testing.T) {
	for _, tc := range []struct {
		name, line, want string // want is a prefix
		id               string
	}{
		{"empty", "", "60003 the JSON is broken: ", ""},
		{"cut off", `{"UserID":"ann"`, "60003 the JSON is broken: ", "ann"},
		{"no end of a name", `"ann`, "60003 the JSON is broken: ", ""},
		{"a bare name", `ann`, "60003 the JSON is broken: ", ""},
		{"two names", `"ann" "bob"`, "60003 the JSON is broken: ", "ann"},
		{"two rows", `{"UserID":"a"} {"UserID":"b"}`, "60003 the JSON is broken: ", "a"},
		{"a name that goes on as an object", `"ann","TinyID":"144115188075855873"`, "60003 the JSON is broken: ", "ann"},
		{"a value that goes on as an object", `1,"UserID":"ann"`, "60003 the JSON is broken: ", ""},
		{"trailing comma", `{"UserID":"ann",}`, "60003 the JSON is broken: ", "ann"},
		{"control character", "\"a\x01\"", "60003 the JSON is broken: ", ""},
		{"bare NUL", "\"a\x00\"", "60003 the JSON is broken: ", ""},
		{"bad escape", `"\x"`, "60003 the JSON is broken: ", ""},
		{"half a surrogate pair", `{"UserID":"a","Nick":"\ud800"}`, "60003 the JSON is broken: half of a surrogate pair", "a"},
		{"byte order mark", "\ufeff\"ann\"", "60003 the JSON is broken: ", ""},
		{"too deep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "60003 the JSON is broken: ", ""},
		{"leading zero", `{"UserID":"a","x":01}`, "60003 the JSON is broken: ", "a"},
		{"not UTF-8", "\"a\xff\"", "60003 the row is not UTF-8", ""},
		{"Nick not UTF-8", "{\"UserID\":\"a\",\"Nick\":\"\xc3\"}", "60003 the row is not UTF-8", ""},
		{"an array", `["ann"]`, "70402 a row must be a JSON string or object", ""},
		{"a number", `7`, "70402 a row must be a JSON string or object", ""},
		{"null", `null`, "70402 a row must be a JSON string or object", ""},
		{"empty name", `""`, "70402 UserID is empty or missing", ""},
		{"empty UserID", `{"UserID":"","Nick":"x"}`, "70402 UserID is empty or missing", ""},
		{"no UserID", `{"Nick":"x"}`, "70402 UserID is empty or missing", ""},
		{"null UserID", `{"UserID":null}`, "70402 UserID is empty or missing", ""},
		{"number as UserID", `{"UserID":5}`, "60015 UserID must be a string", ""},
		{"list as UserID", `{"UserID":["a"]}`, "60015 UserID must be a string", ""},
		{"number as Nick", `{"UserID":"a","Nick":5}`, "70402 Nick must be a string", "a"},
		{"object as FaceUrl", `{"FaceUrl":{},"UserID":"a"}`, "70402 FaceUrl must be a string", "a"},
		{"word as TinyID", `{"UserID":"a","TinyID":"x"}`, `70402 TinyID must be a whole number, not "x"`, "a"},
		{"negative TinyID", `{"UserID":"a","TinyID":-1}`, `70402 TinyID must be a whole number, not "-1"`, "a"},
		{"TinyID beyond 64 bits", `{"UserID":"a","TinyID":"18446744073709551616"}`, `70402 TinyID must be a whole number, `, "a"},
		{"TinyID with an exponent", `{"UserID":"a","TinyID":1e3}`, `70402 TinyID must be a whole number, not "1e3"`, "a"},
		{"empty TinyID", `{"UserID":"a","TinyID":""}`, `70402 TinyID must be a whole number, not ""`, "a"},
		{"long TinyID", `{"UserID":"a","TinyID":"` + strings.Repeat("1", 1000) + `"}`, `70402 TinyID must be a whole number, not "` + strings.Repeat("1", 32) + `"`, "a"},
		{"text as Created", `{"UserID":"a","Created":"1700000000"}`, "70402 Created must be a whole number, ", "a"},
		{"negative Created", `{"UserID":"a","Created":-5}`, `70402 Created must be a whole number, not "-5"`, "a"},
		{"Created beyond 63 bits", `{"UserID":"a","Created":9223372036854775808}`, "70402 Created must be a whole number, ", "a"},
		{"fraction as ValidFrom", `{"UserID":"a","ValidFrom":1.5}`, `70402 ValidFrom must be a whole number, not "1.5"`, "a"},
		{"list as ValidFrom", `{"UserID":"a","ValidFrom":[1]}`, `70402 ValidFrom must be a whole number, `, "a"},
		{"NUL in a name", `"a\u0000"`, "70402 the row has a NUL", "a\x00"},
		{"NUL in a Nick", `{"UserID":"a","Nick":"\u0000"}`, "70402 the row has a NUL", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var row wire.Row
			err := wire.DecodeRow(tc.line, true, &row)
			if _, ok := errors.AsType[*errcode.Error](err); !ok || !strings.HasPrefix(err.Error(), tc.want) || row.UserID != tc.id {
				t.Errorf("error %v (%T) of %q, want %s of %q", err, err, row.UserID, tc.want, tc.id)
			}
		})
	}
}

// TestDecodeRowWithoutKeep: what counts only with keep is not looked at without, as long as
// it is JSON.
func TestDecodeRowWithoutKeep(t *testing.T) {
	for _, line := range []string{
		`{"UserID":"a","TinyID":"7","Created":7,"ValidFrom":7}`,
		`{"UserID":"a","TinyID":"x","Created":"x","ValidFrom":-1}`,
		`{"UserID":"a","TinyID":[],"Created":{},"ValidFrom":1.5}`,
	} {
		var got wire.Row
		if err := wire.DecodeRow(line, false, &got); err != nil || got != (wire.Row{UserID: "a"}) {
			t.Errorf("%s = %+v, %v", line, got, err)
		}
	}
	var row wire.Row
	if err := wire.DecodeRow(`{"UserID":"a","TinyID":x}`, false, &row); errcode.Of(err) != errcode.BadJSON {
		t.Errorf("broken JSON: %v", err)
	}
}

// TestDecodeRowDoesNotAllocate holds for the lines that exports and most programs write.
func TestDecodeRowDoesNotAllocate(t *testing.T) {
	for _, line := range []string{
		`"ann"`, `{"UserID":"ann"}`, `{"UserID":"ann","Nick":"Änn","FaceUrl":"http://a"}`,
		`{"UserID":"ann","TinyID":"144115188075855873","Created":1700000000,"ValidFrom":1700000100,"Nick":"Ann","FaceUrl":"http://a"}`,
	} {
		var row wire.Row
		if n := testing.AllocsPerRun(100, func() { _ = wire.DecodeRow(line, true, &row) }); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// FuzzDecodeRow holds that the fast ways agree with the slow one, and that what is read as
// a row is JSON to encoding/json as well, and says the same.
func FuzzDecodeRow(f *testing.F) {
	for _, seed := range []string{
		`"ann"`, `"a\u006en"`, ` "ann" `, `"ann","Nick":"x"`, `"a" "b"`, `""`, "\"\xff\"", "\"\x7f\"", `"`,
		`{"UserID":"ann"}`, `{"UserID":"ann","Nick":"Ann","FaceUrl":"http://a"}`, `{ "UserID" : "ann" , "x" : 0 }`, `{}`, `{"UserID":"a","UserID":""}`,
		`{"UserID":"ann","TinyID":"144115188075855873","Created":1700000000,"ValidFrom":1700000100}`,
		`{"UserID":"ann","TinyID":007}`, `{"UserID":"ann","TinyID":"007"}`, `{"UserID":"ann","TinyID":"+7"}`, `{"UserID":"ann","Created":-0}`, `{"UserID":"ann","Created":1e3}`,
		`{"UserID":"ann","Created":"7"}`, `{"UserID":"a\"}`, `{"UserID":"\ud800"}`, "{\"UserID\":\"\ufffd\"}", `{"UserID":null}`, `{"UserID":5}`, `{"UserID":"a","x":"\ud800"}`,
		"\n\"0\"", `{"UserID":"a",}`, `{"UserID":"a"}}`, `{"UserID":"a"}"}`, `{,}`, `1,"x":2`, `[]`, `nul`, "\v\"a\"", "{\"UserID\":\"a\"}\n", "\u00a0\"a\"",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, line string, keep bool) {
		var fast, slow wire.Row
		fastErr, slowErr := wire.DecodeRow(line, keep, &fast), wire.DecodeRowSlowly(line, keep, &slow)
		if errcode.Of(fastErr) != errcode.Of(slowErr) || fast != slow && fastErr == nil {
			t.Fatalf("%q = %+v, %v; slowly %+v, %v", line, fast, fastErr, slow, slowErr)
		}
		if fastErr != nil {
			return
		}
		if want, ok := rowAsJSON(line, keep); !ok || fast != want {
			t.Errorf("%q = %+v, encoding/json has %+v (%v)", line, fast, want, ok)
		}
	})
}

// rowAsJSON reads a row with encoding/json, which takes field names in any case, so it reads
// into a map; of a repeated field the last counts there too.
func rowAsJSON(line string, keep bool) (row wire.Row, ok bool) {
	if !utf8.ValidString(line) {
		return row, false
	}
	if json.Unmarshal([]byte(line), &row.UserID) == nil {
		return row, row.UserID != ""
	}
	fields := map[string]json.RawMessage{}
	// null counts as absent, so it must not hide an earlier value as it would in a map.
	dec := json.NewDecoder(strings.NewReader(line))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') || !json.Valid([]byte(line)) {
		return row, false
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return row, false
		}
		if !bytes.Equal(value, []byte("null")) {
			fields[name.(string)] = value
		}
	}
	text := func(name string, to *string) bool {
		value, there := fields[name]
		return !there || json.Unmarshal(value, to) == nil
	}
	number := func(name string, to any) bool {
		value, there := fields[name]
		if name == "TinyID" {
			value = bytes.TrimSuffix(bytes.TrimPrefix(value, []byte(`"`)), []byte(`"`))
			if value = bytes.TrimLeft(value, "0"); there && len(value) == 0 {
				value = []byte("0")
			}
		}
		return !keep || !there || json.Unmarshal(value, to) == nil
	}
	ok = text("UserID", &row.UserID) && text("Nick", &row.Nick) && text("FaceUrl", &row.FaceURL) &&
		number("TinyID", &row.TinyID) && number("Created", &row.Created) && number("ValidFrom", &row.ValidFrom)
	return row, ok
}

// TestExportedRows: whatever an account may hold comes back from the line that it is
// exported as.
func TestExportedRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 40, 500).Filter(func(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") })
		a := account.Account{
			UserID:    account.UserID(rapid.StringMatching(`[!-~]{1,32}`).Draw(t, "UserID")),
			TinyID:    account.TinyID(rapid.Uint64Min(1).Draw(t, "TinyID")),
			Created:   rapid.Int64Min(0).Draw(t, "Created"),
			ValidFrom: rapid.OneOf(rapid.Just[int64](0), rapid.Int64Min(0)).Draw(t, "ValidFrom"),
			Profile:   account.Profile{Nick: text.Draw(t, "Nick"), FaceURL: text.Draw(t, "FaceURL")},
		}
		line, ok := strings.CutSuffix(string(wire.AppendExported([]byte("before"), &a)), "\n")
		line, cut := strings.CutPrefix(line, "before")
		if !ok || !cut || strings.Contains(line, "\n") {
			t.Fatalf("%q is not a line behind what was there", line)
		}
		var got wire.Row
		err := wire.DecodeRow(line, true, &got)
		want := wire.Row{string(a.UserID), a.Profile.Nick, a.Profile.FaceURL, uint64(a.TinyID), a.Created, a.ValidFrom}
		if err != nil || got != want {
			t.Fatalf("%s = %+v, %v, want %+v", line, got, err, want)
		}
	})
}

func TestBulkLines(t *testing.T) {
	count := wire.BulkCount{Rows: 6, Created: 1, Existed: 2, Updated: 3, Repeated: 4, Failed: 5}
	for name, tc := range map[string]struct{ got, want string }{
		"progress": {
			string(wire.AppendProgress([]byte("x"), count)),
			"x" + `{"Progress":{"Rows":6,"Created":1,"Existed":2,"Updated":3,"Repeated":4,"Failed":5}}` + "\n",
		},
		"import's end": {
			string(wire.AppendReply(nil, wire.Envelope{}, count)),
			`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":6,"Created":1,"Existed":2,"Updated":3,"Repeated":4,"Failed":5}`,
		},
		"a row": {
			string(wire.AppendRowFailure([]byte("x"), 7, "two words", errcode.Newf(errcode.BadParam, "no %q", "a"))),
			"x" + `{"Row":7,"UserID":"two words","ResultCode":70402,"ResultInfo":"no \"a\""}` + "\n",
		},
		"a row that could not be read": {
			string(wire.AppendRowFailure(nil, 1<<40, "", errcode.New(errcode.BadJSON))),
			`{"Row":1099511627776,"UserID":"","ResultCode":60003,"ResultInfo":"the request body is not valid JSON"}` + "\n",
		},
		"a row with a line break in its name": {
			string(wire.AppendRowFailure(nil, 1, "a\nb\x00é\xff", errcode.New(errcode.QuotaExceeded))),
			`{"Row":1,"UserID":"a\nb\u0000é` + "\ufffd" + `","ResultCode":70398,"ResultInfo":"` + errcode.QuotaExceeded.Info() + `"}` + "\n",
		},
		"a bare account": {
			string(wire.AppendExported(nil, &account.Account{UserID: "ann", TinyID: account.FirstTinyID, Created: 1700000000})),
			`{"UserID":"ann","TinyID":"144115188075855872","Created":1700000000}` + "\n",
		},
		"a full account": {
			string(wire.AppendExported(nil, &account.Account{
				UserID: `"\`, TinyID: account.MaxTinyID, Created: 1, ValidFrom: 2,
				Profile: account.Profile{Nick: "Ann\n", FaceURL: "<&>", Attrs: []account.Attr{{Tag: "t", Value: "1"}}},
			})),
			`{"UserID":"\"\\","TinyID":"899999999999999999","Created":1,"ValidFrom":2,"Nick":"Ann\n","FaceUrl":"<&>"}` + "\n",
		},
		"export's end": {
			string(wire.AppendReply(nil, wire.Envelope{}, wire.ExportReply{Rows: 7})),
			`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":7}`,
		},
	} {
		if tc.got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, tc.got, tc.want)
		}
	}
}

func TestDecodeExport(t *testing.T) {
	for _, tc := range []struct {
		body string
		want wire.Export
		err  string
	}{
		{body: `{}`},
		{body: `{"After":"ann","Limit":1000}`, want: wire.Export{After: "ann", Limit: 1000}},
		{body: `{"After":"","Limit":0}`},
		{body: `{"After":null,"Limit":null,"x":[]}`},
		{body: `{"After":5}`, err: "70402 After must be a string"},
		{body: `{"After":"a b"}`, err: "70402 After: the UserID has the byte 0x20 at 1; only printable ASCII without spaces is allowed"},
		{body: `{"Limit":-1}`, err: "70402 Limit must be an integer that is not negative"},
		{body: `{"Limit":"1"}`, err: "70402 Limit must be an integer that is not negative"},
		{body: `{"Limit":1.5}`, err: "70402 Limit must be an integer that is not negative"},
		{body: `{"Limit":9223372036854775808}`, err: "70402 Limit must be an integer that is not negative"},
	} {
		got, err := decoded(wire.DecodeExport, tc.body)
		if err != tc.err || err == "" && got != tc.want {
			t.Errorf("%s = %+v, %q, want %+v, %q", tc.body, got, err, tc.want, tc.err)
		}
	}
	for _, body := range []string{``, `[]`, `{"Limit":1`} {
		if _, err := wire.DecodeExport([]byte(body)); err == nil {
			t.Errorf("%q: no error", body)
		} else if _, ok := errors.AsType[*wire.SyntaxError](err); !ok {
			t.Errorf("%q: %T %v, want a *wire.SyntaxError", body, err, err)
		}
	}
}

func TestParseBulkQuery(t *testing.T) {
	const auth = "sdkappid=1&identifier=a&usersig=x"
	for raw, want := range map[string]string{
		auth:                             "{From:0 KeepTinyIDs:false}",
		auth + "&from=7":                 "{From:7 KeepTinyIDs:false}",
		auth + "&from=&keep_tinyids=":    "{From:0 KeepTinyIDs:false}",
		"keep_tinyids=1&fro%6d=%37&x":    "{From:7 KeepTinyIDs:true}",
		"from=1&from=2":                  "{From:1 KeepTinyIDs:false}",
		"keep_tinyids=0":                 "{From:0 KeepTinyIDs:false}",
		"keep_tinyids=true":              "{From:0 KeepTinyIDs:true}",
		"from=9223372036854775807":       "{From:9223372036854775807 KeepTinyIDs:false}",
		"from=9223372036854775808":       "70402 from must be a number of rows",
		"from=-1":                        "70402 from must be a number of rows",
		"from=x":                         "70402 from must be a number of rows",
		"From=5&KEEP_TINYIDS=1&xfrom=2&": "{From:0 KeepTinyIDs:false}",
		"keep_tinyids=yes":               "70402 keep_tinyids must be 1 or 0",
	} {
		q, err := wire.ParseBulkQuery(raw)
		got := fmt.Sprintf("%+v", q)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s = %s, want %s", raw, got, want)
		}
	}
}
