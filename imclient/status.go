package imclient

import (
	"context"
	"errors"
)

// The two commands that ask for the online status (im-rest-api.md, section 2.6).
const (
	cmdQueryOnlineStatus = "openim/query_online_status"
	cmdQueryState        = "openim/querystate"
)

// The values of a status.
const (
	Online     = "Online"     // a device is connected
	PushOnline = "PushOnline" // no device is, but one can be reached by push
	Offline    = "Offline"
)

// OnlineStatus is the answer of a status query: every account of the request is in one
// of the two lists, in order.
type OnlineStatus struct {
	Accounts []AccountStatus
	Errors   []AccountError // such as 70107, the account is not imported
}

// AccountStatus is the status of one account.
type AccountStatus struct {
	UserID  string
	Status  string         // Online, PushOnline or Offline
	Devices []DeviceStatus // if asked for
}

// DeviceStatus is the status of an account on one platform.
type DeviceStatus struct {
	Platform string // such as iPhone, Android, Web, Windows
	Status   string
}

// AccountError says why an account of a query has no answer.
type AccountError struct {
	UserID string
	Code   int
}

// QueryOnlineStatus asks for the status of up to 500 accounts; detail adds that of each
// device. It is no error if no account has a status.
func (c *Client) QueryOnlineStatus(ctx context.Context, userIDs []string, detail bool) (OnlineStatus, error) {
	return c.queryStatus(ctx, cmdQueryOnlineStatus, userIDs, detail)
}

// QueryState is QueryOnlineStatus by the older command, which hosted services keep for
// older clients.
func (c *Client) QueryState(ctx context.Context, userIDs []string, detail bool) (OnlineStatus, error) {
	return c.queryStatus(ctx, cmdQueryState, userIDs, detail)
}

// statusReply has State in the older command where the newer one has Status; some
// services send both.
type statusReply struct {
	envelope
	QueryResult []statusItem
	ErrorList   []struct {
		Account string `json:"To_Account"`
		Code    int    `json:"ErrorCode"`
	}
}

type statusItem struct {
	Account string `json:"To_Account"`
	Status  string
	State   string
	Detail  []DeviceStatus
}

func (c *Client) queryStatus(ctx context.Context, command string, userIDs []string, detail bool) (OnlineStatus, error) {
	body := append(make([]byte, 0, sizeOf(userIDs, len(`"",`))), `{"To_Account":`...)
	body = appendNames(body, userIDs)
	if detail {
		body = append(body, `,"IsNeedDetail":1`...)
	}
	out, err := do[statusReply](ctx, c, command, append(body, '}'))
	// A query of which every account failed is refused, and still has the list.
	if _, refused := errors.AsType[*Error](err); err != nil && (!refused || len(out.ErrorList) == 0) {
		return OnlineStatus{}, err
	}
	return out.status(), nil
}

func (r *statusReply) status() OnlineStatus {
	var s OnlineStatus
	for _, item := range r.QueryResult {
		a := AccountStatus{UserID: item.Account, Status: item.Status, Devices: item.Detail}
		if a.Status == "" {
			a.Status = item.State
		}
		s.Accounts = append(s.Accounts, a)
	}
	for _, item := range r.ErrorList {
		s.Errors = append(s.Errors, AccountError{UserID: item.Account, Code: item.Code})
	}
	return s
}
