package rest_test

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/limit"
)

// ndjson is the Content-Type of an answer that is a stream of lines.
const ndjson = "application/x-ndjson"

var update = flag.Bool("update", false, "write the responses of the golden files anew")

// TestGolden runs testdata/*.txtar. A file is a story in one world, which begins with one
// App (1400000001, pro, admin "administrator", no rate limit). Its sections, in order:
//
//	setup     lines that change the world, see runSetup
//	request   a request line without its version, headers, an empty line, the body
//	response  what the handler answers: status, body and the headers that are not the same
//	          in every answer (those are checked in answer)
//
// Requests and setups are templates: {{auth}} is a valid query, {{sig "id" "option=…"}} a
// UserSig (see world.sign), {{key}} the App's Key, {{list 101 `"n%d"`}} a list without its
// brackets, {{repeat 33 "x"}} a long text, {{"\xff"}} what no text file should hold.
func TestGolden(t *testing.T) {
	for _, path := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			want := readStory(t, path)
			got := play(t, want)
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", path, diff)
			}
		})
	}
}

// goldenFiles fails if there are none, so that a wrong directory cannot pass.
func goldenFiles(tb testing.TB) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no golden files: %v", err)
	}
	return paths
}

// play runs the story and returns it with the responses that it really has.
func play(t *testing.T, told story) story {
	t.Helper()
	w := newWorld(t)
	out := story{comment: told.comment}
	for _, s := range told.sections {
		switch s.name {
		case "setup":
			for line := range strings.Lines(expand(t, w, s.text)) {
				runSetup(t, w, strings.Fields(line))
			}
			out.sections = append(out.sections, s)
		case "request":
			response := answer(t, w, parseRequest(t, expand(t, w, s.text)))
			out.sections = append(out.sections, s, section{"response", response})
		case "response": // written by the request before it
		default:
			t.Fatalf("unknown section %q", s.name)
		}
	}
	return out
}

// runSetup carries out one line.
func runSetup(t *testing.T, w *world, words []string) {
	t.Helper()
	if len(words) == 0 {
		return
	}
	switch verb, args := words[0], words[1:]; verb {
	case "app": // as after --app
		a, err := app.Parse(args[0])
		if err != nil {
			t.Fatal(err)
		}
		w.addApp(t, a)
	case "import": // accounts of App 1400000001
		w.importAccounts(t, args...)
	case "online": // see fakePresence.set
		w.presence.set(t, args[0], args[1], args[2:]...)
	case "messages": // what every call of w.messages is refused with from now on: CODE [INFO…], or "work"
		w.messages.err = nil
		if code, err := strconv.Atoi(args[0]); err == nil {
			w.messages.err = errcode.New(errcode.Code(code))
			if len(args) > 1 {
				w.messages.err = errcode.Newf(errcode.Code(code), "%s", strings.Join(args[1:], " "))
			}
		}
	case "store": // how the store fails from now on; "works" is not at all
		w.store.mode = strings.TrimPrefix(args[0], "works")
	case "gate": // "full" takes the only place, "free" gives it back
		occupy(w.gate, args[0])
	case "streams": // likewise, for bulk streams; "stop" ends them for good
		if args[0] == "stop" {
			w.handler.StopStreams()
		} else {
			occupy(w.streams, args[0])
		}
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			t.Fatal(err)
		}
		w.clock.advance(d)
	default:
		t.Fatalf("unknown setup %q", verb)
	}
}

func occupy(g *limit.Gate, how string) {
	if how == "full" {
		g.Enter()
	} else {
		g.Leave()
	}
}

func expand(t *testing.T, w *world, text string) string {
	t.Helper()
	tmpl, err := template.New("").Funcs(template.FuncMap{
		"auth":   func() string { return w.query(t) },
		"sig":    func(id string, options ...string) string { return w.sign(t, id, options...) },
		"key":    func() string { return testKey },
		"repeat": func(n int, s string) string { return strings.Repeat(s, n) },
		"list": func(n int, format string) string {
			items := make([]string, n)
			for i := range items {
				items[i] = strings.ReplaceAll(format, "%d", strconv.Itoa(i))
			}
			return strings.Join(items, ",")
		},
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tmpl.Execute(&out, nil); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// parseRequest reads a request section. The section's last line end is not of the body.
func parseRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	line, headers, _ := strings.Cut(strings.TrimSuffix(head, "\n"), "\n")
	if headers != "" {
		headers += "\n"
	}
	raw := fmt.Sprintf("%s HTTP/1.1\nHost: muster.test\nContent-Length: %d\n%s\n%s", line, len(body), headers, body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%v in the request\n%s", err, raw)
	}
	r.RemoteAddr = "192.0.2.1:4321"
	return r.WithContext(t.Context())
}

// sameInAll are the headers that answers have alike; they are checked, and not shown.
var sameInAll = map[string]string{
	"Access-Control-Allow-Origin":  "*",
	"Access-Control-Allow-Headers": "X-Requested-With, Content-Type",
	"Access-Control-Allow-Methods": "POST",
}

// answer serves a request and returns the response as the golden files have it.
func answer(t *testing.T, w *world, r *http.Request) string {
	t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	header := rec.Header()
	for name, want := range sameInAll {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		header.Del(name)
	}
	if rec.Body.Len() > 0 {
		switch got := header.Get("Content-Type"); got {
		case "application/json":
			if got, want := header.Get("Content-Length"), strconv.Itoa(rec.Body.Len()); got != want {
				t.Errorf("Content-Length: %q, want %q", got, want)
			}
			header.Del("Content-Length")
			header.Del("Content-Type")
		case ndjson: // stays, to be shown
			if !rec.Flushed || !strings.HasSuffix(rec.Body.String(), "}\n") {
				t.Errorf("a stream that was not flushed, or does not end with a line: %q", rec.Body)
			}
		default:
			t.Errorf("Content-Type: %q", got)
		}
		if header.Get("X-Request-Id") == "" {
			t.Error("no X-Request-Id")
		}
		header.Del("X-Request-Id")
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d\n", rec.Code)
	var names []string
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(header[name], ", "))
	}
	if rec.Body.Len() > 0 {
		fmt.Fprintf(&out, "\n%s\n", strings.TrimSuffix(rec.Body.String(), "\n"))
	}
	return out.String()
}
