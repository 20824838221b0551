package crashtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
)

const (
	sdkAppID = 1400000001
	key      = "crash-test-key-0123456789"
	admin    = "administrator"
)

// buildServer builds the program once and returns its path.
func buildServer(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "muster")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "github.com/muster-im/muster/cmd/muster")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return exe
}

// server is one run of the program.
type server struct {
	cmd    *exec.Cmd
	base   string // http://host:port
	stderr *tail
	exited chan struct{}
}

var readyLine = regexp.MustCompile(`rest=(\S+)`)

// start runs the server over the store in dir and returns when it listens.
func start(t *testing.T, exe, dir string) *server {
	t.Helper()
	return startAt(t, exe, dir, "127.0.0.1:0")
}

// startAt is start with the address to listen at.
func startAt(t *testing.T, exe, dir, listen string) *server {
	t.Helper()
	s := &server{stderr: &tail{}, exited: make(chan struct{})}
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), exe, "serve",
		"--listen="+listen, "--ops-listen=127.0.0.1:0", "--store=pebble:"+dir,
		fmt.Sprintf("--app=sdkappid=%d,key=%s,admin=%s,rate=0", sdkAppID, key, admin))
	s.cmd.Stderr = s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the server said %q (%v) instead of where it listens; its log:\n%s", line, err, s.stderr)
	}
	s.base = "http://" + m[1]
	return s
}

// kill ends the process as a crash does: at once, with no chance to do anything.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// stop ends the process as an operator does and fails the test if it does not go well.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("the server did not stop; its log:\n%s", s.stderr)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server stopped with exit code %d; its log:\n%s", code, s.stderr)
	}
}

func (s *server) client(t *testing.T) *imclient.Client {
	t.Helper()
	c, err := imclient.New(imclient.Options{
		BaseURL: s.base, SDKAppID: sdkAppID, Key: key, Admin: admin,
		Attempts: 1, // what is in doubt after a kill is for the test to settle
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text.Len() > 1<<20 {
		b.text.Reset()
	}
	return b.text.Write(p)
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.text.String()
	return s[max(0, len(s)-4096):]
}
