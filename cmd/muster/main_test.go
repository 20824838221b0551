package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary muster itself when a script runs muster.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"muster":  main,
		"httpget": httpget,
	})
}

// TestScripts runs the scripts of testdata/script. Beside the commands of package
// testscript they have:
//
//	status N muster ARGS…   run muster, which must end with exit status N
//	start NAME ARGS…        run muster in the background until it listens; sets $REST and $OPS
//	launch NAME ARGS…       run muster in the background
//	signal NAME [SIGNAL [N]]
//	                        send it SIGTERM or SIGHUP, INT or KILL; but for HUP wait for its end, which
//	                        must be a good one unless it was killed, or have the exit status N
//	await NAME TEXT         wait until it prints a line with the text; what it printed goes to NAME.stdout
//	garble FILE             overwrite the middle of the file, which may be a pattern
//	write FILE TEXT [N]     write the text, in which \n and the like mean what they do in Go; with N
//	                        write it so often, with a number from 1 for %d
//	pack FILE               write FILE.gz and FILE.zst
//	cut FILE N              cut N bytes off its end
//
// and the program httpget URL.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers; run without -short")
	}
	var servers servers
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", gorace)
			env.Defer(func() { servers.killAll(env.WorkDir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"start":  servers.start,
			"signal": servers.signal,
			"await":  servers.await,
			"launch": servers.launch,
			"garble": garble,
			"write":  write,
			"pack":   pack,
			"cut":    cut,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// gorace keeps the race detector, if it is on, from delaying the end of each of the many
// processes by a second.
const gorace = "atexit_sleep_ms=10"

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // testscript returns it bare
		if !ok {
			ts.Fatalf("run: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status is %d, want %d", got, want)
	}
}

func garble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: garble FILE")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no file %s", args[0])
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		ts.Check(err)
		for i := range text {
			if i >= len(text)/3 && i < 2*len(text)/3 {
				text[i] ^= 0xa5
			}
		}
		ts.Check(os.WriteFile(name, text, 0o600))
	}
}

func write(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: write FILE TEXT [N]")
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	if len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		var all strings.Builder
		for i := range n {
			all.WriteString(strings.ReplaceAll(text, "%d", strconv.Itoa(i+1)))
		}
		text = all.String()
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pack FILE")
	}
	text := []byte(ts.ReadFile(args[0]))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(text)
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".gz"), packed.Bytes(), 0o600))
	enc, err := zstd.NewWriter(nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".zst"), enc.EncodeAll(text, nil), 0o600))
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE N")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), info.Size()-n))
}

// servers are the processes that scripts have started and not ended. Scripts run in
// parallel.
type servers struct {
	mu   sync.Mutex
	runs map[string]*running // by the script's directory and the name
}

type running struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// key names a process of a script.
func key(ts *testscript.TestScript, name string) string {
	return filepath.Join(ts.Getenv("WORK"), name)
}

func (s *servers) find(ts *testscript.TestScript, name string) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[key(ts, name)]
	if r == nil {
		ts.Fatalf("%s does not run", name)
	}
	return r
}

func (s *servers) start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME args…")
	}
	s.launch(ts, neg, args)
	line, err := s.find(ts, args[0]).out.ReadString('\n')
	rest, ops, ok := addresses(line)
	if err != nil || !ok {
		ts.Fatalf("it does not listen: %q %v\n%s", line, err, ts.ReadFile(args[0]+".stderr"))
	}
	ts.Setenv("REST", rest)
	ts.Setenv("OPS", ops)
}

func (s *servers) launch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: launch NAME args…")
	}
	program := filepath.Join(strings.Split(ts.Getenv("PATH"), string(filepath.ListSeparator))[0], "muster")
	cmd := exec.CommandContext(context.Background(), program, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "GORACE", "MUSTER_URL", "MUSTER_SDKAPPID", "MUSTER_KEY", "MUSTER_ADMIN"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	stderr, err := os.Create(ts.MkAbs(args[0] + ".stderr"))
	ts.Check(err)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	_ = stderr.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs == nil {
		s.runs = make(map[string]*running)
	}
	s.runs[key(ts, args[0])] = &running{cmd, bufio.NewReader(stdout)}
}

// addresses reads the line that says that a server is ready.
func addresses(line string) (rest, ops string, ok bool) {
	_, err := fmt.Sscanf(line, "listening rest=%s ops=%s", &rest, &ops)
	return rest, ops, err == nil
}

func (s *servers) signal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: signal NAME [SIGNAL [N]]")
	}
	sig, want := "TERM", 0
	if len(args) > 1 {
		sig = args[1]
	}
	if len(args) > 2 {
		var err error
		want, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	r := s.find(ts, args[0])
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
	ts.Check(r.cmd.Process.Signal(signals[sig]))
	if sig == "HUP" {
		return
	}
	s.mu.Lock()
	delete(s.runs, key(ts, args[0]))
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.out) // so that it cannot block on its output
	if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != want && sig != "KILL" {
		ts.Fatalf("it ended with %v\n%s", err, ts.ReadFile(args[0]+".stderr"))
	}
}

func (s *servers) await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME TEXT")
	}
	r := s.find(ts, args[0])
	var printed strings.Builder
	for line := ""; !strings.Contains(line, args[1]); {
		var err error
		line, err = r.out.ReadString('\n')
		printed.WriteString(line)
		if err != nil {
			ts.Fatalf("it ended: %v\n%s", err, printed.String())
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stdout"), []byte(printed.String()), 0o600))
}

// killAll ends what the script in dir has left running.
func (s *servers) killAll(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range s.runs {
		if filepath.Dir(key) == dir {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
			delete(s.runs, key)
		}
	}
}

// httpget is a program: it prints the body of a URL, and fails if the status is not 200.
func httpget() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], http.NoBody)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(os.Stdout, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
