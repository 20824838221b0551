package config_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/store"
)

// write returns the path of a new config file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// env returns a look-up in pairs such as "MUSTER_LISTEN=:80".
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v, true
			}
		}
		return "", false
	}
}

func load(t *testing.T, src config.Sources) *config.Loaded {
	t.Helper()
	l, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDefaultsAreValid(t *testing.T) {
	c := config.Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.OpsListen != "127.0.0.1:8081" || c.MaxBody != 1<<20 || c.IdleTimeout != 2*time.Minute {
		t.Errorf("defaults are %+v", c)
	}
	if want := (store.DSN{Backend: store.Pebble, Dir: "./muster-data"}); c.Store != want {
		t.Errorf("Store = %v", c.Store)
	}
}

// Each source must win over the weaker ones, and only where it says something.
func TestLoadLayers(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1001\nops-listen: 127.0.0.1:1002\nmax-body: 2MiB\nlog-level: debug\n")
	l := load(t, config.Sources{
		File:  file,
		Env:   env("MUSTER_OPS_LISTEN=127.0.0.1:2002", "MUSTER_MAX_BODY=3MiB", "MUSTER_LOG_FORMAT="),
		Flags: map[string][]string{"max-body": {"4MiB", "5MiB"}, "pprof": {"true"}},
	})
	want := config.Default()
	want.Listen, want.OpsListen, want.MaxBody = "127.0.0.1:1001", "127.0.0.1:2002", 5<<20
	want.LogLevel, want.Pprof = slog.LevelDebug, true
	if d := cmp.Diff(want, l.Config); d != "" {
		t.Error(d)
	}
	origin := map[string]string{
		"listen": file + ":1", "ops-listen": "MUSTER_OPS_LISTEN", "max-body": "--max-body", "log-level": file + ":4", "pprof": "--pprof",
	}
	if d := cmp.Diff(origin, l.Origin); d != "" {
		t.Error(d)
	}
}

const (
	line1 = "sdkappid=1400000001,key=key-of-the-first-app,admin=administrator"
	line2 = "sdkappid=1400000002,key=key-of-the-second-app,admin=root,edition=trial,rate=0"
)

func apps() []app.App {
	login := app.LoginPolicy{}.Filled()
	return []app.App{
		{SDKAppID: 1400000001, Keys: []app.Key{"key-of-the-first-app"}, Admins: []account.UserID{"administrator"}, Edition: app.Pro, Rate: app.DefaultRate, Login: login},
		{SDKAppID: 1400000002, Keys: []app.Key{"key-of-the-second-app"}, Admins: []account.UserID{"root"}, Edition: app.Trial, Login: login},
	}
}

func TestLoadApps(t *testing.T) {
	const file = `
app:
  - sdkappid: 1400000001
    keys: [key-of-the-first-app]
    admins:
      - administrator
  - ` + line2 + "\n"
	for _, tt := range []struct {
		name string
		src  config.Sources
		want []app.App
	}{
		{"file", config.Sources{File: write(t, file)}, apps()},
		{"environment", config.Sources{Env: env("MUSTER_APP=" + line1 + "; " + line2 + ";")}, apps()},
		{"flags", config.Sources{Flags: map[string][]string{"app": {line1, line2}}}, apps()},
		{
			"a stronger source replaces the list",
			config.Sources{File: write(t, file), Env: env("MUSTER_APP=" + line1)},
			apps()[:1],
		},
		{"none", config.Sources{}, nil},
		{"empty list", config.Sources{File: write(t, "app: []")}, []app.App{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, load(t, tt.src).Config.Apps); d != "" {
				t.Error(d)
			}
		})
	}
}

// All faults of all sources must be told at once, each with its place, and none with a
// value.
func TestLoadFaults(t *testing.T) {
	const file = `listen: nowhere
lisen: 127.0.0.1:80
max-body: secret-value
read-timeout: 5ms
store: [mem]
app:
  - sdkappid: 99999999999
    keys: secret-value
    admins: ["@TLS#x"]
  - sdkappid: 7
    keys: [secret-value, secret-value]
    secret-value: 1
    rate: secret-value
  - sdkappid=secret-value,key=abc
max-body: 1MiB
tls-cert: cert.pem
`
	path := write(t, file)
	_, err := config.Load(config.Sources{
		File: path,
		Env:  env("MUSTER_LOG_LEVEL=secret-value", "MUSTER_PPROF=secret-value"),
		Flags: map[string][]string{
			"app":         {line1, line1},
			"ops-listen":  {"127.0.0.1:99999"},
			"sig-cache":   {"0"},
			"store-queue": {"secret-value"},
		},
	})
	faults, ok := errors.AsType[config.Faults](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	const want = `FILE:2: lisen: is not a setting
FILE:3: max-body: is not a size such as 65536, 64KiB or 1MiB
FILE:5: store: must be a single value
FILE:8: app[0].keys: must be a list of texts
FILE:7: app[0].sdkappid: must be a number from 1 to 4294967295
FILE:9: app[0].admins: number 1: the UserID starts with the reserved prefix @TLS#
FILE:12: app[1]: has an unknown field in this line; the fields of an App are sdkappid, keys, admins, edition, rate, disabled, delete-locked, delete-hold, login-mode, web-instances, platform-instances, webhook, webhook-token, no-webhook-state, webhook-before-send, webhook-after-send, webhook-fail-closed
FILE:13: app[1].rate: must be a whole number
FILE:11: app[1].keys: number 2 is the same as number 1
FILE:10: app[1].admins: an App has 1 to 10 admins, not 0
FILE:14: app[2].sdkappid: must be a number from 1 to 4294967295
FILE:14: app[2].keys: number 1 is too short: 3 bytes, at least 8 are needed
FILE:14: app[2].admins: an App has 1 to 10 admins, not 0
FILE:15: max-body: stands twice
MUSTER_LOG_LEVEL: log-level: must be one of debug, info, warn, error
MUSTER_PPROF: pprof: must be true or false
--store-queue: must be a whole number
FILE:4: read-timeout: must be from 10ms to 1h
--sig-cache: must be from 1 to 1000000
FILE:1: listen: must be HOST:PORT, such as 127.0.0.1:8080, or :8080 for every address of this machine
--ops-listen: must have a port from 0 to 65535
tls-key: is missing, but tls-cert is given; HTTPS needs both
--app: app[1].sdkappid: 1400000001 is the SDKAppID of app[0] too`
	got := strings.ReplaceAll(faults.Error(), path, "FILE")
	if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); d != "" {
		t.Error(d)
	}
	if strings.Contains(got, "secret") {
		t.Error("a value is repeated")
	}
}

func TestLoadUnusableFile(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"not YAML", "listen: [", "is not YAML: line 1: did not find expected node content"},
		{"two documents", "listen: :1\n---\nlisten: :2\n", "has more than one YAML document"},
		{"not a mapping", "- a\n", "must be a mapping of names to values"},
		{"too long", strings.Repeat("#", 1<<20+1), "is over 1048576 bytes"},
		{"no value", "listen:\n", "listen: has no value"},
		{"app is no list", "app: {sdkappid: 1}\n", "app: must be a list of Apps"},
		{"app is a list", "app: [[]]\n", "app[0]: must be a mapping"},
		{"two Apps alike", "app: ['" + line1 + "', '" + line1 + "']\n", "app[1].sdkappid: 1400000001 is the SDKAppID of app[0] too"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(config.Sources{File: write(t, tt.text)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, err := config.Load(config.Sources{File: filepath.Join(t.TempDir(), "none.yaml")})
		if err == nil || !strings.Contains(err.Error(), "none.yaml: cannot be read: no such file") {
			t.Errorf("error is %v", err)
		}
	})
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n"} {
		if got := load(t, config.Sources{File: write(t, text)}).Config; !cmp.Equal(got, config.Default()) {
			t.Errorf("%q is not the defaults: %+v", text, got)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want config.Size // -1: refused
		back string
	}{
		{"0", 0, "0"},
		{"1500", 1500, "1500"},
		{"2048", 2048, "2KiB"},
		{"64KiB", 64 << 10, "64KiB"},
		{"1MiB", 1 << 20, "1MiB"},
		{"", -1, ""},
		{"-1", -1, ""},
		{"1MB", -1, ""},
		{"MiB", -1, ""},
		{"1.5MiB", -1, ""},
		{"9223372036854775807KiB", -1, ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			var got config.Size
			err := got.UnmarshalText([]byte(tt.text))
			if (err == nil) != (tt.want >= 0) {
				t.Fatalf("error is %v", err)
			}
			if err == nil && (got != tt.want || got.String() != tt.back) {
				t.Errorf("got %d, %s", got, got)
			}
		})
	}
}

// What is printed must be a config file that gives the same settings, but for the Keys,
// which must not be there.
func TestPrint(t *testing.T) {
	l := load(t, config.Sources{
		Env:   env("MUSTER_APP="+line1+";"+line2+",webhook=http://localhost,webhook-token=key-of-the-webhook", "MUSTER_ALLOWED_ORIGINS=https://a.example;*"),
		Flags: map[string][]string{"idle-timeout": {"90s"}, "store": {"mem:"}},
	})
	text, err := l.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"listen: 127.0.0.1:8080 # default\n",
		"app: # from MUSTER_APP\n",
		"allowed-origins: # from MUSTER_ALLOWED_ORIGINS\n  - https://a.example\n  - '*'\n",
		"webhook-token: '[redacted]'\n",
		"idle-timeout: 1m30s # from --idle-timeout\n",
		"- '[redacted]'\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	asJSON, err := l.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if all := string(text) + string(asJSON); strings.Contains(all, "key-of") {
		t.Errorf("a Key is printed:\n%s", all)
	}
	again := strings.Replace(string(text), "'[redacted]'", "key-of-the-first-app", 1)
	again = strings.Replace(again, "'[redacted]'", "key-of-the-second-app", 1)
	again = strings.Replace(again, "'[redacted]'", "key-of-the-webhook", 1)
	again = strings.Replace(again, "tls-cert: \"\"", "#", 1)
	again = strings.Replace(again, "tls-key: \"\"", "#", 1)
	if d := cmp.Diff(l.Config, load(t, config.Sources{File: write(t, again)}).Config); d != "" {
		t.Error(d)
	}
}

// No file may do more than be refused, and whatever is accepted must be valid.
func FuzzLoadFile(f *testing.F) {
	for _, seed := range []string{
		"", "listen: :0\n", "app:\n- " + line1, "app:\n- sdkappid: 1\n  keys: [aaaaaaaa]\n  admins: [a]\n",
		"a: &a [*a]\napp: *a\n", "<<: {listen: x}\n", "? [a]\n: b\n", "allowed-origins: ['*', 'http://a']\n", "app: [{rate: ~}]\n", "%YAML 1.1\n---\n", "max-body: 1e3\n", "app: [!!binary x]\n",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "muster.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := config.Load(config.Sources{File: path})
		if err != nil {
			if _, ok := errors.AsType[config.Faults](err); !ok {
				t.Fatalf("not Faults: %v", err)
			}
			return
		}
		if err := l.Config.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
