package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
)

// Registry holds the Apps of a server. It is safe for concurrent use; reading takes no
// lock.
//
// The pointer that Find returns stands for one state of the App: it stays the same for
// as long as the App does, and a Swap that changes anything of the App gives it a new
// one. What was derived from an App, such as a verified UserSig, is therefore good for
// exactly as long as Find returns the pointer it was derived from.
type Registry struct {
	table atomic.Pointer[table]
	swap  sync.Mutex // held by writers, so that no Swap builds on a table already replaced
}

// table is never changed once it is in a Registry.
type table struct {
	byID   map[account.SDKAppID]*App
	sorted []*App // by SDKAppID
}

// NewRegistry returns a Registry of apps, which it copies. It refuses an SDKAppID of 0
// and an SDKAppID that stands twice, naming all of them at once; that each App is sound
// in itself is the business of Spec.App.
func NewRegistry(apps []App) (*Registry, error) {
	t, err := newTable(apps, nil)
	if err != nil {
		return nil, fmt.Errorf("app: new registry: %w", err)
	}
	r := new(Registry)
	r.table.Store(t)
	return r, nil
}

// Find returns the App of an SDKAppID as it is now. The App must not be changed.
func (r *Registry) Find(id account.SDKAppID) (*App, bool) {
	a, ok := r.table.Load().byID[id]
	return a, ok
}

// All returns the Apps in ascending order of their SDKAppID. The slice is the caller's,
// the Apps must not be changed.
func (r *Registry) All() []*App { return slices.Clone(r.table.Load().sorted) }

// Swap replaces all Apps by apps, which it copies, or changes nothing and returns an
// error for the same reasons as NewRegistry. A Find that starts after Swap has returned
// sees the new Apps; Apps that are Equal before and after keep their pointer.
func (r *Registry) Swap(apps []App) error {
	r.swap.Lock()
	defer r.swap.Unlock()
	t, err := newTable(apps, r.table.Load().byID)
	if err != nil {
		return fmt.Errorf("app: swap: %w", err)
	}
	r.table.Store(t)
	return nil
}

// newTable builds a table of apps, taking over those of old that are unchanged.
func newTable(apps []App, old map[account.SDKAppID]*App) (*table, error) {
	t := &table{byID: make(map[account.SDKAppID]*App, len(apps)), sorted: make([]*App, 0, len(apps))}
	var faults []error
	for i, a := range apps {
		if a.SDKAppID == 0 {
			faults = append(faults, fmt.Errorf("App %d of %d has no SDKAppID", i+1, len(apps)))
			continue
		}
		if _, twice := t.byID[a.SDKAppID]; twice {
			faults = append(faults, fmt.Errorf("SDKAppID %d stands twice, again as App %d of %d", a.SDKAppID, i+1, len(apps)))
			continue
		}
		kept, known := old[a.SDKAppID]
		if !known || !kept.Equal(a) {
			kept = a.freeze()
		}
		t.byID[a.SDKAppID] = kept
		t.sorted = append(t.sorted, kept)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	slices.SortFunc(t.sorted, func(a, b *App) int { return cmp.Compare(a.SDKAppID, b.SDKAppID) })
	return t, nil
}
