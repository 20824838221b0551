package server_test

import (
	"errors"
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/muster-im/muster/"
	root   = "../.."
)

// ranks hold the direction of imports: a package may import only packages of this module
// whose rank is lower than its own. Nothing here is a law of nature, but a change should
// be one that was meant.
var ranks = map[string]int{
	"cmd/muster": 90,

	"internal/cli": 80,

	"internal/server": 70,
	"internal/bench":  70, // drives a server from outside
	"internal/bulk":   70, // moves accounts between files and a service

	"internal/rest":          60,
	"internal/gateway":       60,
	"internal/store/backend": 60, // knows every backend

	"internal/config":            50,
	"internal/store/memstore":    50,
	"internal/store/pebblestore": 50,
	"internal/store/storetest":   50,
	"internal/auth":              40,
	"internal/webhook":           40,
	"internal/presence":          35,
	"internal/message":           35,
	"internal/limit":             40,
	"internal/wire":              40,
	"internal/profile":           40,
	"internal/store":             40, // the interface
	"internal/app":               30,
	"internal/account":           20,
	"imclient":                   20,
	"internal/device":            20, // a client of the gateway
	"internal/errcode":           10,
	"usersig":                    10,
}

// only names all that a room may import of this module, where its rank would allow more.
// For the public packages that is a promise to whoever imports them.
var only = map[string][]string{
	"usersig":          {},
	"imclient":         {"usersig"},
	"internal/errcode": {},
	"internal/device":  {},
	"internal/account": {"internal/errcode"},
	"internal/app":     {"internal/account"},
	"cmd/muster":       {"internal/cli"},
}

// guests are the modules of others, each with the rooms that may know it.
var guests = map[string][]string{
	"github.com/cockroachdb/pebble/":          {"internal/store/pebblestore"},
	"github.com/bits-and-blooms/bloom/":       {"internal/store/pebblestore"},
	"github.com/dchest/siphash":               {"internal/store/pebblestore"},
	"github.com/hashicorp/golang-lru/":        {"internal/auth"},
	"github.com/go-json-experiment/json/":     {"internal/wire", "internal/profile", "internal/message"},
	"github.com/centrifugal/centrifuge":       {"internal/gateway"},
	"github.com/prometheus/client_golang/":    {"internal/rest", "internal/gateway", "internal/webhook", "internal/server"},
	"github.com/HdrHistogram/hdrhistogram-go": {"internal/bench"},
	"github.com/alecthomas/kong":              {"internal/cli"},
	"github.com/cespare/xxhash/":              {"internal/bulk"},
	"github.com/klauspost/compress/":          {"internal/bulk"},
	"github.com/vbauerster/mpb/":              {"internal/cli"},
	"github.com/gorilla/websocket":            {"internal/device"},
	"golang.org/x/term":                       {"internal/cli"},
	"golang.org/x/time/rate":                  {"imclient"},
	"gopkg.in/yaml.v3":                        {"internal/config"},
	"github.com/anishathalye/porcupine":       {"internal/store/storetest"},
	"github.com/google/go-cmp/":               {"internal/store/storetest"},
	"pgregory.net/rapid":                      {"internal/store/storetest"},
}

// The import graph must be the one of design.md, section 1.
func TestRooms(t *testing.T) {
	seen := make(map[string]bool)
	for room, imports := range importGraph(t) {
		seen[room] = true
		rank, known := ranks[room]
		if !known {
			t.Errorf("%s has no rank: give it one", room)
			continue
		}
		for _, path := range imports {
			if inner, ours := strings.CutPrefix(path, module); ours {
				checkInner(t, room, rank, inner)
			} else if strings.Contains(path, ".") { // not of the standard library
				checkGuest(t, room, path)
			}
		}
	}
	for room := range ranks {
		if !seen[room] {
			t.Errorf("%s has a rank, but there is no such package", room)
		}
	}
}

func checkInner(t *testing.T, room string, rank int, inner string) {
	t.Helper()
	if other, known := ranks[inner]; !known || other >= rank {
		t.Errorf("%s (rank %d) must not import %s (rank %d)", room, rank, inner, other)
	}
	if allowed, restricted := only[room]; restricted && !slices.Contains(allowed, inner) {
		t.Errorf("%s must not import %s, only %v", room, inner, allowed)
	}
}

func checkGuest(t *testing.T, room, path string) {
	t.Helper()
	for guest, rooms := range guests {
		if strings.HasPrefix(path+"/", guest) && slices.Contains(rooms, room) {
			return
		}
	}
	t.Errorf("%s must not import %s", room, path)
}

// importGraph returns what each package of the module imports, tests apart. Packages that
// consist of tests, and perhaps a doc.go, are left out.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	graph := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || hasOwnModule(path)) {
			return filepath.SkipDir
		}
		pkg, err := build.ImportDir(path, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		if err != nil {
			return err
		}
		if len(pkg.GoFiles) == 0 || slices.Equal(pkg.GoFiles, []string{"doc.go"}) {
			return nil
		}
		room, err := filepath.Rel(root, path)
		graph[filepath.ToSlash(room)] = pkg.Imports
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(graph) < 10 {
		t.Fatalf("only %d packages were found", len(graph))
	}
	return graph
}

// hasOwnModule reports whether a directory below the root belongs to another module.
func hasOwnModule(path string) bool {
	found, _ := filepath.Glob(filepath.Join(path, "go.mod"))
	return len(found) > 0
}
