package imclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/usersig"
)

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*imclient.Options)
		err    string // a substring
	}{
		{"no URL", func(o *imclient.Options) { o.BaseURL = "" }, "BaseURL is missing"},
		{"a broken URL", func(o *imclient.Options) { o.BaseURL = "http://user:hunter2@[" }, "BaseURL is not a URL"},
		{"no scheme", func(o *imclient.Options) { o.BaseURL = "im.example:80" }, "must start with http"},
		{"another scheme", func(o *imclient.Options) { o.BaseURL = "ftp://im.example" }, "must start with http"},
		{"no host", func(o *imclient.Options) { o.BaseURL = "http:///v4" }, "no host"},
		{"a password", func(o *imclient.Options) { o.BaseURL = "http://user:hunter2@im.example" }, "nothing else"},
		{"a query", func(o *imclient.Options) { o.BaseURL = "http://im.example/?usersig=hunter2" }, "nothing else"},
		{"no App", func(o *imclient.Options) { o.SDKAppID = 0 }, "SDKAppID"},
		{"no Key", func(o *imclient.Options) { o.Key = "" }, "key is empty"},
		{"no admin", func(o *imclient.Options) { o.Admin = "" }, "identifier is empty"},
		{"an admin with a newline", func(o *imclient.Options) { o.Admin = "a\nb" }, "control character"},
		{"a short lifetime", func(o *imclient.Options) { o.SigLifetime = time.Second }, "at least 1m0s"},
		{"a negative lifetime", func(o *imclient.Options) { o.SigLifetime = -time.Hour }, "at least 1m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&fake{}).options()
			tc.change(&o)
			_, err := imclient.New(o)
			if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want one with %q", err, tc.err)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	for _, tc := range []struct{ name, base, path, admin string }{
		{"a host", "http://im.example", "/v4/im_open_login_svc/kick", "administrator"},
		{"a slash", "https://im.example/", "/v4/im_open_login_svc/kick", "a+b&c=d%41 e#"},
		{"a path", "http://[::1]:80/gate/im/", "/gate/im/v4/im_open_login_svc/kick", "ädmin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{reply: okReply}
			o := f.options()
			o.BaseURL, o.Admin = tc.base, tc.admin
			if err := newClient(t, o).Kick(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			r := f.seen[0]
			if r.method != http.MethodPost || r.path != tc.path || r.header.Get("Content-Type") != "application/json" {
				t.Errorf("sent %+v", r)
			}
			if r.query.Get("sdkappid") != "1400000001" || r.query.Get("identifier") != tc.admin ||
				r.query.Get("contenttype") != "json" || r.query.Get("random") == "" {
				t.Errorf("query %v", r.query)
			}
			want := usersig.Expect{SDKAppID: testApp, Identifier: tc.admin, Now: 1700000000}
			claims, err := usersig.Verify(r.query.Get("usersig"), [][]byte{[]byte(testKey)}, want)
			if err != nil || claims.Time != 1700000000 || claims.Expire != 86400 {
				t.Errorf("the UserSig: %+v, %v", claims, err)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	f := &fake{reply: okReply}
	o := f.options()
	now := time.Unix(1700000000, 0)
	o.Now, o.SigLifetime = func() time.Time { return now }, time.Hour
	c := newClient(t, o)
	signedAt := func() int64 {
		t.Helper()
		if err := c.Kick(t.Context(), "a"); err != nil {
			if _, refused := errors.AsType[*imclient.Error](err); !refused {
				t.Fatal(err)
			}
		}
		sig, err := usersig.Parse(f.seen[len(f.seen)-1].query.Get("usersig"))
		if err != nil {
			t.Fatal(err)
		}
		return sig.Time
	}
	for _, step := range []struct {
		after time.Duration
		reply string
		want  int64 // when the UserSig of this step was made
	}{
		{0, okReply, 1700000000},
		{30*time.Minute - time.Second, okReply, 1700000000},
		{30 * time.Minute, okReply, 1700001800},
		{31 * time.Minute, `{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":""}`, 1700001800},
		{32 * time.Minute, `{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":""}`, 1700001800},
		{33 * time.Minute, `{"ActionStatus":"FAIL","ErrorCode":70001,"ErrorInfo":""}`, 1700001980},
		{34 * time.Minute, okReply, 1700002040},
		{35 * time.Minute, okReply, 1700002040},
	} {
		now, f.reply = time.Unix(1700000000, 0).Add(step.after), step.reply
		if got := signedAt(); got != step.want {
			t.Errorf("after %v: signed at %d, want %d", step.after, got, step.want)
		}
	}
}

func TestConcurrentRenewal(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":""}`))
	})
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 20 {
				if _, ok := errors.AsType[*imclient.Error](c.Kick(t.Context(), "a")); !ok {
					t.Error("not refused")
				}
			}
		})
	}
	calls.Wait()
}

func TestNothingPrintsTheKey(t *testing.T) {
	o := (&fake{}).options()
	c := newClient(t, o)
	for _, v := range []any{o, &o, o.Key, c, *c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, testKey) || strings.Contains(s, fmt.Sprintf("%x", testKey)) {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
	if text, err := o.Key.MarshalText(); err != nil || string(text) != "[redacted]" || o.Key.LogValue().String() != "[redacted]" {
		t.Errorf("marshalled %q, %v; logged %v", text, err, o.Key.LogValue())
	}
}
