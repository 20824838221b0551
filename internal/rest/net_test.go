package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The tests of this file speak HTTP to a real server.

// connect returns a connection to a real server in front of the handler.
func (w *world) connect(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	return dial(t, server)
}

func dial(t *testing.T, server *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// reply reads one response and returns its body.
func reply(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func send(t *testing.T, conn net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, format, args...); err != nil {
		t.Fatal(err)
	}
}

// TestWire speaks HTTP as old clients do (wire-rules.md, rule 2), all on one connection:
// an unread body must not end up in the next request.
func TestWire(t *testing.T) {
	w := newWorld(t)
	conn, r := w.connect(t)
	target := importPath + w.query(t)
	const ok = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}`

	send(t, conn, "POST %s HTTP/1.1\r\nHost: any.name\r\nExpect: 100-continue\r\nContent-Length: 22\r\n\r\n", target)
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v, want 100 Continue", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	send(t, conn, `{"Accounts":["alice"]}`)
	if _, got := reply(t, r); got != ok {
		t.Errorf("after 100 Continue: %s", got)
	}

	send(t, conn, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Acc\r\n11\r\nounts\":[\"alice\"]}\r\n0\r\n\r\n", target)
	if _, got := reply(t, r); got != ok {
		t.Errorf("chunked: %s", got)
	}

	send(t, conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\n{\"Accounts\":[\"alice\"]}", importPath)
	if resp, got := reply(t, r); !strings.Contains(got, "60012") || resp.Close {
		t.Errorf("refused before the body: %s, closes %v", got, resp.Close)
	}

	send(t, conn, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	line, err := r.ReadString('\n')
	if err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("HEAD: %q, %v", line, err)
	}
}

// TestBodyTooLarge: the client gets its answer, and then the connection closes.
func TestBodyTooLarge(t *testing.T) {
	w := newWorld(t)
	target := importPath + w.query(t)
	const want = `"ErrorCode":70402,"ErrorInfo":"the parameters are invalid, please check required fields and the protocol's requirements: the body is over 65536 bytes"`
	chunk := strings.Repeat(" ", 1<<16)
	for name, request := range map[string]string{
		"declared": fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", target, 1<<30),
		"chunked":  fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n%s\r\n10000\r\n%s\r\n", target, chunk, chunk),
	} {
		t.Run(name, func(t *testing.T) {
			conn, r := w.connect(t)
			send(t, conn, "%s", request)
			resp, got := reply(t, r)
			if !strings.Contains(got, want) || !resp.Close {
				t.Errorf("%s, closes %v", got, resp.Close)
			}
		})
	}
}

// TestBodyAtTheLimit: exactly MaxBody bytes are not too many.
func TestBodyAtTheLimit(t *testing.T) {
	w := newWorld(t)
	body := `{"Accounts":["alice"]}`
	body += strings.Repeat(" ", int(w.options.MaxBody)-len(body))
	for extra, want := range map[string]string{"": `"ErrorCode":0`, " ": `"ErrorCode":70402`} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, importPath+w.query(t), strings.NewReader(body+extra))
		r.ContentLength = -1 // as if chunked
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%d bytes: %s, want %s", len(body)+len(extra), rec.Body, want)
		}
	}
}
