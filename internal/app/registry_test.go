package app_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

func newRegistry(t *testing.T, apps ...app.App) *app.Registry {
	t.Helper()
	r, err := app.NewRegistry(apps)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, r *app.Registry, id account.SDKAppID) *app.App {
	t.Helper()
	a, ok := r.Find(id)
	if !ok {
		t.Fatalf("App %d is not there", id)
	}
	return a
}

func TestRegistryFindsAndSorts(t *testing.T) {
	r := newRegistry(t, sample(30), sample(10), sample(20))
	if _, ok := r.Find(11); ok {
		t.Error("found an App that is not there")
	}
	var ids []account.SDKAppID
	for _, a := range r.All() {
		ids = append(ids, a.SDKAppID)
		if find(t, r, a.SDKAppID) != a {
			t.Errorf("All and Find disagree about App %d", a.SDKAppID)
		}
	}
	if diff := cmp.Diff([]account.SDKAppID{10, 20, 30}, ids); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	clear(r.All())
	if r.All()[0] == nil {
		t.Error("All hands out the Registry's own slice")
	}
	empty := newRegistry(t)
	if _, ok := empty.Find(10); ok || len(empty.All()) != 0 {
		t.Error("an empty Registry has Apps")
	}
}

func TestRegistryCopiesWhatItIsGiven(t *testing.T) {
	apps := []app.App{sample(1)}
	r := newRegistry(t, apps...)
	apps[0].Keys[0], apps[0].Admins[0], apps[0].Disabled = "another-key", "mallory", true
	if diff := cmp.Diff(sample(1), *find(t, r, 1)); diff != "" {
		t.Errorf("the caller's later changes reach the Registry (-want +got):\n%s", diff)
	}
}

func TestRegistryNamesAllFaultsAtOnce(t *testing.T) {
	faulty := []app.App{sample(1), sample(2), sample(1), sample(0), sample(2)}
	_, err := app.NewRegistry(faulty)
	r := newRegistry(t, sample(9))
	kept := find(t, r, 9)
	for name, err := range map[string]error{"NewRegistry": err, "Swap": r.Swap(faulty)} {
		if err == nil {
			t.Fatalf("%s takes an SDKAppID twice", name)
		}
		for _, want := range []string{"SDKAppID 1 stands twice, again as App 3", "App 4 of 5 has no SDKAppID", "SDKAppID 2 stands twice"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s does not say %q: %v", name, want, err)
			}
		}
	}
	if find(t, r, 9) != kept || len(r.All()) != 1 {
		t.Error("a refused Swap changed the Registry")
	}
}

func TestSwapKeepsPointersOfUnchangedApps(t *testing.T) {
	changes := map[string]func(*app.App){
		"key":           func(a *app.App) { a.Keys = []app.Key{"another-key"} },
		"key added":     func(a *app.App) { a.Keys = append(a.Keys, "another-key") },
		"admin":         func(a *app.App) { a.Admins = []account.UserID{"root"} },
		"edition":       func(a *app.App) { a.Edition = app.Pro },
		"rate":          func(a *app.App) { a.Rate++ },
		"disabled":      func(a *app.App) { a.Disabled = true },
		"delete locked": func(a *app.App) { a.DeleteLocked = true },
		"delete hold":   func(a *app.App) { a.DeleteHold++ },
		"login":         func(a *app.App) { a.Login.WebInstances++ },
		"webhook":       func(a *app.App) { a.Webhook.URL += "/v2" },
		"webhook token": func(a *app.App) { a.Webhook.Token = "another-token" },
		"no state":      func(a *app.App) { a.Webhook.NoState = true },
		"before send":   func(a *app.App) { a.Webhook.BeforeSend = true },
		"after send":    func(a *app.App) { a.Webhook.AfterSend = true },
		"fail closed":   func(a *app.App) { a.Webhook.FailClosed = true },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, sample(1), sample(2), sample(3))
			same, before := find(t, r, 1), find(t, r, 2)
			changed := sample(2)
			change(&changed)
			if err := r.Swap([]app.App{changed, sample(1)}); err != nil {
				t.Fatal(err)
			}
			if find(t, r, 1) != same {
				t.Error("the unchanged App has a new pointer")
			}
			if find(t, r, 2) == before {
				t.Error("the changed App has its old pointer")
			}
			if diff := cmp.Diff(changed, *find(t, r, 2)); diff != "" {
				t.Errorf("the changed App (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(sample(2), *before); diff != "" {
				t.Errorf("Swap changed an App that a request may hold (-want +got):\n%s", diff)
			}
			if _, ok := r.Find(3); ok {
				t.Error("the App that was left out is still there")
			}
		})
	}
}

// TestSwapWhileReading is for the race detector, and holds that a reader sees the Apps of
// one Swap: all of them with the same rate.
func TestSwapWhileReading(t *testing.T) {
	withRate := func(rate int) []app.App {
		apps := []app.App{sample(1), sample(2)}
		apps[0].Rate, apps[1].Rate = rate, rate
		return apps
	}
	r := newRegistry(t, withRate(0)...)
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := range 500 {
				if err := r.Swap(withRate(w*1000 + i)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 500 {
				if all := r.All(); all[0].Rate != all[1].Rate {
					t.Errorf("a table of two Swaps: rates %d and %d", all[0].Rate, all[1].Rate)
				}
			}
		})
	}
	wg.Wait()
}
