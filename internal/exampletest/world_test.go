package exampletest_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	sdkAppID = 1400000001
	key      = "example-test-key-0123456789"
	admin    = "administrator"
	examples = "../../examples"
)

// patience is how long anything may take before the test gives up.
const patience = 30 * time.Second

// world is what all examples share: their installed copy and a server with an App.
type world struct {
	dir  string // a copy of the examples directory, with its packages
	base string // the server's URL
	page string // HOST:PORT that the server lets pages log in from
}

// newWorld builds the server and installs the packages, both at a time, then starts the
// server. All of it ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	need(t, "node and npm", "nodejs npm", "node")
	need(t, "node and npm", "nodejs npm", "npm")
	exe := filepath.Join(t.TempDir(), "muster")
	w := &world{dir: t.TempDir(), page: freeAddress(t)}
	copyExamples(t, w.dir)

	var both sync.WaitGroup
	both.Go(func() {
		command(t, "", []string{"CGO_ENABLED=0"}, "go", "build", "-o", exe, "github.com/muster-im/muster/cmd/muster")
	})
	both.Go(func() {
		command(t, filepath.Join(w.dir, "node"), []string{"npm_config_update_notifier=false"},
			"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	})
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}

	line := start(t, "", nil, exe, "serve",
		"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--store=mem:", "--allowed-origins=http://"+w.page,
		fmt.Sprintf("--app=sdkappid=%d,key=%s,admin=%s", sdkAppID, key, admin))
	var rest string
	if _, err := fmt.Sscanf(line, "listening rest=%s", &rest); err != nil {
		t.Fatalf("the server said %q instead of where it listens", line)
	}
	w.base = "http://" + rest
	return w
}

// need returns the path of the first of the programs that is there, and skips the test if
// none is.
func need(t *testing.T, what, packages string, programs ...string) string {
	t.Helper()
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("needs %s: install them (Debian: apt-get install --no-install-recommends %s)", what, packages)
	return ""
}

// command runs a program to its end and fails the test, from whichever goroutine, if that is
// not a good one.
func command(t *testing.T, dir string, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, args[0], err, out)
	}
}

// start starts a program that says in its first line where it listens, and returns that
// line. The program is interrupted when the test ends, and must end well then; what it
// wrote to standard error is logged if the test failed.
func start(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_, _ = io.Copy(io.Discard, out) // so that it cannot block on its output
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", cmd.Path, err)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", cmd.Path, stderr.String())
		}
	})
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not say where it listens: %v", cmd.Path, err)
	}
	return line
}

// env is what the examples are told through the environment.
func (w *world) env(more ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"MUSTER_URL=" + w.base, fmt.Sprint("MUSTER_SDKAPPID=", sdkAppID), "MUSTER_KEY=" + key, "MUSTER_ADMIN=" + admin,
	}
	return append(env, more...)
}

// freeAddress returns an address that nobody listens at, below the range from which the
// system gives ports to whoever asks for any, so that it stays free.
func freeAddress(t *testing.T) string {
	t.Helper()
	for port := 20000 + os.Getpid()%10000; port < 32000; port++ {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// copyExamples copies the examples without the packages that somebody may have installed.
func copyExamples(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(examples, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, rel)
		switch {
		case d.Name() == "node_modules":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readExample returns the text of a file of the examples.
func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
