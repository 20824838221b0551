package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/app"
)

// ListSeparator stands between the elements of a list, such as the Apps in MUSTER_APP, in
// the environment.
const ListSeparator = ";"

// Sources are the places where settings are looked for beside their defaults, from the
// weakest to the strongest.
type Sources struct {
	// File is the path of the config file; "" for none.
	File string
	// Env looks up an environment variable, as os.LookupEnv does; nil finds none. A
	// variable that is empty counts as not there.
	Env func(name string) (string, bool)
	// Flags holds what was given on the command line, by Setting.Name. Where a setting
	// that does not repeat was given several times the last one counts.
	Flags map[string][]string
}

// Loaded is a Config and where its values come from.
type Loaded struct {
	Config Config
	// Origin says by Setting.Name where a value comes from, in the words of Fault.Where;
	// a default has none.
	Origin map[string]string
}

// Load returns the settings that hold, or Faults that list all that is wrong, in any of
// the sources. A list, such as that of the Apps, is replaced as a whole by a stronger
// source.
func Load(src Sources) (*Loaded, error) {
	l := loader{Loaded: Loaded{Config: Default(), Origin: map[string]string{}}}
	if src.File != "" {
		l.file(src.File)
	}
	for _, s := range Settings() {
		if src.Env != nil {
			if text, ok := src.Env(s.Env); ok && text != "" {
				l.env(s, text)
			}
		}
		if texts := src.Flags[s.Name]; len(texts) > 0 {
			l.flag(s, texts)
		}
	}
	l.validate()
	if err := l.faults.err(); err != nil {
		return nil, err
	}
	return &l.Loaded, nil
}

type loader struct {
	Loaded
	faults Faults
}

// field returns a pointer to the field of a setting.
func (l *loader) field(s Setting) any {
	for other, field := range l.Config.fields() {
		if other.Name == s.Name {
			return field
		}
	}
	return nil
}

func (l *loader) env(s Setting, text string) {
	if s.Repeats() {
		l.lines(s, s.Env, strings.Split(text, ListSeparator))
		return
	}
	l.text(s, s.Env, text)
}

func (l *loader) flag(s Setting, texts []string) {
	where := "--" + s.Name
	if s.Repeats() {
		l.lines(s, where, texts)
		return
	}
	l.text(s, where, texts[len(texts)-1])
}

// text sets a setting from text, or notes a fault and leaves it as it was.
func (l *loader) text(s Setting, where, text string) {
	if s.Enum != "" && !slices.Contains(strings.Split(s.Enum, ","), text) {
		l.faults.add(where, s.Name, "must be one of %s", strings.ReplaceAll(s.Enum, ",", ", "))
		return
	}
	if err := parse(l.field(s), text); err != nil {
		l.faults.add(where, s.Name, "%v", err)
		return
	}
	l.Origin[s.Name] = where
}

func element(s Setting, i int) string { return fmt.Sprintf("%s[%d]", s.Name, i) }

// appFaults notes each of the faults that err joins.
func (l *loader) appFaults(where, path string, err error) {
	for _, fault := range split(err) {
		if f, ok := errors.AsType[*app.FieldError](fault); ok {
			l.faults.add(where, path+"."+f.Field, "%s", f.Problem)
			continue
		}
		l.faults.add(where, path, "%v", fault)
	}
}

// split returns the errors that err, or what it wraps, joins.
func split(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// validate adds what is wrong with the settings as a whole.
func (l *loader) validate() {
	more, _ := errors.AsType[Faults](l.Config.Validate())
	for _, f := range more {
		name, _, _ := strings.Cut(f.Path, "[")
		f.Where = l.Origin[name]
		l.faults = append(l.faults, f)
	}
}
