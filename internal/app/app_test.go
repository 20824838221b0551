package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

const secret = "5bd2850fff3ecb11d7c805251c51ee46"

func sample(id account.SDKAppID) app.App {
	return app.App{
		SDKAppID:   id,
		Keys:       []app.Key{secret},
		Admins:     []account.UserID{"administrator"},
		Edition:    app.Trial,
		Rate:       app.DefaultRate,
		DeleteHold: time.Hour,
		Webhook:    app.Webhook{URL: "https://app.example.com/im", Token: secret},
	}
}

// holders returns a Key and everything of this package that carries one.
func holders(t *testing.T) map[string]any {
	t.Helper()
	registry, err := app.NewRegistry([]app.App{sample(1)})
	if err != nil {
		t.Fatal(err)
	}
	registered, _ := registry.Find(1)
	a := sample(1)
	return map[string]any{
		"Key":         app.Key(secret),
		"slice":       []app.Key{secret},
		"map":         map[string]app.Key{"k": secret},
		"App":         a,
		"*App":        &a,
		"registered":  registered,
		"in a struct": struct{ App *app.App }{registered},
		"Spec":        app.Spec{SDKAppID: 1, Keys: a.Keys, Admins: a.Admins, Webhook: a.Webhook.URL, WebhookToken: secret},
		"Webhook":     a.Webhook,
	}
}

func TestKeyRedactsItself(t *testing.T) {
	var log bytes.Buffer
	loggers := map[string]*slog.Logger{
		"slog text": slog.New(slog.NewTextHandler(&log, nil)),
		"slog json": slog.New(slog.NewJSONHandler(&log, nil)),
	}
	for name, v := range holders(t) {
		out := make(map[string]string)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			out["fmt "+verb] = fmt.Sprintf(verb, v)
		}
		for how, logger := range loggers {
			log.Reset()
			logger.Info("m", "v", v)
			out[how] = log.String()
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out["json"], out["yaml"] = string(j), string(y)
		for how, text := range out {
			t.Run(name+" "+how, func(t *testing.T) {
				if strings.Contains(text, secret) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", secret)) {
					t.Errorf("the Key shows: %s", text)
				}
			})
		}
	}
	if got := fmt.Sprintf("%v %+v %d", app.Key(secret), &app.App{SDKAppID: 1, Keys: []app.Key{secret}}, []app.Key{secret}); got != "[redacted] App 1 [[redacted]]" {
		t.Errorf("printed: %s", got)
	}
	if app.Key(secret).Reveal() != secret {
		t.Error("Reveal does not return the Key")
	}
}

func TestPolicy(t *testing.T) {
	a := sample(7)
	a.DeleteLocked = true
	want := &account.Policy{
		SDKAppID:     7,
		Quota:        app.TrialQuota,
		Admins:       []account.UserID{"administrator"},
		DeleteLocked: true,
		DeleteHold:   time.Hour,
	}
	if diff := cmp.Diff(want, a.Policy()); diff != "" {
		t.Errorf("Policy (-want +got):\n%s", diff)
	}
	registry, err := app.NewRegistry([]app.App{a})
	if err != nil {
		t.Fatal(err)
	}
	registered, _ := registry.Find(7)
	if diff := cmp.Diff(want, registered.Policy()); diff != "" {
		t.Errorf("Policy of a registered App (-want +got):\n%s", diff)
	}
	if first, second := registered.Policy(), registered.Policy(); first != second {
		t.Error("a registered App computes its Policy anew")
	}

	changed := *registered
	changed.Edition = app.Pro
	if got := changed.Policy().Quota; got != 0 {
		t.Errorf("the changed copy of a registered App has the quota %d of the original", got)
	}
}

func TestQuotaOfEditions(t *testing.T) {
	if got := app.Trial.Quota(); got != 100 {
		t.Errorf("Trial.Quota = %d", got)
	}
	if got := app.Pro.Quota(); got != 0 {
		t.Errorf("Pro.Quota = %d", got)
	}
}
