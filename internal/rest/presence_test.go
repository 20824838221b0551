package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/rest"
)

var _ rest.Presence = (*fakePresence)(nil)

// fakePresence is what a test says of who is online. Everybody else is Offline.
type fakePresence struct {
	statuses map[account.UserID]presence.Status
	err      error
	asked    []account.UserID // by the last call
}

// Status implements rest.Presence.
func (f *fakePresence) Status(_ context.Context, _ account.SDKAppID, ids []account.UserID) ([]presence.Status, error) {
	f.asked = ids
	if f.err != nil {
		return nil, f.err
	}
	out := make([]presence.Status, len(ids))
	for i, id := range ids {
		s, ok := f.statuses[id]
		if !ok {
			s.State = presence.Offline
		}
		out[i] = s
	}
	return out, nil
}

// set makes an account online: its custom status, - for none, and its devices, each
// Platform/InstanceID/State.
func (f *fakePresence) set(tb testing.TB, id, custom string, devices ...string) {
	tb.Helper()
	s := presence.Status{State: presence.PushOnline, CustomStatus: strings.TrimPrefix(custom, "-")}
	for _, text := range devices {
		parts := strings.Split(text, "/")
		if len(parts) != 3 || !presence.Platform(parts[0]).Valid() {
			tb.Fatalf("%q is no device", text)
		}
		d := presence.Device{Platform: presence.Platform(parts[0]), InstanceID: parts[1], State: presence.State(parts[2])}
		if d.State == presence.Online {
			s.State = presence.Online
		}
		s.Devices = append(s.Devices, d)
	}
	if f.statuses == nil {
		f.statuses = make(map[account.UserID]presence.Status)
	}
	f.statuses[account.UserID(id)] = s
}

// TestStatusOrder: as many names as a query may have are answered in its order, whoever of
// them is imported, or online, or stands there twice.
func TestStatusOrder(t *testing.T) {
	w := newWorld(t)
	var names, imported, missing []string
	for i := range 500 {
		name := fmt.Sprintf("n%03d", i*377%499) // 499 is prime: one name stands twice
		names = append(names, name)
		if i%3 == 0 {
			missing = append(missing, name)
		}
	}
	for _, name := range names {
		if !slices.Contains(missing, name) {
			imported = append(imported, name)
		}
		w.presence.set(t, name, "of "+name, "Web/w/Online")
	}
	missing = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(imported, name) })
	w.importAccounts(t, imported...)
	body, err := json.Marshal(map[string]any{"To_Account": names, "IsReturnCustomStatus": 1})
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		QueryResult []struct {
			UserID               string `json:"To_Account"`
			Status, CustomStatus string
		}
		ErrorList []struct {
			UserID string `json:"To_Account"`
		}
	}
	answer := w.serve(t, "/v4/openim/query_online_status?"+w.query(t), string(body))
	if err := json.Unmarshal(answer.Body.Bytes(), &reply); err != nil {
		t.Fatal(err)
	}
	var answered, failed []string
	for _, item := range reply.QueryResult {
		answered = append(answered, item.UserID)
		if item.Status != "Online" || item.CustomStatus != "of "+item.UserID {
			t.Errorf("%+v is not that account's", item)
		}
	}
	for _, item := range reply.ErrorList {
		failed = append(failed, item.UserID)
	}
	if diff := cmp.Diff(imported, answered); diff != "" {
		t.Errorf("QueryResult (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(missing, failed); diff != "" {
		t.Errorf("ErrorList (-want +got):\n%s", diff)
	}
	if len(w.presence.asked) != len(imported) {
		t.Errorf("presence was asked about %d accounts, %d are imported", len(w.presence.asked), len(imported))
	}
}

// TestStatusUnknown: nobody is called Offline because it could not be found out who is.
func TestStatusUnknown(t *testing.T) {
	w := newWorld(t)
	w.importAccounts(t, "id1")
	w.presence.err = errors.New("the other nodes do not answer")
	got := w.serve(t, "/v4/openim/query_online_status?"+w.query(t), `{"To_Account":["id1"]}`).Body.String()
	if want := `{"ActionStatus":"FAIL","ErrorCode":91000,"ErrorInfo":"internal error, please try again later"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
