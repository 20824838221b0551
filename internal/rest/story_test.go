package rest_test

import (
	"os"
	"strings"
	"testing"
)

// story is a golden file in the txtar format: a comment, then sections that each begin
// with a line "-- name --".
type story struct {
	comment  string
	sections []section
}

type section struct{ name, text string }

func readStory(tb testing.TB, path string) story {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var s story
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutPrefix(line, "-- ")
		if name, end := strings.CutSuffix(name, " --\n"); ok && end {
			s.sections = append(s.sections, section{name: name})
			continue
		}
		if n := len(s.sections); n > 0 {
			s.sections[n-1].text += line
		} else {
			s.comment += line
		}
	}
	return s
}

func (s story) String() string {
	var out strings.Builder
	out.WriteString(s.comment)
	for _, f := range s.sections {
		out.WriteString("-- " + f.name + " --\n" + f.text)
	}
	return out.String()
}
