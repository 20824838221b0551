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
	UserID       string
	Status       string         // Online, PushOnline or Offline
	CustomStatus string         // if asked for: what the account says of itself
	Devices      []DeviceStatus // if asked for: those that are not Offline
}

// DeviceStatus is the status of an account on one platform, or of one device.
type DeviceStatus struct {
	Platform   string // such as iPhone, Android, Web, PC
	Status     string // Online or PushOnline
	InstanceID string `json:"Instid,omitempty"` // which device it is, if asked for
}

// AccountError says why an account of a query has no answer.
type AccountError struct {
	UserID string
	Code   int
}

// StatusRequest names up to 500 accounts and says what is wanted beside their status.
type StatusRequest struct {
	UserIDs []string
	// Detail asks for AccountStatus.Devices, one for each platform of the account.
	Detail bool
	// Instances asks for AccountStatus.Devices too, one for each device, with its
	// InstanceID. An older service does not know it, and answers as without.
	Instances bool
	// CustomStatus asks for AccountStatus.CustomStatus; likewise.
	CustomStatus bool
}

// Status asks for the status of accounts. It is no error if no account has one.
func (c *Client) Status(ctx context.Context, r StatusRequest) (OnlineStatus, error) {
	return c.queryStatus(ctx, cmdQueryOnlineStatus, r)
}

// QueryOnlineStatus is Status for those who want the status alone, or with detail that of
// each platform.
func (c *Client) QueryOnlineStatus(ctx context.Context, userIDs []string, detail bool) (OnlineStatus, error) {
	return c.queryStatus(ctx, cmdQueryOnlineStatus, StatusRequest{UserIDs: userIDs, Detail: detail})
}

// QueryState is QueryOnlineStatus by the older command, which hosted services keep for
// older clients.
func (c *Client) QueryState(ctx context.Context, userIDs []string, detail bool) (OnlineStatus, error) {
	return c.queryStatus(ctx, cmdQueryState, StatusRequest{UserIDs: userIDs, Detail: detail})
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
	Account      string `json:"To_Account"`
	Status       string
	State        string
	CustomStatus string
	Detail       []DeviceStatus
}

func (r StatusRequest) body() []byte {
	body := append(make([]byte, 0, sizeOf(r.UserIDs, len(`"",`))), `{"To_Account":`...)
	body = appendNames(body, r.UserIDs)
	if r.Detail {
		body = append(body, `,"IsNeedDetail":1`...)
	}
	if r.Instances {
		body = append(body, `,"IsReturnInstid":1`...)
	}
	if r.CustomStatus {
		body = append(body, `,"IsReturnCustomStatus":1`...)
	}
	return append(body, '}')
}

func (c *Client) queryStatus(ctx context.Context, command string, r StatusRequest) (OnlineStatus, error) {
	out, err := do[statusReply](ctx, c, command, r.body())
	// A query of which every account failed is refused, and still has the list.
	if _, refused := errors.AsType[*Error](err); err != nil && (!refused || len(out.ErrorList) == 0) {
		return OnlineStatus{}, err
	}
	return out.status(), nil
}

func (r *statusReply) status() OnlineStatus {
	var s OnlineStatus
	for _, item := range r.QueryResult {
		a := AccountStatus{UserID: item.Account, Status: item.Status, CustomStatus: item.CustomStatus, Devices: item.Detail}
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
