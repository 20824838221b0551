package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
)

var update = flag.Bool("update", false, "write docs/config.md")

const docs = "../../docs/config.md"

// docs/config.md must say of every setting what the tags of Config say.
func TestDocs(t *testing.T) {
	want := markdown()
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("docs/config.md is out of date; run go test ./internal/config -run Docs -update\n%s", d)
	}
}

// Every setting must be described fully: this is what the document is made of.
func TestSettingsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		if s.Name == "" || seen[s.Name] {
			t.Errorf("the name of %+v is missing or used twice", s)
		}
		seen[s.Name] = true
		if !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: the help %q is not a sentence", s.Name, s.Help)
		}
		if s.Form == "" && !s.Switch() {
			t.Errorf("%s: nothing stands for the value", s.Name)
		}
	}
}

func markdown() string {
	var b strings.Builder
	b.WriteString(`# Settings of the server

Generated from the tags of config.Config by ` + "`go test ./internal/config -run Docs -update`" + `; edit those.

A setting is looked for in its default, the config file (` + "`--config FILE`, YAML" + `), the environment and the flags; the later
one wins. An empty environment variable counts as not there; one that holds a list has ` + "`;`" + ` between the elements.
` + "`muster config check`" + ` lists everything that is wrong at once, ` + "`muster config print`" + ` shows the values that hold
and where each comes from.

| in the file | environment | flag | default | allowed | what it is for |
|---|---|---|---|---|---|
`)
	for _, s := range config.Settings() {
		flagForm := "--" + s.Name
		if !s.Switch() {
			flagForm += " " + s.Form
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", code(s.Name), code(s.Env), code(flagForm), code(s.Default), allowed(s), s.Help)
	}
	fmt.Fprintf(&b, `
## Apps

On the command line an App is one line:

    --app %s

MUSTER_APP holds several such lines with %s between them. In the config file an App is such a line or, better, a
mapping; a Key that has a comma or a semicolon must stand there:

`+"```yaml"+`
app:
  - sdkappid: 1400000001
    keys: [the-current-key, the-next-key]   # one, or two while a Key is being rotated
    admins: [administrator]
    edition: pro         # or trial: %d accounts
    rate: %d            # calls per second of each command; 0 means no limit
    disabled: false
    delete-locked: false # true refuses every account_delete
    delete-hold: 0s      # how long a deleted name cannot be imported again
    login-mode: multi    # which platforms of an account may be logged in side by side, see below
    web-instances: 1     # devices of platform Web, up to %d
    platform-instances: 1  # devices of each other platform, up to %d
    webhook: https://app.example.com/im  # is told when accounts log in and out; leave it out for none
    webhook-token: a-secret              # signs what is sent there; leave it out for no signature
    no-webhook-state: false     # true: it is not told when accounts log in and out
    webhook-before-send: false  # true: it is asked whether a message may be sent, and has 2 seconds to say so
    webhook-fail-closed: false  # true: a message is refused if it does not say; else it passes
    webhook-after-send: false   # true: it is told of every message that was sent, or could not be
`+"```"+`

| login-mode | at the same time |
|---|---|
| single | one platform, whichever |
| dual | Web, and one of the others |
| triple | Web, one of iPhone, Android and iPad, one of PC, Mac and Linux |
| multi | all platforms |

A newer login puts out the older ones that it cannot stand beside.

The Apps are read again when the server gets SIGHUP; everything else needs a restart.
`, app.Syntax, config.ListSeparator, app.TrialQuota, app.DefaultRate, app.MaxWebInstances, app.MaxPlatformInstances)
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

func allowed(s config.Setting) string {
	if s.Min != "" {
		return code(s.Min) + " to " + code(s.Max)
	}
	return strings.ReplaceAll(s.Enum, ",", ", ")
}
