package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/config"
)

func TestAllowedOrigins(t *testing.T) {
	good := []string{"https://app.example.com", "http://localhost:3000", "capacitor://localhost", "https://[::1]:8443", "*"}
	for name, src := range map[string]config.Sources{
		"file":        {File: write(t, "allowed-origins: ['"+strings.Join(good, "', '")+"']")},
		"environment": {Env: env("MUSTER_ALLOWED_ORIGINS=" + strings.Join(good, "; "))},
		"flags":       {Flags: map[string][]string{"allowed-origins": good}},
	} {
		l := load(t, src)
		if d := cmp.Diff(good, l.Config.AllowedOrigins); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if l.Origin["allowed-origins"] == "" {
			t.Errorf("%s: the list has no origin", name)
		}
	}
	if got := load(t, config.Sources{File: write(t, "allowed-origins: []")}).Config.AllowedOrigins; len(got) != 0 {
		t.Errorf("an empty list is %q", got)
	}
	bad := []string{"", "app.example.com", "https://", "https://a/", "https://a/b", "https://a?b", "https://u@a", "https://a#", "https://a:", "https://a,https://b", "**", "null", "http://%zz"}
	for _, origin := range bad {
		_, err := config.Load(config.Sources{File: write(t, "allowed-origins: ['*', '"+origin+"']")})
		if err == nil || !strings.HasSuffix(err.Error(), "muster.yaml:1: allowed-origins[1]: must be an origin such as https://app.example.com, or *") {
			t.Errorf("%q: error is %v", origin, err)
		}
	}
	for _, text := range []string{"allowed-origins: '*'", "allowed-origins: {a: b}", "allowed-origins: [[x]]", "allowed-origins: [~]"} {
		_, err := config.Load(config.Sources{File: write(t, text)})
		if err == nil || !strings.Contains(err.Error(), "must be a") {
			t.Errorf("%s: error is %v", text, err)
		}
	}
}

func TestGatewaySettings(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"defaults", "", ""},
		{"no limits", "max-sessions: 0\nsessions-per-address: 0\n", ""},
		{"pong not before the next ping", "ping-interval: 5s\n", "pong-timeout: must be shorter than ping-interval"},
		{"pong with the next ping", "pong-timeout: 25s\n", ":1: pong-timeout: must be shorter than ping-interval"},
		{"small messages", "max-message: 1000\n", "max-message: must be from 1KiB to 1MiB"},
		{"large messages", "max-message: 2MiB\n", "max-message: must be from 1KiB to 1MiB"},
		{"no queue", "session-queue: 0\n", "session-queue: must be from 4KiB to 64MiB"},
		{"negative", "max-sessions: -1\n", "max-sessions: must be from 0 to 10000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(config.Sources{File: write(t, tt.text)})
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	c := config.Default()
	if c.AllowedOrigins != nil || c.MaxSessions != 100_000 || c.SessionsPerAddress != 1000 || c.PingInterval != 25*time.Second ||
		c.PongTimeout != 8*time.Second || c.MaxMessage != 64<<10 || c.SessionQueue != 256<<10 {
		t.Errorf("defaults are %+v", c)
	}
}
