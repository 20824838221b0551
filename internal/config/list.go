package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/muster-im/muster/internal/app"
)

// lines sets a list from its elements as they are written in the environment and in flags,
// each App in the form of app.Syntax.
func (l *loader) lines(s Setting, where string, lines []string) {
	texts := make([]string, 0, len(lines))
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" { // it is after a last separator
			texts = append(texts, line)
		}
	}
	if list, ok := l.field(s).(*[]string); ok {
		*list = texts
		l.Origin[s.Name] = where
		return
	}
	apps := make([]app.App, len(texts))
	for i, text := range texts {
		a, err := app.Parse(text)
		l.appFaults(where, element(s, i), err)
		apps[i] = a
	}
	l.setApps(s, where, apps)
}

// setApps takes over a list of Apps, unless something is wrong with one of them.
func (l *loader) setApps(s Setting, where string, apps []app.App) {
	if slices.ContainsFunc(apps, func(a app.App) bool { return a.SDKAppID == 0 }) {
		return
	}
	l.Config.Apps = apps
	l.Origin[s.Name] = where
}

// list sets a list from its node in the file.
func (f *fileLoader) list(s Setting, key, value *yaml.Node) {
	texts, ok := f.field(s).(*[]string)
	switch {
	case !ok:
		f.apps(s, key, value)
	case value.Kind != yaml.SequenceNode:
		f.faults.add(f.at(value), s.Name, "must be a list of texts, each after a dash")
	default:
		f.texts(s, texts, key, value)
	}
}

func (f *fileLoader) texts(s Setting, into *[]string, key, value *yaml.Node) {
	texts := make([]string, 0, len(value.Content))
	for i, n := range value.Content {
		n = resolve(n)
		if n.Kind != yaml.ScalarNode || isNull(n) {
			f.faults.add(f.at(n), element(s, i), "must be a text")
			continue
		}
		texts = append(texts, n.Value)
	}
	*into = texts
	f.Origin[s.Name] = f.at(key)
}

// checkOrigins holds that each is what a browser sends as Origin, or the * for all.
func checkOrigins(origins []string, faults *Faults) {
	for i, origin := range origins {
		if err := checkOrigin(origin); err != nil {
			faults.add("", element(Setting{Name: "allowed-origins"}, i), "%v", err)
		}
	}
}

func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	// Some apps on phones have schemes of their own, such as capacitor://localhost.
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return errors.New("must be an origin such as https://app.example.com, or *")
	}
	return nil
}
