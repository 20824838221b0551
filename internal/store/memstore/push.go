package memstore

import (
	"context"
	"maps"
	"strings"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// SavePush implements presence.Store.
func (s *Store) SavePush(ctx context.Context, put []presence.PushDevice, remove []presence.PushKey) error {
	leave, err := s.enter(ctx, "save push")
	if err != nil {
		return err
	}
	defer leave()
	for _, k := range remove {
		delete(s.push, k)
	}
	for _, d := range put {
		k := d.PushKey
		// The strings are copied because they may be parts of a whole request.
		k.UserID = account.UserID(strings.Clone(string(k.UserID)))
		k.Platform = presence.Platform(strings.Clone(string(k.Platform)))
		k.InstanceID = strings.Clone(k.InstanceID)
		s.push[k] = d.Seen
	}
	return nil
}

// LoadPush implements presence.Store. It calls each without the lock.
func (s *Store) LoadPush(ctx context.Context, each func(presence.PushDevice) error) error {
	leave, err := s.enter(ctx, "load push")
	if err != nil {
		return err
	}
	push := maps.Clone(s.push)
	leave()
	for k, seen := range push {
		if err := each(presence.PushDevice{PushKey: k, Seen: seen}); err != nil {
			return err
		}
	}
	return nil
}
