package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-im/muster/internal/server"
	"github.com/muster-im/muster/usersig"
)

// dial opens a bare connection to the REST API.
func dial(t *testing.T, s *server.Server) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// receive returns status, headers and body of the next answer.
func receive(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(body)
}

const imports = "/v4/im_open_login_svc/account_import?"

// What clients and probes send must be understood, all on one connection.
func TestHTTPShapes(t *testing.T) {
	s := start(t, settings(inMemory()))
	conn := dial(t, s)
	r := bufio.NewReader(conn)

	send(t, conn, "HEAD / HTTP/1.1\r\nHost: any.name\r\n\r\n")
	if resp, body := receive(t, r, http.MethodHead); resp.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD: %s %q", resp.Status, body)
	}

	send(t, conn, "POST "+imports+query(t)+" HTTP/1.1\r\nHost: any.name\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"8\r\n{\"UserID\r\n9\r\n\":\"anna\"}\r\n0\r\n\r\n")
	if resp, body := receive(t, r, http.MethodPost); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"OK"`) {
		t.Errorf("chunked: %s %s", resp.Status, body)
	}

	const body = `{"UserID":"bert"}`
	send(t, conn, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", imports+query(t), len(body)))
	if resp, _ := receive(t, r, http.MethodPost); resp.StatusCode != http.StatusContinue {
		t.Errorf("Expect: %s", resp.Status)
	}
	send(t, conn, body)
	if resp, body := receive(t, r, http.MethodPost); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"OK"`) {
		t.Errorf("after 100-continue: %s %s", resp.Status, body)
	}
	if got := imported(t, newClient(t, s), "anna", "bert"); got != "true true" {
		t.Errorf("imported: %s", got)
	}
}

// A client that sends its header too slowly, or one too long, must lose its connection.
func TestSlowAndLargeHeaders(t *testing.T) {
	c := settings(inMemory())
	c.ReadHeaderTimeout = 50 * time.Millisecond
	s := start(t, c)

	slow := dial(t, s)
	send(t, slow, "POST /v4/x HTTP/1.1\r\nHost: x\r\n")
	begin := time.Now()
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("the connection ends with %v", err)
	}
	if took := time.Since(begin); took < 40*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}

	large := dial(t, s)
	go func() { // the server answers before it has read all
		_, _ = io.WriteString(large, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	}()
	if resp, _ := receive(t, bufio.NewReader(large), http.MethodGet); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of header: %s", resp.Status)
	}
}

// A client that sends its body too slowly must be answered, and not hold the server.
func TestSlowBody(t *testing.T) {
	c := settings(inMemory())
	c.ReadTimeout = 100 * time.Millisecond
	s := start(t, c)
	conn := dial(t, s)
	send(t, conn, "POST "+imports+query(t)+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	resp, body := receive(t, bufio.NewReader(conn), http.MethodPost)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"ErrorCode":60003`) {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// code returns the ErrorCode of one call with a query and a body.
func code(t *testing.T, s *server.Server, query, body string) string {
	t.Helper()
	conn := dial(t, s)
	send(t, conn, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", imports+query, len(body), body))
	_, answer := receive(t, bufio.NewReader(conn), http.MethodPost)
	_, rest, _ := strings.Cut(answer, `"ErrorCode":`)
	number, _, _ := strings.Cut(rest, ",")
	return number
}

// The caps of the settings must reach what they are about.
func TestCaps(t *testing.T) {
	const body = `{"UserID":"anna"}`
	t.Run("max-body", func(t *testing.T) {
		c := settings(inMemory())
		c.MaxBody = 1 << 10
		s := start(t, c)
		if got := code(t, s, query(t), body+strings.Repeat(" ", 1<<10)); got != "70402" {
			t.Errorf("a long body gives %s", got)
		}
		if got := code(t, s, query(t), body); got != "0" {
			t.Errorf("a short body gives %s", got)
		}
	})
	t.Run("max-in-flight", func(t *testing.T) {
		c := settings(inMemory())
		c.MaxInFlight = 1
		s := start(t, c)
		finish, result := slowCall(t, s)
		if got := code(t, s, query(t), body); got != "70202" {
			t.Errorf("a second call gives %s", got)
		}
		finish()
		<-result
		awaitMetric(t, s, "\nmuster_requests_in_flight 0\n")
		if got := code(t, s, query(t), body); got != "0" {
			t.Errorf("a later call gives %s", got)
		}
	})
	t.Run("bad-sig-limit", func(t *testing.T) {
		c := settings(inMemory())
		c.BadSigLimit = 2
		s := start(t, c)
		forged := strings.Replace(query(t), sign(t, admin), forge(t), 1)
		for i, want := range []string{"70009", "70009", "70050"} {
			if got := code(t, s, forged, body); got != want {
				t.Errorf("guess %d gives %s, want %s", i+1, got, want)
			}
		}
	})
	t.Run("rate", func(t *testing.T) {
		c := settings(inMemory())
		c.Apps[0].Rate = 1
		s := start(t, c)
		if got := code(t, s, query(t), body) + code(t, s, query(t), body); got != "060007" {
			t.Errorf("two calls at once give %s", got)
		}
	})
	t.Run("idle-timeout", func(t *testing.T) {
		c := settings(inMemory())
		c.IdleTimeout = 50 * time.Millisecond
		conn := dial(t, start(t, c))
		send(t, conn, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadAll(conn); err != nil { // ends when the server closes it
			t.Error(err)
		}
	})
}

// forge returns a UserSig of the admin that no Key of the App signed.
func forge(t *testing.T) string {
	t.Helper()
	sig, err := usersig.Sign([]byte("a-guess"), usersig.Claims{
		Identifier: admin, SDKAppID: appID, Time: time.Now().Unix(), Expire: 3600,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
