package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// SetApps replaces the Apps of a server that has been started. UserSigs that no Key of
// the new Apps signed are refused as soon as it returns. If it returns an error, nothing
// has changed.
func (s *Server) SetApps(ctx context.Context, apps []app.App) error {
	if _, err := app.NewRegistry(apps); err != nil {
		return fmt.Errorf("server: set Apps: %w", err)
	}
	if err := importAdmins(ctx, s.store, apps); err != nil {
		return fmt.Errorf("server: set Apps: %w", err)
	}
	before := s.apps.All()
	if err := s.apps.Swap(apps); err != nil {
		return fmt.Errorf("server: set Apps: %w", err)
	}
	s.endSessions(ctx, before)
	s.log.InfoContext(ctx, "Apps replaced", slog.Int("apps", len(apps)))
	return nil
}

// endSessions ends those sessions that might not begin any more: of an App that is gone or
// disabled, or that has lost a Key. Their devices log in again, and are told if they cannot.
func (s *Server) endSessions(ctx context.Context, before []*app.App) {
	for _, old := range before {
		now, ok := s.apps.Find(old.SDKAppID)
		lost := !ok || now.Disabled || slices.ContainsFunc(old.Keys, func(k app.Key) bool { return !slices.Contains(now.Keys, k) })
		if !lost {
			continue
		}
		if n := s.sessions.EndApp(old.SDKAppID); n > 0 {
			s.log.InfoContext(ctx, "sessions ended, since their App changed",
				slog.Uint64("sdkappid", uint64(old.SDKAppID)), slog.Int("sessions", n))
		}
	}
}

// importAdmins makes the admins of each App accounts, which costs nothing where they are
// already. They go past the quota, which does not count them.
func importAdmins(ctx context.Context, accounts account.Store, apps []app.App) error {
	for _, a := range apps {
		batch := account.Batch{At: time.Now().Unix(), Entries: make([]account.Entry, len(a.Admins))}
		for i, admin := range a.Admins {
			batch.Entries[i].UserID = admin
		}
		ctx, cancel := context.WithTimeout(ctx, account.StoreTimeout)
		_, err := accounts.Import(ctx, a.SDKAppID, batch)
		cancel()
		if err != nil {
			return fmt.Errorf("import the admins of App %d: %w", a.SDKAppID, err)
		}
	}
	return nil
}
