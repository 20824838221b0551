package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/muster-im/muster/internal/app"
)

// YAML returns the settings as a config file, Keys redacted, where each line names the
// place its value comes from.
func (l *Loaded) YAML() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for s, field := range l.Config.fields() {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: s.Name}
		value := new(yaml.Node)
		if err := value.Encode(printable(field)); err != nil {
			return nil, fmt.Errorf("config: print %s: %w", s.Name, err)
		}
		if value.Kind == yaml.SequenceNode && len(value.Content) > 0 {
			key.LineComment = l.comment(s)
		} else {
			value.LineComment = l.comment(s)
		}
		root.Content = append(root.Content, key, value)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("config: print: %w", err)
	}
	return out.Bytes(), nil
}

func (l *Loaded) comment(s Setting) string {
	if where := l.Origin[s.Name]; where != "" {
		return "from " + where
	}
	return "default"
}

// JSON returns the settings, Keys redacted, as an object that has for each an object
// with its value and, unless it is the default, the place it comes from.
func (l *Loaded) JSON() ([]byte, error) {
	type entry struct {
		Value any    `json:"value"`
		From  string `json:"from,omitempty"`
	}
	entries := make(map[string]entry)
	for s, field := range l.Config.fields() {
		entries[s.Name] = entry{printable(field), l.Origin[s.Name]}
	}
	out, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("config: print: %w", err)
	}
	return append(out, '\n'), nil
}

// printable returns the value of the field that p points to as it should be written.
func printable(p any) any {
	switch p := p.(type) {
	case *[]app.App:
		specs := make([]app.Spec, len(*p))
		for i, a := range *p {
			specs[i] = specOf(a)
		}
		return specs
	case *[]string:
		return slices.Concat([]string{}, *p) // an empty list rather than none
	case *bool:
		return *p
	case *int:
		return *p
	default:
		return format(p)
	}
}
