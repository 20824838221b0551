package wire_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

func TestDecodeStatusQuery(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       wire.StatusQuery
		err        string
	}{
		{name: "the documented example", body: `{"To_Account":["id1","id2"]}`, want: wire.StatusQuery{UserIDs: []account.UserID{"id1", "id2"}}},
		{name: "detail", body: `{"IsNeedDetail":1,"To_Account":["id1"]}`, want: wire.StatusQuery{UserIDs: []account.UserID{"id1"}, Detail: true}},
		{
			name: "all flags", body: `{"IsReturnInstid":1,"To_Account":["id1"],"IsReturnCustomStatus":1.0,"IsNeedDetail":0}`,
			want: wire.StatusQuery{UserIDs: []account.UserID{"id1"}, Instances: true, CustomStatus: true},
		},
		{name: "flags off", body: `{"IsReturnInstid":0,"To_Account":["id1"],"IsReturnCustomStatus":null}`, want: wire.StatusQuery{UserIDs: []account.UserID{"id1"}}},
		{name: "500", body: `{"To_Account":` + list(`"a"`, 500) + `}`, want: wire.StatusQuery{UserIDs: slicesRepeat("a", 500)}},
		{name: "501", body: `{"To_Account":` + list(`"a"`, 501) + `}`, err: "90011 To_Account has more than 500 accounts"},
		{name: "missing", body: `{}`, err: "90003 Invalid format of To_Account: it is missing, and must be an array of strings"},
		{name: "a name", body: `{"To_Account":"id1"}`, err: "90003 Invalid format of To_Account: it must be an array of strings"},
		{name: "a number", body: `{"To_Account":["a",1]}`, err: "90003 Invalid format of To_Account: To_Account[1] must be a string"},
		{name: "empty", body: `{"To_Account":[]}`, err: "90001 Fail to Parse json data of body, Please check it: To_Account is empty"},
		{name: "detail as text", body: `{"To_Account":["a"],"IsNeedDetail":true}`, err: "90001 Fail to Parse json data of body, Please check it: IsNeedDetail must be an integer"},
		{name: "instances as text", body: `{"To_Account":["a"],"IsReturnInstid":"1"}`, err: "90001 Fail to Parse json data of body, Please check it: IsReturnInstid must be an integer"},
		{name: "custom status half", body: `{"IsReturnCustomStatus":0.5}`, err: "90001 Fail to Parse json data of body, Please check it: IsReturnCustomStatus must be an integer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeStatusQuery, tc.body)
			if err != tc.err || !cmp.Equal(got, tc.want) {
				t.Errorf("= %v, %q, want %v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestDecodeMultiKick(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []account.UserID
		err        string
	}{
		{name: "two", body: `{"x":[1],"UserIDs":["a","b"]}`, want: []account.UserID{"a", "b"}},
		{name: "repeats and bad names are data", body: `{"UserIDs":["a","","a"]}`, want: []account.UserID{"a", "", "a"}},
		{name: "100", body: `{"UserIDs":` + list(`"a"`, 100) + `}`, want: slicesRepeat("a", 100)},
		{name: "101", body: `{"UserIDs":` + list(`"a"`, 101) + `}`, err: "70402 UserIDs has more than 100 elements"},
		{name: "missing", body: `{"UserID":"a"}`, err: "70402 UserIDs is missing"},
		{name: "null", body: `{"UserIDs":null}`, err: "70402 UserIDs is missing"},
		{name: "a name", body: `{"UserIDs":"a"}`, err: "70402 UserIDs must be an array"},
		{name: "empty", body: `{"UserIDs":[]}`, err: "70402 UserIDs is empty"},
		{name: "a number", body: `{"UserIDs":["a",1]}`, err: "60015 UserIDs[1] must be a string"},
		{name: "a null", body: `{"UserIDs":[null]}`, err: "60015 UserIDs[0] must be a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decoded(wire.DecodeMultiKick, tc.body)
			if err != tc.err || !cmp.Equal(got, tc.want) {
				t.Errorf("= %v, %q, want %v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}
