package exampletest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/usersig"
)

// testLogin runs the Node script over a transport and compares what it tells with the
// transcript in testdata, which README.md must have too.
func (w *world) testLogin(t *testing.T, transport string) {
	w.transcript(t, "login.mjs", "login.txt", "USERID=node-"+transport, "TRANSPORT="+transport)
}

// testSend runs the script about messages, likewise.
func (w *world) testSend(t *testing.T) {
	w.transcript(t, "send.mjs", "send.txt", "PAIR=5e4d0001")
}

func (w *world) transcript(t *testing.T, script, golden string, env ...string) {
	t.Helper()
	out, stderr, code := w.node(t, []string{script}, env...)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	want, err := os.ReadFile(filepath.Join("testdata", golden))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), normal(out)); d != "" {
		t.Errorf("transcript (-want +got):\n%s", d)
	}
	if !strings.Contains(normal(readExample(t, "node/README.md")), string(want)) {
		t.Errorf("examples/node/README.md has another transcript than %s", out)
	}
}

// normal replaces what differs from run to run.
func normal(transcript string) string {
	for _, r := range []struct{ pattern, with string }{
		{`http://127\.0\.0\.1:\d+`, "http://HOST"},
		{`node-(example|websocket|http_stream|sse)`, "NAME"},
		{`over (websocket|http_stream|sse)`, "over TRANSPORT"},
		{`, instance [!-~]+\n`, ", instance ID\n"},
		{`made at \d+`, "made at TIME"},
		{`(ann|bob)-[0-9a-f]{8}`, "$1-PAIR"},
	} {
		transcript = regexp.MustCompile(r.pattern).ReplaceAllString(transcript, r.with)
	}
	return transcript
}

// testWrong checks that the script says what went wrong, and says it with its exit code.
func (w *world) testWrong(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		code int
		want string
	}{
		{"Key of another App", []string{"MUSTER_KEY=of-another-app"}, 1, `^login: im_open_login_svc/account_import: 70009 `},
		{"unknown Platform", []string{"PLATFORM=Toaster"}, 1, `^login: step 2: expected to be connected.*"code":4500,"reason":"70402 `},
		{"unknown transport", []string{"TRANSPORT=pigeon"}, 1, `^login: there is no transport pigeon, `},
		{"no App", []string{"MUSTER_SDKAPPID="}, 2, `^The App is missing`},
	} {
		out, stderr, code := w.node(t, []string{"login.mjs"}, append(tt.env, "USERID=node-wrong")...)
		if code != tt.code || !regexp.MustCompile(tt.want).MatchString(stderr) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tt.name, code, tt.code, out, stderr)
		}
		if strings.Contains(out+stderr, key) || strings.Contains(stderr, "node_modules") {
			t.Errorf("%s: it shows the Key, or a stack: %s%s", tt.name, out, stderr)
		}
	}
}

// testUserSig checks that the server's own code reads what the example signs.
func (w *world) testUserSig(t *testing.T) {
	const at, expire = 1700000000, 86400
	script := fmt.Sprintf(`import { sign } from './usersig.mjs';
for (const userID of ['user_01', '~!"\'{}'])
  console.log(sign({ sdkAppID: %d, key: %q, userID, time: %d, expire: %d }));`, sdkAppID, key, at, expire)
	out, stderr, code := w.node(t, []string{"--input-type=module", "--eval", script})
	sigs := strings.Fields(out)
	if code != 0 || len(sigs) != 2 {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	for i, name := range []string{"user_01", `~!"'{}`} {
		want := usersig.Expect{SDKAppID: sdkAppID, Identifier: name, Now: at + expire}
		claims, err := usersig.Verify(sigs[i], [][]byte{[]byte(key)}, want)
		if err != nil || claims.Time != at || claims.Expire != expire {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
	}
}

// node runs node in the directory of the Node example and returns what it wrote and its
// exit code.
func (w *world) node(t *testing.T, args []string, env ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = filepath.Join(w.dir, "node")
	cmd.Env = w.env(env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
