package errcode_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/errcode"
)

var update = flag.Bool("update", false, "rewrite the table of codes in the README")

// TestReadmeTable holds README's table of error codes to Table.
func TestReadmeTable(t *testing.T) {
	const path, begin, end = "../../README.md", "<!-- codes -->\n", "<!-- /codes -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of codes between %q and %q", path, begin, end)
	}
	var b strings.Builder
	b.WriteString("| code | what to do about it |\n|---|---|\n")
	for _, e := range errcode.Table() {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Meaning)
	}
	if b.String() == old {
		return
	}
	if !*update {
		t.Fatalf("the table of codes in %s is not errcode.Table; run make golden", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
