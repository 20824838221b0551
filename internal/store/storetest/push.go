package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// savePush makes a call that must succeed.
func (c *client) savePush(put []presence.PushDevice, remove ...presence.PushKey) {
	c.Helper()
	if err := c.store().SavePush(c.Context(), put, remove); err != nil {
		c.Fatalf("SavePush of %d devices, %d removed: %v", len(put), len(remove), err)
	}
}

// loadPush returns all devices of all Apps.
func (c *client) loadPush() []presence.PushDevice {
	c.Helper()
	got, err := loadPush(c.Context(), c.store())
	if err != nil {
		c.Fatalf("LoadPush: %v", err)
	}
	return got
}

// loadPush returns all devices that a store keeps, in one order.
func loadPush(ctx context.Context, st presence.Store) (got []presence.PushDevice, err error) {
	err = st.LoadPush(ctx, func(d presence.PushDevice) error {
		got = append(got, d)
		return nil
	})
	sortPush(got)
	return got, err
}

func sortPush(devices []presence.PushDevice) {
	slices.SortFunc(devices, func(x, y presence.PushDevice) int {
		return cmp.Or(
			cmp.Compare(x.SDKAppID, y.SDKAppID), cmp.Compare(x.UserID, y.UserID),
			cmp.Compare(x.Platform, y.Platform), cmp.Compare(x.InstanceID, y.InstanceID),
		)
	})
}

// wantPush checks which devices there are.
func (c *client) wantPush(what string, want ...presence.PushDevice) {
	c.Helper()
	want = slices.Clone(want)
	sortPush(want)
	sameEach(c.TB, what, c.loadPush(), want)
}

// device makes one of the client's App.
func (c *client) device(id account.UserID, p presence.Platform, instance string, seen int64) presence.PushDevice {
	return presence.PushDevice{
		PushKey: presence.PushKey{SDKAppID: c.app, UserID: id, Platform: p, InstanceID: instance}, Seen: seen,
	}
}

// pushCases hold the contract of presence.Store against a store, one call at a time.
func pushCases() []testCase {
	return []testCase{
		{"put, replace and remove in one call", pushOneCall},
		{"nothing to do", func(c *client) {
			c.wantPush("devices of an empty store")
			c.savePush(nil)
			c.savePush([]presence.PushDevice{}, []presence.PushKey{}...)
			c.savePush(nil, c.device("ann", presence.IPhone, "i", 0).PushKey) // never put
			c.wantPush("devices")
		}},
		{"a device is all of its key", pushKeys},
		{"names of every byte", pushEveryByte},
		{"Apps do not mix", pushApps},
		{"devices outlive their account", func(c *client) {
			d := c.device("ann", presence.IPhone, "i", 50)
			c.savePush([]presence.PushDevice{d}) // before there is one
			c.wantExactCount(0)
			c.importIDs(50, "ann", "bob")
			c.kick("ann", 60)
			c.del(60, "ann")
			c.importIDs(70, "ann")
			c.wantPush("devices", d)
			c.wantExactCount(2)
		}},
		{"any second", func(c *client) {
			var all []presence.PushDevice
			for i, seen := range []int64{0, 1, -1, 1 << 62, -1 << 62, 1_800_000_000} {
				all = append(all, c.device("ann", presence.Android, fmt.Sprint(i), seen))
			}
			c.savePush(all)
			c.wantPush("devices", all...)
		}},
		{"slices and texts stay the caller's", func(c *client) {
			d, gone := c.device("ann", presence.IPhone, "i", 50), c.device("bob", presence.IPhone, "i", 50)
			put, remove := []presence.PushDevice{d}, []presence.PushKey{gone.PushKey}
			c.savePush([]presence.PushDevice{gone})
			c.savePush(put, remove...)
			clear(put)
			clear(remove)
			c.importIDs(50, "ann")
			c.wantPush("devices", d)
		}},
		{"each stops it", pushStops},
		{"each calls the store", pushCalls},
		{"each closes the store", pushCloses},
		{"many devices in one call", func(c *client) {
			var all []presence.PushDevice
			for i := range 20_000 {
				all = append(all, c.device(account.UserID(fmt.Sprintf("n%d", i/3)), presence.Platforms()[i%3], "i", int64(i)))
			}
			c.savePush(all)
			c.wantPush("devices", all...)
			var remove []presence.PushKey
			for _, d := range all[5:] {
				remove = append(remove, d.PushKey)
			}
			c.savePush(nil, remove...)
			c.wantPush("those that are left", all[:5]...)
		}},
	}
}

func pushOneCall(c *client) {
	a, b, d := c.device("ann", presence.IPhone, "i", 50), c.device("ann", presence.IPad, "i", 50), c.device("bob", presence.IPhone, "i", 50)
	c.savePush([]presence.PushDevice{a, b, d})
	c.wantPush("devices", a, b, d)
	a.Seen, d.Seen = 70, 40 // later, and earlier
	e := c.device("cal", presence.Android, "i", 70)
	c.savePush([]presence.PushDevice{e, a, d}, b.PushKey, c.device("dan", presence.IPhone, "i", 0).PushKey)
	c.wantPush("devices after one call", e, a, d)
	c.savePush(nil, a.PushKey, e.PushKey)
	c.wantPush("devices after the removal of two", d)
	c.savePush([]presence.PushDevice{a})
	c.wantPush("devices with one that is back", a, d)
}

// pushKeys has devices that differ in one field only, and in where a field ends.
func pushKeys(c *client) {
	long := strings.Repeat("x", presence.MaxInstanceID)
	all := []presence.PushDevice{
		c.device("ann", presence.IPhone, "i", 1),
		c.device("ann", presence.IPhone, "j", 2),
		c.device("ann", presence.IPhone, "ij", 3),
		c.device("ann", presence.IPad, "i", 4),
		c.device("anni", presence.IPhone, "i", 5),
		c.device("an", presence.IPhone, "i", 6),
		c.device("ann", presence.IPhone, long, 7),
		c.device("ann", presence.IPhone, long[1:], 8),
		c.device("ANN", presence.IPhone, "I", 9),
	}
	for i, d := range all {
		c.savePush([]presence.PushDevice{d})
		c.wantPush("devices so far", all[:i+1]...)
	}
	for i, d := range all {
		c.savePush(nil, d.PushKey)
		c.wantPush("devices that are left", all[i+1:]...)
	}
}

// pushEveryByte has each byte that a name may have where a separator of keys might stand.
func pushEveryByte(c *client) {
	var all []presence.PushDevice
	var text strings.Builder
	for b := byte(0x21); b <= 0x7e; b++ {
		text.WriteByte(b)
		s := string(b)
		for _, p := range []presence.Platform{presence.IPhone, presence.Mac} {
			for _, ids := range [][2]string{{"a", s + "b"}, {"a" + s, "b"}, {"a" + s + string(p) + s, "b"}, {s, s}, {"a", s + string(p) + s + "b"}} {
				all = append(all, c.device(account.UserID(ids[0]), p, ids[1], int64(len(all))))
			}
		}
	}
	every := text.String()
	for at := 0; at+presence.MaxInstanceID <= len(every); at += 10 {
		id := account.UserID(every[at:][:account.MaxUserID])
		all = append(all, c.device(id, presence.Android, every[at:][:presence.MaxInstanceID], int64(len(all))))
	}
	c.savePush(all)
	c.wantPush("devices", all...)
	var left []presence.PushDevice
	var remove []presence.PushKey
	for i, d := range all {
		if i%2 == 0 {
			remove = append(remove, d.PushKey)
		} else {
			left = append(left, d)
		}
	}
	c.savePush(nil, remove...)
	c.wantPush("devices that are left", left...)
}

func pushApps(c *client) {
	apps := []account.SDKAppID{1, 256, 1 << 24, mainApp, 'p'<<24 | 'a', ^account.SDKAppID(0)}
	var all []presence.PushDevice
	for i, app := range apps {
		all = append(all, c.of(app).device("ann", presence.IPhone, "i", int64(i)))
	}
	c.savePush(all)
	c.wantPush("devices", all...)
	for i, d := range all {
		changed := d
		changed.Seen = 100
		c.savePush([]presence.PushDevice{changed})
		c.wantPush("devices after a change in one App", slices.Concat([]presence.PushDevice{changed}, all[i+1:])...)
		c.savePush(nil, d.PushKey)
		c.wantPush("devices after a removal in one App", all[i+1:]...)
	}
}

// pushStops shows that each's error ends LoadPush and is what it returns.
func pushStops(c *client) {
	errStop := errors.New("enough")
	for i := range 10 {
		c.savePush([]presence.PushDevice{c.device("ann", presence.IPhone, fmt.Sprint(i), 50)})
	}
	for _, after := range []int{1, 4, 10} {
		calls := 0
		err := c.store().LoadPush(c.Context(), func(presence.PushDevice) error {
			if calls++; calls == after {
				return errStop
			}
			return nil
		})
		if calls != after || !errors.Is(err, errStop) {
			c.Errorf("LoadPush made %d calls and gave %v; want %d and each's error", calls, err, after)
		}
	}
}

// pushCalls has each call the store: what it changes does not change what LoadPush shows.
func pushCalls(c *client) {
	var all []presence.PushDevice
	for i := range 10 {
		all = append(all, c.device("ann", presence.IPhone, fmt.Sprint(i), 50))
	}
	c.savePush(all)
	var got []presence.PushDevice
	err := c.store().LoadPush(c.Context(), func(d presence.PushDevice) error {
		got = append(got, d)
		for _, other := range all {
			if other != d {
				c.savePush([]presence.PushDevice{c.device("new", presence.Mac, other.InstanceID, 60)}, other.PushKey)
			}
		}
		c.importIDs(50, account.UserID(fmt.Sprintf("n%d", len(got))))
		c.getOne("ann")
		return nil
	})
	if err != nil {
		c.Errorf("LoadPush: %v", err)
	}
	sortPush(got)
	sameEach(c.TB, "devices of when it began", got, all)
	c.wantExactCount(10)
}

// pushCloses has each wait until the store refuses calls: neither waits for the other.
func pushCloses(c *client) {
	for i := range 10 {
		c.savePush([]presence.PushDevice{c.device("ann", presence.IPhone, fmt.Sprint(i), 50)})
	}
	st, closed := c.store(), make(chan error, 1)
	calls := 0
	err := st.LoadPush(c.Context(), func(presence.PushDevice) error {
		if calls++; calls > 1 {
			return nil
		}
		go func() { closed <- st.Close() }()
		for range 1 << 22 {
			if _, err := st.Check(context.Background(), c.app, []account.UserID{"ann"}); errors.Is(err, account.ErrClosed) {
				return nil
			}
			runtime.Gosched()
		}
		return errors.New("Close does not begin while devices are loaded")
	})
	if err != nil && !errors.Is(err, account.ErrClosed) || err == nil && calls != 10 {
		c.Errorf("LoadPush gave %v after %d calls", err, calls)
	}
	if err := <-closed; err != nil {
		c.Errorf("Close: %v", err)
	}
}
