package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile bounds the config file.
const maxFile = 1 << 20

// file sets what the YAML file at path says.
func (l *loader) file(path string) {
	text, err := readFile(path)
	if err != nil {
		l.faults.add(path, "", "%v", err)
		return
	}
	root, err := parseYAML(text)
	if err != nil {
		l.faults.add(path, "", "%v", err)
		return
	}
	if root == nil {
		return
	}
	f := fileLoader{loader: l, path: path}
	f.settings(root)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err // the path stands before it already
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("is over %d bytes", maxFile)
	}
	return text, nil
}

// parseYAML returns the one document in text, nil if it is empty.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("has more than one YAML document")
	}
	root := document.Content[0]
	if isNull(root) {
		return nil, nil
	}
	return root, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fileLoader walks through a YAML file itself: the decoder of package yaml would stop
// telling about one kind of fault once it met another, and its errors repeat values.
type fileLoader struct {
	*loader
	path string
}

// at names the line of a node.
func (f *fileLoader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.path, n.Line) }

// settings reads the file's one mapping.
func (f *fileLoader) settings(root *yaml.Node) {
	byName := make(map[string]Setting)
	for _, s := range Settings() {
		byName[s.Name] = s
	}
	f.mapping(root, "", func(name string, key, value *yaml.Node) {
		s, known := byName[name]
		switch {
		case !known:
			f.faults.add(f.at(key), name, "is not a setting")
		case isNull(value): // "listen:" with nothing behind it
			f.faults.add(f.at(key), name, "has no value")
		case s.Repeats():
			f.list(s, key, value)
		case value.Kind != yaml.ScalarNode:
			f.faults.add(f.at(value), name, "must be a single value")
		default:
			f.text(s, f.at(value), value.Value)
		}
	})
}

// mapping calls each with every key of a mapping and its value. It notes a fault if n,
// which path names, is no mapping, and for a key that stands twice.
func (f *fileLoader) mapping(n *yaml.Node, path string, each func(name string, key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		f.faults.add(f.at(n), path, "must be a mapping of names to values")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			f.faults.add(f.at(key), path, "has a name that is not a text")
			continue
		}
		if seen[key.Value] {
			f.faults.add(f.at(key), join(path, key.Value), "stands twice")
			continue
		}
		seen[key.Value] = true
		each(key.Value, key, value)
	}
}

// resolve returns the node that an alias stands for, and any other as it is.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
