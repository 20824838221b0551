package message_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/message"
)

// documented are the examples of the page "message formats", one of each type.
var documented = []string{
	`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello world"}}]`,
	`[{"MsgType":"TIMLocationElem","MsgContent":{"Desc":"someinfo","Latitude":29.340656774469956,"Longitude":116.77497920478824}}]`,
	`[{"MsgType":"TIMFaceElem","MsgContent":{"Index":1,"Data":"content"}}]`,
	`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"message","Desc":"notification","Ext":"url","Sound":"dingdong.aiff"}}]`,
	`[{"MsgType":"TIMSoundElem","MsgContent":{"Url":"https://1.2.3.4/a","UUID":"305c","Size":62351,"Second":1,"Download_Flag":2}}]`,
	`[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"1853095","ImageFormat":1,"ImageInfoArray":[{"Type":1,"Size":1853095,"Width":2448,"Height":3264,"URL":"http://1.2.3.4/0"},{"Type":2,"Size":0,"Width":0,"Height":0,"URL":"http://1.2.3.4/720"}]}}]`,
	`[{"MsgType":"TIMFileElem","MsgContent":{"Url":"https://1.2.3.4/b","UUID":"305c","FileSize":1773552,"FileName":"file:///private/a.png","Download_Flag":2}}]`,
	`[{"MsgType":"TIMVideoFileElem","MsgContent":{"VideoUrl":"https://1.2.3.4/c","VideoUUID":"5da3","VideoSize":1194603,"VideoSecond":5,"VideoFormat":"mp4","VideoDownloadFlag":2,"ThumbUrl":"https://1.2.3.4/d","ThumbUUID":"6edf","ThumbSize":13907,"ThumbWidth":720,"ThumbHeight":1280,"ThumbFormat":"JPG","ThumbDownloadFlag":2}}]`,
	`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}},{"MsgType":"TIMFaceElem","MsgContent":{"Index":1,"Data":"content"}},{"MsgType":"TIMTextElem","MsgContent":{"Text":"world"}}]`,
}

func TestCheckBodyTakesWhatIsDocumented(t *testing.T) {
	for _, body := range documented {
		for _, text := range []string{body, strings.ReplaceAll(body, ":", " :\n\t")} {
			if strings.Contains(text, "http") && text != body {
				continue // those colons stand in strings
			}
			got, err := message.CheckBody([]byte(text))
			if err != nil || string(got) != body {
				t.Errorf("CheckBody(%s) = %s, %v", text, got, err)
			}
		}
	}
}

func TestCheckBody(t *testing.T) {
	const image = `{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u","ImageInfoArray":`
	const custom = `{"MsgType":"TIMCustomElem","MsgContent":{}}`
	for _, tc := range []struct {
		name, body string
		want       string // "" is the body itself
		code       errcode.Code
		err        string // how ErrorInfo goes on
	}{
		{name: "white space in a string", body: ` [ {"MsgType" : "TIMTextElem", "MsgContent":{"Text":" a \" b\n"}}] `, want: `[{"MsgType":"TIMTextElem","MsgContent":{"Text":" a \" b\n"}}]`},
		{name: "fields beyond those documented", body: `[{"x":[{}],"MsgContent":{"Text":"a","y":{"Text":1}},"MsgType":"TIMTextElem"}]`},
		{name: "the App's own element", body: `[` + custom + `]`},
		{name: "half a surrogate", body: `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"\ud83d"}}]`},
		{name: "no UTF-8", body: "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\xff\"}}]", want: "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\ufffd\"}}]"},

		{name: "missing", body: ``, code: errcode.OpenIMBadBody, err: "it is missing"},
		{name: "empty", body: `[]`, code: errcode.OpenIMBadBody, err: "it is empty"},
		{name: "cut off", body: `[`, code: errcode.OpenIMBadElement, err: "MsgBody[0] is not JSON, or has a field twice"},
		{name: "more", body: `[` + custom + `]]`, code: errcode.OpenIMBadBody, err: "more follows after the array"},
		{name: "no JSON", body: `x`, code: errcode.OpenIMBadBody, err: "it is not JSON"},
		{name: "no closing", body: `[` + custom, code: errcode.OpenIMBadElement, err: "MsgBody[1] is not JSON, or has a field twice"},
		{name: "wrong closing", body: `[` + custom + `}`, code: errcode.OpenIMBadElement, err: "MsgBody[1] is not JSON, or has a field twice"},
		{name: "an object", body: custom, code: errcode.OpenIMBodyNotArray},
		{name: "a string", body: `"hello"`, code: errcode.OpenIMBodyNotArray},
		{name: "element no object", body: `["hello"]`, code: errcode.OpenIMBadElement, err: "MsgBody[0] must be an object"},
		{name: "no type", body: `[{"MsgContent":{}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgType is missing"},
		{name: "type no string", body: `[{"MsgType":1}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgType must be a string"},
		{name: "unknown type", body: `[{"MsgType":"TIMTextelem","MsgContent":{"Text":"a"}}]`, code: errcode.OpenIMBadElement, err: `MsgBody[0].MsgType is "TIMTextelem", which is no type of a message`},
		{name: "no content", body: `[` + custom + `,{"MsgType":"TIMTextElem"}]`, code: errcode.OpenIMBadElement, err: "MsgBody[1].MsgContent is missing"},
		{name: "content no object", body: `[{"MsgType":"TIMTextElem","MsgContent":"a"}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent must be an object"},
		{name: "field missing", body: `[{"MsgType":"TIMTextElem","MsgContent":{"text":"a"}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.Text is missing"},
		{name: "field null", body: `[{"MsgType":"TIMTextElem","MsgContent":{"Text":null}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.Text must be a string"},
		{name: "field twice", body: `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a","Text":"b"}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0] is not JSON, or has a field twice"},
		{name: "type twice", body: `[{"MsgType":"TIMTextElem","MsgType":"TIMFaceElem","MsgContent":{"Index":1}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0] is not JSON, or has a field twice"},
		{name: "integer", body: `[{"MsgType":"TIMFaceElem","MsgContent":{"Index":"1"}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.Index must be an integer"},
		{name: "fraction", body: `[{"MsgType":"TIMFaceElem","MsgContent":{"Index":1.5}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.Index must be an integer"},
		{name: "number", body: `[{"MsgType":"TIMLocationElem","MsgContent":{"Latitude":1,"Longitude":"2"}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.Longitude must be a number"},
		{name: "list", body: `[` + image + `{}}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.ImageInfoArray must be an array"},
		{name: "list empty", body: `[` + image + `[]}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.ImageInfoArray is empty"},
		{name: "item", body: `[` + image + `[1]}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.ImageInfoArray[0] must be an object"},
		{name: "item's field", body: `[` + image + `[{"Type":1,"URL":"u"},{"Type":1}]}}]`, code: errcode.OpenIMBadElement, err: "MsgBody[0].MsgContent.ImageInfoArray[1].URL is missing"},
		{name: "two of the App's own", body: `[` + custom + `,` + custom + `]`, code: errcode.OpenIMBadElement, err: "a message may have one TIMCustomElem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := []byte(tc.body)
			got, err := message.CheckBody(raw)
			if string(raw) != tc.body {
				t.Errorf("the body was changed to %s", raw)
			}
			if tc.code != 0 {
				want := errcode.New(tc.code)
				if tc.err != "" {
					want = errcode.Newf(tc.code, "%s: %s", tc.code.Info(), tc.err)
				}
				if err == nil || err.Error() != want.Error() {
					t.Fatalf("error %v, want %v", err, want)
				}
				return
			}
			want := tc.want
			if want == "" {
				want = tc.body
			}
			if err != nil || string(got) != want {
				t.Errorf("= %s, %v, want %s", got, err, want)
			}
		})
	}
}

// FuzzCheckBody: what is taken is valid UTF-8 and JSON without white space, and is taken again
// as it is.
func FuzzCheckBody(f *testing.F) {
	for _, body := range documented {
		f.Add([]byte(body))
	}
	f.Add([]byte(" [ {\"MsgType\" : \"TIMCustomElem\", \"MsgContent\":{\"Data\":\"\xff\\u0041\\\\\"}}] "))
	f.Add([]byte(`[[[[{"MsgType":`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		body, err := message.CheckBody(raw)
		if !bytes.Equal(raw, before) {
			t.Fatalf("%q became %q", before, raw)
		}
		if err != nil {
			if code := errcode.Of(err); code != errcode.OpenIMBadBody && code != errcode.OpenIMBodyNotArray && code != errcode.OpenIMBadElement {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, bytes.ToValidUTF8(raw, []byte("\ufffd"))); err != nil || !utf8.Valid(body) {
			t.Fatalf("%q was taken, as %q: %v", raw, body, err)
		}
		if want.String() != string(body) {
			t.Errorf("%q became %q, want %q", raw, body, want.String())
		}
		again, err := message.CheckBody(body)
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("%q, taken again, is %q, %v", body, again, err)
		}
	})
}

func BenchmarkCheckBody(b *testing.B) {
	body := []byte(documented[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := message.CheckBody(body); err != nil {
			b.Fatal(err)
		}
	}
}
