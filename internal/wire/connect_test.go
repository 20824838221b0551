package wire_test

import (
	"errors"
	"testing"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

func TestDecodeConnect(t *testing.T) {
	for _, tt := range []struct {
		data string
		want wire.Connect
		code errcode.Code // 0: none
	}{
		{
			data: `{"SDKAppID":1400000001,"UserID":"u1","UserSig":"s","Platform":"Web","InstanceID":"i","PushCapable":true}`,
			want: wire.Connect{SDKAppID: "1400000001", UserID: "u1", UserSig: "s", Platform: "Web", InstanceID: "i", PushCapable: true},
		},
		{data: `{}`, want: wire.Connect{}},
		{data: `{"SDKAppID":"1400000001","PushCapable":1,"More":[1,{"x":2}]}`, want: wire.Connect{SDKAppID: "1400000001", PushCapable: true}},
		{data: `{"SDKAppID":null,"UserID":null,"PushCapable":false}`, want: wire.Connect{}},
		{data: `{"UserID":"\u0061b"}`, want: wire.Connect{UserID: "ab"}},
		{data: `{"SDKAppID":true}`, code: errcode.BadParam},
		{data: `{"UserID":1}`, code: errcode.BadParam},
		{data: `{"UserSig":[]}`, code: errcode.BadParam},
		{data: `{"Platform":{}}`, code: errcode.BadParam},
		{data: `{"InstanceID":1}`, code: errcode.BadParam},
		{data: `{"PushCapable":"yes"}`, code: errcode.BadParam},
	} {
		got, err := wire.DecodeConnect([]byte(tt.data))
		if tt.code != 0 {
			if errcode.Of(err) != tt.code {
				t.Errorf("%s: %v, want %d", tt.data, err, tt.code)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.data, got, err)
		}
	}
	for _, broken := range []string{``, `null`, `[]`, `{"UserID":`, `{} x`} {
		_, err := wire.DecodeConnect([]byte(broken))
		if _, ok := errors.AsType[*wire.SyntaxError](err); !ok {
			t.Errorf("%q: %v, want a *SyntaxError", broken, err)
		}
	}
}

func TestDecodeCustomStatus(t *testing.T) {
	for data, want := range map[string]string{`{"CustomStatus":"busy"}`: "busy", `{"CustomStatus":""}`: "", `{"x":1,"CustomStatus":"é"}`: "é"} {
		if got, err := wire.DecodeCustomStatus([]byte(data)); err != nil || got != want {
			t.Errorf("%s: %q, %v", data, got, err)
		}
	}
	for _, data := range []string{`{}`, `{"CustomStatus":null}`, `{"CustomStatus":1}`} {
		if _, err := wire.DecodeCustomStatus([]byte(data)); errcode.Of(err) != errcode.BadParam {
			t.Errorf("%s: %v, want 70402", data, err)
		}
	}
}

func FuzzDecodeConnect(f *testing.F) {
	f.Add([]byte(`{"SDKAppID":1400000001,"UserID":"u1","UserSig":"s","Platform":"Web","InstanceID":"i","PushCapable":true}`))
	f.Add([]byte(`{"SDKAppID":"1","PushCapable":0}`))
	f.Add([]byte(`{"CustomStatus":"x"}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = wire.DecodeConnect(data)
		_, _ = wire.DecodeCustomStatus(data)
	})
}
