package server

import (
	"time"

	"github.com/muster-im/muster/internal/presence"
	"github.com/muster-im/muster/internal/webhook"
)

// stateChanges tells App's backends what presence is told, in the words of
// State.StateChange (im-rest-api.md, section 7).
type stateChanges struct{ sender *webhook.Sender }

// Changed implements presence.Observer.
func (s stateChanges) Changed(c presence.Change) {
	change := webhook.StateChange{
		SDKAppID:     c.SDKAppID,
		UserID:       c.UserID,
		At:           time.UnixMilli(c.At),
		OptPlatform:  webhook.RESTAPI,
		CustomStatus: c.CustomStatus,
	}
	if c.Session != nil {
		change.OptPlatform, change.ClientIP = string(c.Session.Platform), c.Session.Address
	}
	switch c.Action {
	case presence.Login:
		change.Action, change.Reason = webhook.Login, webhook.Register
		for _, d := range c.PutOut {
			change.Kicked = append(change.Kicked, string(d.Platform))
		}
	case presence.Leave:
		change.Action, change.Reason = leaving(c.Cause)
	case presence.Kick:
		change.Action, change.Reason = webhook.Logout, webhook.OpenKickInstance
	case presence.SetCustomStatus:
		change.Action, change.Reason = webhook.CustomStatusChange, webhook.SetCustomStatus
	}
	s.sender.StateChanged(change)
}

func leaving(cause presence.Cause) (webhook.Action, webhook.Reason) {
	switch cause {
	case presence.LoggedOut:
		return webhook.Logout, webhook.Unregister
	case presence.TimedOut:
		return webhook.Disconnect, webhook.TimeOut
	default:
		return webhook.Disconnect, webhook.LinkClose
	}
}
