package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/cli"
	"github.com/muster-im/muster/internal/config"
)

// Much of this package is proven by the scripts of cmd/muster, which run the program;
// here is what needs many cases.

// run carries out a command and returns its exit status and what it wrote.
func run(ctx context.Context, in string, args ...string) (status int, out, errs string) {
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, args, cli.Streams{In: strings.NewReader(in), Out: &stdout, Err: &stderr})
	return status, stdout.String(), stderr.String()
}

// other has for each setting a value that is not its default, as config print shows it.
var other = map[string]string{
	"listen":              "127.0.0.1:1",
	"ops-listen":          "127.0.0.1:2",
	"store":               "mem:",
	"app":                 "sdkappid=7,key=0123456789abcdef,admin=root",
	"tls-cert":            "cert.pem",
	"tls-key":             "key.pem",
	"log-level":           "warn",
	"log-format":          "json",
	"pprof":               "true",
	"max-in-flight":       "3",
	"max-body":            "4KiB",
	"max-header-bytes":    "9KiB",
	"read-header-timeout": "11s",
	"read-timeout":        "12s",
	"write-timeout":       "13s",
	"idle-timeout":        "14s",
	"shutdown-timeout":    "15s",
	"bulk-streams":        "19",
	"bad-sig-limit":       "16",
	"sig-cache":           "17",
	"store-queue":         "18",

	"allowed-origins":      "https://a.example",
	"max-sessions":         "20",
	"sessions-per-address": "21",
	"ping-interval":        "22s",
	"pong-timeout":         "2s",
	"max-message":          "23KiB",
	"session-queue":        "24KiB",
}

// Every setting must have a flag and a variable that set it.
func TestEverySettingHasFlagAndVariable(t *testing.T) {
	var flags, variables []string
	for _, s := range config.Settings() {
		value, known := other[s.Name]
		if !known {
			t.Fatalf("this test has no value for %s", s.Name)
		}
		flags = append(flags, "--"+s.Name+"="+value)
		variables = append(variables, s.Env)
	}
	check := func(t *testing.T, out string, from func(config.Setting) string) {
		t.Helper()
		var got map[string]struct {
			Value any
			From  string
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		for _, s := range config.Settings() {
			if got[s.Name].From != from(s) {
				t.Errorf("%s comes from %q, want %q", s.Name, got[s.Name].From, from(s))
			}
			text, err := json.Marshal(got[s.Name].Value)
			if err != nil {
				t.Fatal(err)
			}
			if value := strings.Trim(string(text), `"[]`); s.Name != "app" && value != other[s.Name] {
				t.Errorf("%s is %s, want %s", s.Name, value, other[s.Name])
			}
		}
	}
	t.Run("flags", func(t *testing.T) {
		status, out, errs := run(t.Context(), "", append([]string{"config", "print", "--json"}, flags...)...)
		if status != cli.ExitOK {
			t.Fatal(errs)
		}
		check(t, out, func(s config.Setting) string { return "--" + s.Name })
	})
	t.Run("environment", func(t *testing.T) {
		for i, s := range config.Settings() {
			t.Setenv(variables[i], other[s.Name])
		}
		status, out, errs := run(t.Context(), "", "config", "print", "--json")
		if status != cli.ExitOK {
			t.Fatal(errs)
		}
		check(t, out, func(s config.Setting) string { return s.Env })
	})
	t.Run("switch off", func(t *testing.T) {
		t.Setenv("MUSTER_PPROF", "true")
		if _, out, _ := run(t.Context(), "", "config", "print", "--pprof=false"); !strings.Contains(out, "pprof: false # from --pprof\n") {
			t.Errorf("it prints\n%s", out)
		}
	})
}

const signFlags = "usersig sign --sdkappid 1 --id a --now 1700000000"

func TestLifetime(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // -1: refused
	}{
		{"0", 0},
		{"3600", 3600},
		{"90s", 90},
		{"24h", 86400},
		{"1h30m", 5400},
		{"180d", 180 * 86400},
		{"0d", 0},
		{"-1", -1},
		{"-1d", -1},
		{"-1h", -1},
		{"1.5d", -1},
		{"500ms", -1},
		{"", -1},
		{"d", -1},
		{"9223372036854775807d", -1},
		{"soon", -1},
	} {
		t.Run(tt.text, func(t *testing.T) {
			args := append(strings.Fields(signFlags), "--key=0123456789abcdef", "--json", "--expire="+tt.text)
			status, out, errs := run(t.Context(), "", args...)
			if tt.want < 0 {
				if status != cli.ExitUsage || !strings.Contains(errs, "--expire") {
					t.Fatalf("exit status %d, %s%s", status, out, errs)
				}
				return
			}
			var got struct{ Expire int64 }
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			if got.Expire != tt.want {
				t.Errorf("expire is %d, want %d", got.Expire, tt.want)
			}
		})
	}
}

// A Key must be the same from wherever it is read, but for the end of its line.
func TestKeyFiles(t *testing.T) {
	const key = "0123456789abcdef"
	_, want, _ := run(t.Context(), "", append(strings.Fields(signFlags), "--key="+key)...)
	for _, tt := range []struct {
		name, text string
		status     int
	}{
		{"line", key + "\n", cli.ExitOK},
		{"no line end", key, cli.ExitOK},
		{"Windows line end", key + "\r\n", cli.ExitOK},
		{"empty", "", cli.ExitUsage},
		{"only a line end", "\n", cli.ExitUsage},
		{"two lines", key + "\n" + key + "\n", cli.ExitUsage},
		{"too long", strings.Repeat("x", 5000), cli.ExitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			status, out, errs := run(t.Context(), "", append(strings.Fields(signFlags), "--key=@"+path)...)
			if status != tt.status {
				t.Fatalf("exit status %d, %s", status, errs)
			}
			if status == cli.ExitOK && out != want {
				t.Errorf("signed %s, want %s", out, want)
			}
			if strings.Contains(errs, key) {
				t.Errorf("the Key is repeated: %s", errs)
			}
		})
	}
}

// A UserSig may come as an argument or on standard input.
func TestUserSigArgument(t *testing.T) {
	_, sig, _ := run(t.Context(), "", append(strings.Fields(signFlags), "--key=0123456789abcdef")...)
	verify := strings.Fields("usersig verify --sdkappid 1 --id a --now 1700000001 --key 0123456789abcdef")
	for _, tt := range []struct {
		name, in string
		args     []string
		status   int
	}{
		{"argument", "", []string{strings.TrimSpace(sig)}, cli.ExitOK},
		{"input", sig, nil, cli.ExitOK},
		{"dash", "  " + sig, []string{"-"}, cli.ExitOK},
		{"nothing", "", nil, cli.ExitFailure},
		{"endless input", strings.Repeat("a", 1<<20), nil, cli.ExitFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := run(t.Context(), tt.in, append(verify, tt.args...)...)
			if status != tt.status {
				t.Errorf("exit status %d, %s%s", status, out, errs)
			}
		})
	}
}

// An import that is interrupted must end well, and leave what the next run needs.
func TestDevInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	dev := []string{"dev", "--once", "--dir", dir, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}
	ctx, cancel := context.WithCancel(t.Context())
	listening := writerFunc(func(p []byte) (int, error) {
		cancel() // as the import begins
		return len(p), nil
	})
	var errs bytes.Buffer
	if status := cli.Run(ctx, dev, cli.Streams{Out: listening, Err: &errs}); status != cli.ExitOK {
		t.Fatalf("exit status %d, %s", status, errs.String())
	}
	status, out, stderr := run(t.Context(), "", dev...)
	if status != cli.ExitOK || !strings.Contains(out, "failed 6\n") {
		t.Errorf("exit status %d, %s%s", status, out, stderr)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
