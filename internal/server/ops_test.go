package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpsDoor(t *testing.T) {
	s := start(t, settings(onDisk(t.TempDir())))
	base := "http://" + s.OpsAddr()
	if status, body := get(t, base+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	got := ready(t, s)
	delete(got, "name_index") // depends on how fast the store is
	if d := cmp.Diff(map[string]any{"ready": true, "server": "serving", "store": "open"}, got); d != "" {
		t.Error(d)
	}
	if status, _ := get(t, base+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("pprof without the setting: %d", status)
	}
	tinyIDs(t, newClient(t, s), 10)
	_, metrics := get(t, base+"/metrics")
	for _, want := range []string{
		"\nmuster_accounts 11\n", // with the admin
		"\nmuster_apps 1\n",
		"\nmuster_bulk_streams 0\n",
		"\nmuster_store_index_complete ",
		`muster_store_seconds_count{op="import"} 1`,
		`muster_requests_total{code="0",command="im_open_login_svc/multiaccount_import"} 1`,
		`version="v0.0.0-test"`,
		"\ngo_goroutines ",
		"\nprocess_open_fds ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	if strings.Contains(metrics, "1400000001") {
		t.Error("/metrics has a label with an App")
	}
}

func TestPprof(t *testing.T) {
	c := settings(inMemory())
	c.Pprof = true
	s := start(t, c)
	if status, body := get(t, "http://"+s.OpsAddr()+"/debug/pprof/"); status != http.StatusOK || !strings.Contains(body, "goroutine") {
		t.Errorf("pprof: %d", status)
	}
	if _, body := get(t, "http://"+s.Addr()+"/debug/pprof/"); !strings.Contains(body, `"ActionStatus":"FAIL"`) {
		t.Errorf("the REST API answers %q", body)
	}
}
