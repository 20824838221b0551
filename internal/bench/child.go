package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a child process may take to listen, and to stop once it was told to. A store
// may have to replay its log, or to finish a compaction.
const (
	readyTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
)

// child is a process that Suite started. Whoever starts one must call stop.
type child struct {
	name    string
	cmd     *exec.Cmd
	tell    context.CancelFunc // sends SIGTERM; the process is killed if that does not help
	log     *os.File           // its standard error, which nobody has to read while it runs
	started time.Time
	addr    string // of its REST API, once it listens
	ops     string // where /readyz is; "" if it has none
	exited  chan struct{}
	err     error // of Wait, once exited is closed
}

// launch starts exe without waiting for anything. The process is told to stop when ctx
// ends.
func launch(ctx context.Context, dir, exe string, out io.Writer, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, "stderr.log")) // #nosec G304 -- a directory that Suite made
	if err != nil {
		return nil, err
	}
	ctx, tell := context.WithCancel(ctx)
	c := &child{name: strings.Join(args[:min(2, len(args))], " "), tell: tell, log: log, exited: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, exe, args...) // #nosec G204 -- running exe is what Suite is asked to do
	c.cmd.Stdout, c.cmd.Stderr = out, log
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTimeout
	c.started = now()
	if err := c.cmd.Start(); err != nil {
		tell()
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		defer close(c.exited)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// serve launches a server and waits until it listens.
func serve(ctx context.Context, dir, exe string, args ...string) (*child, error) {
	ready := newReadyLine()
	c, err := launch(ctx, dir, exe, ready, args...)
	if err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", exe, err)
	}
	timer := time.NewTimer(readyTimeout)
	defer timer.Stop()
	select {
	case c.addr = <-ready.addr:
		c.ops = ready.ops
		return c, nil
	case <-c.exited:
		err = errors.New("it ended before it listened")
	case <-timer.C:
		err = fmt.Errorf("it did not listen within %v", readyTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("bench: start %s: %w", c.name, err), c.stop())
}

// stop tells the process to stop and waits until it has. It returns an error with the
// end of its log unless it ended well.
func (c *child) stop() error {
	c.tell()
	return c.wait()
}

func (c *child) wait() error {
	<-c.exited
	c.tell()
	defer func() { _ = c.log.Close() }() // it was only read by us
	// Wait also fails if a process ended well after it was told to.
	if state := c.cmd.ProcessState; c.err == nil || (state != nil && state.Success()) {
		return nil
	}
	return fmt.Errorf("bench: %s: %w\n%s", c.name, c.err, c.logTail())
}

// logTail returns the last lines of the child's log.
func (c *child) logTail() string {
	const most = 2 << 10
	info, err := c.log.Stat()
	if err != nil {
		return ""
	}
	start := max(info.Size()-most, 0)
	text := make([]byte, info.Size()-start)
	n, _ := c.log.ReadAt(text, start) // as much as can be had
	return strings.TrimSpace(string(text[:n]))
}

// readyLine is the standard output of a server: it waits for the line that says where
// the server listens, and drops all the rest.
type readyLine struct {
	addr chan string // gets one address
	ops  string      // the other address of that line, set before addr gets one
	once sync.Once
	line []byte
}

// maxLine is how much of a line is looked at.
const maxLine = 4 << 10

func newReadyLine() *readyLine { return &readyLine{addr: make(chan string, 1)} }

// Write implements io.Writer; it never fails.
func (r *readyLine) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		r.line = append(r.line, line[:min(len(line), maxLine-len(r.line))]...)
		if !whole {
			break
		}
		if addr, ok := parseReady(string(r.line)); ok {
			r.once.Do(func() {
				r.ops = addressIn(string(r.line), "ops=")
				r.addr <- addr
			})
		}
		r.line, rest = r.line[:0], after
	}
	return len(p), nil
}

// parseReady returns the address of the REST API from a line such as
//
//	listening rest=127.0.0.1:8080 ops=127.0.0.1:8081
func parseReady(line string) (addr string, ok bool) {
	if fields := strings.Fields(line); len(fields) == 0 || fields[0] != "listening" {
		return "", false
	}
	addr = addressIn(line, "rest=")
	return addr, addr != ""
}

// addressIn returns what stands behind a prefix in a line, "" if nothing does.
func addressIn(line, prefix string) string {
	for f := range strings.FieldsSeq(line) {
		if addr, ok := strings.CutPrefix(f, prefix); ok && addr != "" {
			return addr
		}
	}
	return ""
}
