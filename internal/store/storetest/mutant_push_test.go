package storetest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// TestPushKillsMutants shows that each sentence of presence.Store is tested.
func TestPushKillsMutants(t *testing.T) {
	cases := slices.Concat(pushCases(), pushConcurrentCases(1), callCases())
	if killedBy(t, cases, func(*bent) {}) {
		t.Fatal("the right store is killed")
	}
	for _, m := range slices.Concat(savePushMutants(), loadPushMutants()) {
		t.Run(m.name, func(t *testing.T) {
			if !killedBy(t, cases, m.bend) {
				t.Error("no case fails")
			}
		})
	}
}

type (
	devicesT = []presence.PushDevice
	keysT    = []presence.PushKey
	eachT    = func(presence.PushDevice) error
)

// pushKeyed bends every device on its way in and every key that is removed.
func pushKeyed(change func(k *presence.PushKey)) func(b *bent) {
	return func(b *bent) {
		b.onSavePush = func(ctx ctxT, put devicesT, remove keysT) error {
			put, remove = slices.Clone(put), slices.Clone(remove)
			for i := range put {
				change(&put[i].PushKey)
			}
			for i := range remove {
				change(&remove[i])
			}
			return b.Store.SavePush(ctx, put, remove)
		}
	}
}

func savePushMutants() []mutant {
	saves := func(change func(b *bent, ctx ctxT, put devicesT, remove keysT) error) func(b *bent) {
		return func(b *bent) {
			b.onSavePush = func(ctx ctxT, put devicesT, remove keysT) error { return change(b, ctx, put, remove) }
		}
	}
	return []mutant{
		{"nothing is removed", saves(func(b *bent, ctx ctxT, put devicesT, _ keysT) error { return b.Store.SavePush(ctx, put, nil) })},
		{"nothing is removed if something is put", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			if len(put) > 0 {
				remove = nil
			}
			return b.Store.SavePush(ctx, put, remove)
		})},
		{"only the first is put", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			return b.Store.SavePush(ctx, put[:min(1, len(put))], remove)
		})},
		{"Seen never goes back", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			old, err := loadPush(ctx, b.Store)
			if err != nil {
				return err
			}
			put = slices.DeleteFunc(slices.Clone(put), func(d presence.PushDevice) bool {
				return slices.ContainsFunc(old, func(o presence.PushDevice) bool { return o.PushKey == d.PushKey && o.Seen > d.Seen })
			})
			return b.Store.SavePush(ctx, put, remove)
		})},
		{"a remove of what is not there fails", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			old, err := loadPush(ctx, b.Store)
			for _, k := range remove {
				if !slices.ContainsFunc(old, func(o presence.PushDevice) bool { return o.PushKey == k }) {
					return errors.New("not there")
				}
			}
			return errors.Join(err, b.Store.SavePush(ctx, put, remove))
		})},
		{"put before removed, in two steps", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			for i := range put {
				if err := b.Store.SavePush(ctx, put[i:i+1], nil); err != nil {
					return err
				}
				for range 100 { // until somebody has looked, as good as always
					runtime.Gosched()
				}
			}
			return b.Store.SavePush(ctx, nil, remove)
		})},
		{"the context is not looked at", saves(func(b *bent, ctx ctxT, put devicesT, remove keysT) error {
			return errors.Join(b.Store.SavePush(context.WithoutCancel(ctx), put, remove), ctx.Err())
		})},
		{"the slices are read after the return", func(b *bent) {
			var late func() error
			b.onSavePush = func(ctx ctxT, put devicesT, remove keysT) error {
				late = func() error { return b.Store.SavePush(context.Background(), put, remove) }
				return b.Store.SavePush(ctx, put, remove)
			}
			b.onLoadPush = func(ctx ctxT, each eachT) error {
				if late != nil {
					_ = late()
				}
				return b.Store.LoadPush(ctx, each)
			}
		}},
		{"a delete removes devices", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				old, err := loadPush(ctx, b.Store)
				for _, d := range old {
					if d.SDKAppID == app && slices.Contains(ids, d.UserID) {
						err = errors.Join(err, b.Store.SavePush(ctx, nil, keysT{d.PushKey}))
					}
				}
				if err != nil {
					return nil, err
				}
				return b.Store.Delete(ctx, app, ids, at)
			}
		}},
		{"Apps share their devices", pushKeyed(func(k *presence.PushKey) { k.SDKAppID = mainApp })},
		{"the App's number is three bytes", pushKeyed(func(k *presence.PushKey) { k.SDKAppID &= 0xffffff })},
		{"the Platform does not count", pushKeyed(func(k *presence.PushKey) { k.Platform = presence.IPhone })},
		{"the InstanceID does not count", pushKeyed(func(k *presence.PushKey) { k.InstanceID = "i" })},
		{"InstanceIDs are cut", pushKeyed(func(k *presence.PushKey) { k.InstanceID = k.InstanceID[:min(len(k.InstanceID), 32)] })},
		{"case does not count", pushKeyed(func(k *presence.PushKey) { k.UserID = account.UserID(strings.ToLower(string(k.UserID))) })},
		{"keys are glued with a bar", pushKeyed(func(k *presence.PushKey) {
			parts := strings.SplitN(strings.Join([]string{string(k.UserID), string(k.Platform), k.InstanceID}, "|"), "|", 3)
			k.UserID, k.Platform, k.InstanceID = account.UserID(parts[0]), presence.Platform(parts[1]), parts[2]
		})},
	}
}

func loadPushMutants() []mutant {
	loads := func(change func(b *bent, ctx ctxT, each eachT) error) func(b *bent) {
		return func(b *bent) {
			b.onLoadPush = func(ctx ctxT, each eachT) error { return change(b, ctx, each) }
		}
	}
	return []mutant{
		{"each's error is lost", loads(func(b *bent, ctx ctxT, each eachT) error {
			stopped := false
			_ = b.Store.LoadPush(ctx, func(d presence.PushDevice) error {
				if !stopped {
					stopped = each(d) != nil
				}
				return nil
			})
			return nil
		})},
		{"each's error does not stop it", loads(func(b *bent, ctx ctxT, each eachT) error {
			var refused error
			err := b.Store.LoadPush(ctx, func(d presence.PushDevice) error {
				refused = errors.Join(refused, each(d))
				return nil
			})
			return errors.Join(refused, err)
		})},
		{"it reads what is there as it comes to it", loads(func(b *bent, ctx ctxT, each eachT) error {
			return b.Store.LoadPush(ctx, func(d presence.PushDevice) error {
				now, err := loadPush(ctx, b.Store)
				if err != nil || !slices.Contains(now, d) {
					return err
				}
				return each(d)
			})
		})},
		{"a device is shown twice", loads(func(b *bent, ctx ctxT, each eachT) error {
			first := true
			return b.Store.LoadPush(ctx, func(d presence.PushDevice) error {
				if first {
					first = false
					if err := each(d); err != nil {
						return err
					}
				}
				return each(d)
			})
		})},
		{"no more than a thousand", loads(func(b *bent, ctx ctxT, each eachT) error {
			n := 0
			return b.Store.LoadPush(ctx, func(d presence.PushDevice) error {
				if n++; n > 1000 {
					return nil
				}
				return each(d)
			})
		})},
		{"the context is not looked at", loads(func(b *bent, ctx ctxT, each eachT) error {
			return b.Store.LoadPush(context.WithoutCancel(ctx), each)
		})},
	}
}
