package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

const minimal = "sdkappid=1400000000,key=" + secret + ",admin=administrator"

func minimalApp() app.App {
	return app.App{
		SDKAppID: 1400000000,
		Keys:     []app.Key{secret},
		Admins:   []account.UserID{"administrator"},
		Edition:  app.Pro,
		Rate:     app.DefaultRate,
		Login:    app.LoginPolicy{Mode: app.MultiLogin, WebInstances: 1, PlatformInstances: 1},
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name   string
		line   string
		change func(*app.App)
	}{
		{"defaults", minimal, func(*app.App) {}},
		{"any order, spaces before names", "admin=administrator, key=" + secret + ", sdkappid=1400000000", func(*app.App) {}},
		{"two keys, two admins", minimal + ",key=2nd-secret,admin=root", func(a *app.App) {
			a.Keys = append(a.Keys, "2nd-secret")
			a.Admins = append(a.Admins, "root")
		}},
		{"a key with equals signs", minimal + ",key=YWJjZGVmZw==", func(a *app.App) { a.Keys = append(a.Keys, "YWJjZGVmZw==") }},
		{"trial", minimal + ",edition=trial", func(a *app.App) { a.Edition = app.Trial }},
		{"no rate limit", minimal + ",rate=0", func(a *app.App) { a.Rate = 0 }},
		{"largest rate", minimal + ",rate=1000000", func(a *app.App) { a.Rate = app.MaxRate }},
		{"flags", minimal + ",disabled,delete-locked=true", func(a *app.App) { a.Disabled, a.DeleteLocked = true, true }},
		{"flags off", minimal + ",disabled=false,delete-locked=0", func(*app.App) {}},
		{"delete hold", minimal + ",delete-hold=720h", func(a *app.App) { a.DeleteHold = 720 * time.Hour }},
		{"login", minimal + ",login-mode=dual,web-instances=10,platform-instances=3", func(a *app.App) {
			a.Login = app.LoginPolicy{Mode: app.DualLogin, WebInstances: 10, PlatformInstances: 3}
		}},
		{"webhook", minimal + ",webhook=https://app.example.com:8443/im?from=muster", func(a *app.App) {
			a.Webhook.URL = "https://app.example.com:8443/im?from=muster"
		}},
		{"webhook with a token", minimal + ",webhook-token=xxxyyy=,webhook=http://[::1]:80", func(a *app.App) {
			a.Webhook = app.Webhook{URL: "http://[::1]:80", Token: "xxxyyy="}
		}},
		{"webhook for messages", minimal + ",webhook=http://a,webhook-before-send,webhook-after-send=true", func(a *app.App) {
			a.Webhook = app.Webhook{URL: "http://a", BeforeSend: true, AfterSend: true}
		}},
		{"webhook for messages alone, that must answer", minimal + ",webhook=http://a,no-webhook-state,webhook-fail-closed,webhook-before-send", func(a *app.App) {
			a.Webhook = app.Webhook{URL: "http://a", NoState: true, BeforeSend: true, FailClosed: true}
		}},
		{"no webhook, and nothing for it", minimal + ",no-webhook-state=0,webhook-before-send=0,webhook-after-send=0,webhook-fail-closed=0", func(*app.App) {}},
		{"largest sdkappid", strings.Replace(minimal, "1400000000", "4294967295", 1), func(a *app.App) { a.SDKAppID = 4294967295 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := minimalApp()
			tt.change(&want)
			got, err := app.Parse(tt.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseNamesAllFaultsAtOnce(t *testing.T) {
	admins := func(n int) (s string) {
		for i := range n {
			s += fmt.Sprintf(",admin=a%d", i)
		}
		return s
	}
	tests := []struct {
		name string
		line string
		want []string
	}{
		{"nothing", "", []string{"field 1: is none of " + app.Syntax, "sdkappid: must be a number", "keys: an App has 1 to 2 Keys, not 0", "admins: an App has 1 to 10 admins, not 0"}},
		{"everything", "sdkappid=x,key=abc,admin=a b,edition=gold,rate=-1,delete-hold=-1h", []string{
			"sdkappid: must be a number", "keys: number 1 is too short: 3 bytes", "admins: number 1: the UserID has the byte 0x20",
			"edition: must be trial or pro", "rate: must be a number from 0 to 1000000", "delete-hold: must not be negative",
		}},
		{"zero sdkappid", "sdkappid=0,key=" + secret + ",admin=a", []string{"sdkappid: must be a number from 1 to 4294967295"}},
		{"sdkappid over 32 bits", "sdkappid=4294967296,key=" + secret + ",admin=a", []string{"sdkappid: must be a number from 1 to 4294967295"}},
		{"sdkappid over 64 bits", "sdkappid=99999999999999999999,key=" + secret + ",admin=a", []string{"sdkappid: must be a number from 1 to 4294967295"}},
		{"no values", minimal + ",rate,edition", []string{"rate: has no value", "edition: has no value"}},
		{"empty edition", minimal + ",edition=", []string{"edition: is empty"}},
		{"twice", minimal + ",sdkappid=2,rate=1,rate=1,disabled,disabled", []string{"sdkappid: stands twice", "rate: stands twice", "disabled: stands twice"}},
		{"flag of another value", minimal + ",disabled=perhaps", []string{"disabled: is neither true nor false"}},
		{"rate over the limit", minimal + ",rate=1000001", []string{"rate: must be"}},
		{"rate not a number", minimal + ",rate=fast", []string{"rate: must be"}},
		{"hold not a duration", minimal + ",delete-hold=30d", []string{"delete-hold: is not a duration such as 720h"}},
		{"three keys", minimal + ",key=2nd-secret,key=3rd-secret", []string{"keys: an App has 1 to 2 Keys, not 3"}},
		{"a key twice", minimal + ",key=" + secret, []string{"keys: number 2 is the same as number 1"}},
		{"an empty key", minimal + ",key=", []string{"keys: number 2 is empty"}},
		{"a padded key", minimal + ",key=2nd-secret ", []string{"keys: number 2 starts or ends with white space"}},
		{"a printed key", minimal + ",key=[redacted]", []string{"keys: number 2 is the placeholder"}},
		{"an admin twice", minimal + ",admin=administrator", []string{"admins: number 2 is the same as number 1"}},
		{"eleven admins", minimal + admins(10), []string{"admins: an App has 1 to 10 admins, not 11"}},
		{"login mode", minimal + ",login-mode=Multi", []string{"login-mode: must be single, dual, triple or multi"}},
		{"no login mode", minimal + ",login-mode=", []string{"login-mode: is empty"}},
		{"no web", minimal + ",web-instances=0,platform-instances=0", []string{"web-instances: must be a number from 1 to 10", "platform-instances: must be a number from 1 to 3"}},
		{"too many devices", minimal + ",web-instances=11,platform-instances=4", []string{"web-instances: must be a number from 1 to 10", "platform-instances: must be a number from 1 to 3"}},
		{"instances not a number", minimal + ",web-instances=many,platform-instances=", []string{"web-instances: must be a number from 1 to 10", "platform-instances: must be a number from 1 to 3"}},
		{"webhook no URL", minimal + ",webhook=http://a b", []string{"webhook: must be a URL such as"}},
		{"webhook with a space", minimal + ",webhook=http://a/ b", []string{"webhook: must be a URL such as"}},
		{"webhook of another scheme", minimal + ",webhook=ftp://a", []string{"webhook: must begin with http:// or https://"}},
		{"webhook a bare host", minimal + ",webhook=app.example.com/im", []string{"webhook: must begin with http:// or https://"}},
		{"webhook a host and port", minimal + ",webhook=localhost:80", []string{"webhook: must be a URL such as"}},
		{"webhook without a host", minimal + ",webhook=http://:80/im", []string{"webhook: must have a host"}},
		{"webhook of an impossible port", minimal + ",webhook=http://a:65536/", []string{"webhook: must have a port from 1 to 65535"}},
		{"webhook with a password", minimal + ",webhook=http://u:p@a/", []string{"webhook: must not have a user name or password in it"}},
		{"webhook with a fragment", minimal + ",webhook=http://a/#", []string{"webhook: must not have a fragment"}},
		{"webhook token alone", minimal + ",webhook-token=t", []string{"webhook: is missing, but webhook-token is given"}},
		{"webhook missing for before", minimal + ",webhook-before-send", []string{"webhook: is missing, but webhook-before-send is given"}},
		{"webhook missing for after", minimal + ",webhook-after-send", []string{"webhook: is missing, but webhook-after-send is given"}},
		{"webhook missing for no state", minimal + ",no-webhook-state", []string{"webhook: is missing, but no-webhook-state is given"}},
		{"fail closed alone", minimal + ",webhook=http://a,webhook-fail-closed", []string{"webhook-fail-closed: means something only with webhook-before-send"}},
		{"webhook flags", minimal + ",webhook=http://a,webhook-after-send=x,webhook-before-send=,no-webhook-state,no-webhook-state", []string{
			"webhook-after-send: is neither true nor false", "webhook-before-send: is neither true nor false", "no-webhook-state: stands twice",
		}},
		{"empty webhook and token", minimal + ",webhook=,webhook-token=", []string{"webhook: is empty", "webhook-token: is empty"}},
		{"printed token", minimal + ",webhook=http://a,webhook-token=[redacted]", []string{"webhook-token: is the placeholder"}},
		{"padded token", minimal + ",webhook=http://a,webhook-token= t", []string{"webhook-token: starts or ends with white space"}},
		{"a comma in a key", minimal + ",key=2nd-secret,more", []string{"field 5: is none of"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := app.Parse(tt.line)
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.Split(strings.TrimPrefix(err.Error(), "app: "), "\n")
			for _, want := range tt.want {
				if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("it does not say %q: %q", want, got)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d faults, want %d: %q", len(got), len(tt.want), got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal, 0)
	f.Add(minimal+",rate=200,edition=trial,disabled,delete-locked,delete-hold=720h", 70)
	f.Add("sdkappid=,rate=,delete-hold=,disabled=,edition=,admin=,key=", 9)
	f.Add(minimal+",login-mode=single,web-instances=2,platform-instances=3,webhook=http://a,webhook-token=t", 110)
	f.Add(minimal+",webhook=http://a,no-webhook-state=1,webhook-before-send=t,webhook-after-send,webhook-fail-closed=", 110)
	f.Add("webhook=http://u:p@a,webhook-token=,web-instances=", 15)
	f.Add("kye=,key=a,b=c", 4)
	const marker = "#T0p-S3cret#"
	f.Fuzz(func(t *testing.T, line string, at int) {
		if a, err := app.Parse(line); err == nil {
			if got, err := app.Parse(line); err != nil || !got.Equal(a) {
				t.Errorf("a second Parse differs: %v", err)
			}
			if a.Login != a.Login.Filled() || !a.Login.Mode.Valid() {
				t.Errorf("Parse gives the LoginPolicy %+v", a.Login)
			}
			if len(a.Keys) == 0 || len(a.Admins) == 0 || a.SDKAppID == 0 || a.Rate < 0 {
				t.Errorf("Parse gives an App that is not sound: %+v", a)
			}
		}
		// Wherever a secret ends up by a slip, no error repeats it.
		if at < 0 || at > len(line) {
			return
		}
		if _, err := app.Parse(line[:at] + marker + line[at:]); err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("the error repeats what the operator wrote: %v", err)
		}
	})
}

const specYAML = `
sdkappid: 1400000000
keys: [` + secret + `, 12345678]
admins: [administrator, root]
edition: trial
rate: 0
disabled: true
delete-locked: true
delete-hold: 720h
login-mode: triple
web-instances: 2
platform-instances: 3
webhook: https://app.example.com/im,x
webhook-token: a,b;c
no-webhook-state: true
webhook-before-send: true
webhook-after-send: true
webhook-fail-closed: true
`

func TestSpecFromYAMLAndJSON(t *testing.T) {
	rate, web, others := 0, 2, 3
	want := app.Spec{
		SDKAppID:     1400000000,
		Keys:         []app.Key{secret, "12345678"},
		Admins:       []account.UserID{"administrator", "root"},
		Edition:      app.Trial,
		Rate:         &rate,
		Disabled:     true,
		DeleteLocked: true,
		DeleteHold:   app.Duration(720 * time.Hour),

		LoginMode:         app.TripleLogin,
		WebInstances:      &web,
		PlatformInstances: &others,
		Webhook:           "https://app.example.com/im,x",
		WebhookToken:      "a,b;c",
		NoWebhookState:    true,
		WebhookBeforeSend: true,
		WebhookAfterSend:  true,
		WebhookFailClosed: true,
	}
	var fromYAML app.Spec
	if err := yaml.Unmarshal([]byte(specYAML), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromYAML); diff != "" {
		t.Errorf("from YAML (-want +got):\n%s", diff)
	}

	// What is printed comes back as it was, except for the Keys, which are refused.
	for name, code := range map[string]struct {
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
	}{
		"yaml": {yaml.Marshal, yaml.Unmarshal},
		"json": {json.Marshal, json.Unmarshal},
	} {
		text, err := code.marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got app.Spec
		if err := code.unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := got.App(); err == nil || strings.Count(err.Error(), "placeholder") < 2 {
			t.Errorf("%s: a redacted Spec is taken as an App: %v", name, err)
		}
		got.Keys, got.WebhookToken = want.Keys, want.WebhookToken
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s round trip (-want +got):\n%s", name, diff)
		}
	}
}

func TestSpecAppSharesNothing(t *testing.T) {
	s := app.Spec{SDKAppID: 1400000000, Keys: []app.Key{secret}, Admins: []account.UserID{"administrator"}}
	a, err := s.App()
	if err != nil {
		t.Fatal(err)
	}
	s.Keys[0], s.Admins[0] = "another-key", "mallory"
	if diff := cmp.Diff(minimalApp(), a); diff != "" {
		t.Errorf("App (-want +got):\n%s", diff)
	}
}
