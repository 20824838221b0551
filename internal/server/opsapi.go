package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
)

// accountReport is the answer of GET /ops/v1/apps/N/accounts/ID.
type accountReport struct {
	SDKAppID account.SDKAppID `json:"sdkappid"`
	UserID   account.UserID   `json:"user_id"`
	// TinyID is a string, because it may be too large for a number of JavaScript's.
	TinyID string `json:"tiny_id"`
	// Created and ValidFrom are Unix seconds. UserSigs made at or before the second ValidFrom
	// are dead; 0 if the account was never kicked.
	Created      int64           `json:"created"`
	ValidFrom    int64           `json:"valid_from"`
	Status       presence.State  `json:"status"`
	CustomStatus string          `json:"custom_status,omitempty"`
	Sessions     []sessionReport `json:"sessions"`
	Push         []pushReport    `json:"push"` // devices that are PushOnline
}

type sessionReport struct {
	Platform    presence.Platform `json:"platform"`
	InstanceID  string            `json:"instance_id"`
	Address     string            `json:"address"`
	PushCapable bool              `json:"push_capable"`
	Since       int64             `json:"since"` // Unix seconds
}

type pushReport struct {
	Platform   presence.Platform `json:"platform"`
	InstanceID string            `json:"instance_id"`
	Seen       int64             `json:"seen"` // Unix seconds
}

// serveAccount tells the operator all that is known of one account: 400 if the SDKAppID is no
// number, 404 if there is no such App or account, 503 if the store does not answer.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.PathValue("app"), 10, 32)
	if err != nil {
		opsError(w, http.StatusBadRequest, "the SDKAppID is not a number")
		return
	}
	sdkAppID, id := account.SDKAppID(n), account.UserID(r.PathValue("id"))
	if _, ok := s.apps.Find(sdkAppID); !ok {
		opsError(w, http.StatusNotFound, "there is no such App")
		return
	}
	if !s.health.report().Ready {
		opsError(w, http.StatusServiceUnavailable, "the server is not ready")
		return
	}
	accounts, err := s.accounts.Get(r.Context(), sdkAppID, []account.UserID{id})
	if err != nil {
		opsError(w, http.StatusServiceUnavailable, opsReason(err))
		return
	}
	if !accounts[0].Exists() {
		opsError(w, http.StatusNotFound, "the account is not imported")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.reportAccount(r.Context(), sdkAppID, &accounts[0])) // if the client is gone, nobody is left to tell
}

func (s *Server) reportAccount(ctx context.Context, app account.SDKAppID, a *account.Account) accountReport {
	status, _ := s.sessions.Status(ctx, app, []account.UserID{a.UserID})
	report := accountReport{
		SDKAppID: app, UserID: a.UserID, TinyID: strconv.FormatUint(uint64(a.TinyID), 10),
		Created: a.Created, ValidFrom: a.ValidFrom,
		Status: status[0].State, CustomStatus: status[0].CustomStatus,
		Sessions: []sessionReport{}, Push: []pushReport{},
	}
	sessions, push := s.sessions.Sessions(app, a.UserID)
	for _, one := range sessions {
		report.Sessions = append(report.Sessions, sessionReport{one.Platform, one.InstanceID, one.Address, one.PushCapable, one.Since})
	}
	for _, d := range push {
		report.Push = append(report.Push, pushReport{d.Platform, d.InstanceID, d.Seen})
	}
	return report
}

func opsReason(err error) string {
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return e.Info
	}
	return "the store does not answer"
}

func opsError(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": reason}) // as above
}
