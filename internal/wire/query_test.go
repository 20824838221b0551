package wire_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/wire"
)

func TestParseQuery(t *testing.T) {
	for _, tc := range []struct {
		name, raw string
		want      wire.Query
	}{
		{"the documented order", "sdkappid=88888888&identifier=admin&usersig=xxx&random=99999999&contenttype=json", wire.Query{"88888888", "admin", "xxx"}},
		{"any order", "random=-7&usersig=xxx&contenttype=json&identifier=admin&sdkappid=1", wire.Query{"1", "admin", "xxx"}},
		{"escaped sig", "usersig=a%2Ab%2ac-_", wire.Query{UserSig: "a*b*c-_"}},
		{"plus stays", "identifier=a+b%2Bc", wire.Query{Identifier: "a+b+c"}},
		{"first wins", "sdkappid=1&sdkappid=2&identifier=&identifier=b", wire.Query{SDKAppID: "1"}},
		{"escaped name", "%73dkappid=1", wire.Query{SDKAppID: "1"}},
		{"names have a case", "SdkAppId=1", wire.Query{}},
		{"no value", "sdkappid&identifier=", wire.Query{}},
		{"value with an equals sign", "usersig=a=b==", wire.Query{UserSig: "a=b=="}},
		{"semicolon is no separator", "sdkappid=1;identifier=a", wire.Query{SDKAppID: "1;identifier=a"}},
		{"empty pairs", "&&sdkappid=1&&", wire.Query{SDKAppID: "1"}},
		{"broken escapes", "sdkappid=%&identifier=%4&usersig=%zz%41", wire.Query{"%", "%4", "%zzA"}},
		{"empty", "", wire.Query{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := wire.ParseQuery(tc.raw); got != tc.want {
				t.Errorf("ParseQuery(%q) = %+v, want %+v", tc.raw, got, tc.want)
			}
		})
	}
}

func TestParseQueryDoesNotAllocate(t *testing.T) {
	raw := "sdkappid=1400000000&identifier=administrator&usersig=eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmhuYGJqZmJmYQkRTKwoyi0DipqamRnC1xZnpSlZKluZ5lqF5FSYeniZhAZH5mW4uThZGZRbO2fppJmWlPolBpWmOxUn6rimWnrZKtQCTCTGU&random=12345&contenttype=json"
	if n := testing.AllocsPerRun(100, func() { wire.ParseQuery(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParseQuery compares with net/url wherever the two are meant to agree: net/url
// turns a plus into a blank, drops what it cannot decode and refuses semicolons.
func FuzzParseQuery(f *testing.F) {
	f.Add("sdkappid=88888888&identifier=admin&usersig=xxx&random=99999999&contenttype=json")
	f.Add("usersig=a%2Ab&usersig=c&%73dkappid=%31")
	f.Add("identifier=%zz&sdkappid=%")
	f.Add("from=7&keep_tinyids=1&from=8")
	f.Fuzz(func(t *testing.T, raw string) {
		got := wire.ParseQuery(raw)
		want, err := url.ParseQuery(strings.ReplaceAll(raw, "+", "%2B"))
		if err != nil {
			return
		}
		bulk, bulkErr := wire.ParseBulkQuery(raw)
		from, fromErr := strconv.ParseUint(want.Get("from"), 10, 63)
		keep, keepErr := strconv.ParseBool(want.Get("keep_tinyids"))
		if ok := (want.Get("from") == "" || fromErr == nil) && (want.Get("keep_tinyids") == "" || keepErr == nil); ok != (bulkErr == nil) ||
			ok && bulk != (wire.BulkQuery{From: int64(from), KeepTinyIDs: keep}) {
			t.Errorf("ParseBulkQuery(%q) = %+v, %v, net/url has %v", raw, bulk, bulkErr, want)
		}
		if w := (wire.Query{want.Get("sdkappid"), want.Get("identifier"), want.Get("usersig")}); got != w {
			t.Errorf("ParseQuery(%q) = %+v, net/url has %+v", raw, got, w)
		}
	})
}
