package config

import (
	"errors"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/muster-im/muster/internal/app"
)

// apps reads the list of Apps, each a mapping with the fields of app.Spec or a line in
// the form of app.Syntax.
func (f *fileLoader) apps(s Setting, key, list *yaml.Node) {
	if list.Kind != yaml.SequenceNode {
		f.faults.add(f.at(list), s.Name, "must be a list of Apps, each after a dash")
		return
	}
	apps := make([]app.App, len(list.Content))
	for i, n := range list.Content {
		n = resolve(n)
		if n.Kind == yaml.ScalarNode {
			a, err := app.Parse(n.Value)
			f.appFaults(f.at(n), element(s, i), err)
			apps[i] = a
			continue
		}
		apps[i] = f.app(n, element(s, i))
	}
	f.setApps(s, f.at(key), apps)
}

// app returns the App that a mapping describes; the zero App if something is wrong.
func (f *fileLoader) app(n *yaml.Node, path string) app.App {
	var spec app.Spec
	lines := make(map[string]*yaml.Node) // where each field stands
	unread := make(map[string]bool)      // fields that have a fault already
	f.mapping(n, path, func(name string, key, value *yaml.Node) {
		field := specField(&spec, name)
		lines[name] = value
		switch {
		case !field.IsValid():
			// A line that should have been a key's value may stand here.
			f.faults.add(f.at(key), path, "has an unknown field in this line; the fields of an App are %s", specFields())
		case value.Decode(field.Addr().Interface()) != nil || isNull(value):
			f.faults.add(f.at(value), join(path, name), "must be %s", shape(field))
			unread[name] = true
		}
	})
	if n.Kind != yaml.MappingNode {
		return app.App{}
	}
	for _, err := range spec.Validate() {
		fault, ok := errors.AsType[*app.FieldError](err)
		if !ok || unread[fault.Field] {
			continue
		}
		at := n
		if value := lines[fault.Field]; value != nil {
			at = value
		}
		f.faults.add(f.at(at), join(path, fault.Field), "%s", fault.Problem)
	}
	a, err := spec.App()
	if err != nil || len(unread) > 0 {
		return app.App{}
	}
	return a
}

// specField returns the field of spec that YAML calls name, or the zero Value.
func specField(spec *app.Spec, name string) reflect.Value {
	v := reflect.ValueOf(spec).Elem()
	for i := range v.NumField() {
		if yamlName(v.Type().Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func specFields() string {
	t := reflect.TypeFor[app.Spec]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = yamlName(t.Field(i))
	}
	return strings.Join(names, ", ")
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// shape says what a field of an App takes.
func shape(field reflect.Value) string {
	switch field.Interface().(type) {
	case uint64, *int:
		return "a whole number"
	case bool:
		return "true or false"
	case app.Duration:
		return "a time such as 720h"
	default:
		if field.Kind() == reflect.Slice {
			return "a list of texts"
		}
		return "a text"
	}
}

// specOf returns the Spec that describes a.
func specOf(a app.App) app.Spec {
	login := a.Login.Filled()
	return app.Spec{
		SDKAppID:     uint64(a.SDKAppID),
		Keys:         a.Keys,
		Admins:       a.Admins,
		Edition:      a.Edition,
		Rate:         &a.Rate,
		Disabled:     a.Disabled,
		DeleteLocked: a.DeleteLocked,
		DeleteHold:   app.Duration(a.DeleteHold),

		LoginMode:         login.Mode,
		WebInstances:      &login.WebInstances,
		PlatformInstances: &login.PlatformInstances,
		Webhook:           a.Webhook.URL,
		WebhookToken:      a.Webhook.Token,
		NoWebhookState:    a.Webhook.NoState,
		WebhookBeforeSend: a.Webhook.BeforeSend,
		WebhookAfterSend:  a.Webhook.AfterSend,
		WebhookFailClosed: a.Webhook.FailClosed,
	}
}
