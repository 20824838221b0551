package exampletest_test

import (
	"encoding/json"
	"testing"
)

// TestExamples runs every example against one server. Each has an account of its own, so
// that they run at a time.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("installs packages and starts a real server and a browser; run without -short")
	}
	w := newWorld(t)
	t.Run("usersig", func(t *testing.T) {
		t.Parallel()
		w.testUserSig(t)
	})
	for _, transport := range []string{"websocket", "http_stream", "sse"} {
		t.Run("node/"+transport, func(t *testing.T) {
			t.Parallel()
			w.testLogin(t, transport)
		})
	}
	t.Run("node/wrong", func(t *testing.T) {
		t.Parallel()
		w.testWrong(t)
	})
	t.Run("node/send", func(t *testing.T) {
		t.Parallel()
		w.testSend(t)
	})
	t.Run("node/chat", func(t *testing.T) {
		t.Parallel()
		w.testGaps(t)
	})
	w.servePage(t)
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		w.testBrowser(t)
	})
	t.Run("chat", func(t *testing.T) {
		t.Parallel()
		w.testChat(t)
	})
}

// The lock file must pin every package by its checksum and name no registry, so that each
// installs them from where it usually does.
func TestLockFile(t *testing.T) {
	var lock struct {
		Packages map[string]struct {
			Resolved, Integrity string
		}
	}
	if err := json.Unmarshal([]byte(readExample(t, "node/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	if len(lock.Packages) < 4 {
		t.Fatalf("it has only %d packages", len(lock.Packages))
	}
	for name, p := range lock.Packages {
		if name == "" { // the example itself
			continue
		}
		if p.Resolved != "" || p.Integrity == "" {
			t.Errorf("%s: resolved %q, integrity %q", name, p.Resolved, p.Integrity)
		}
	}
}
