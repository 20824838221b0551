package wire

import (
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// MaxStatusQuery is how many accounts one status query may name (im-rest-api.md,
// section 2.6).
const MaxStatusQuery = 500

// StatusQuery is the body of querystate and query_online_status.
type StatusQuery struct {
	UserIDs      []account.UserID // 1 to MaxStatusQuery
	Detail       bool             // IsNeedDetail
	Instances    bool             // IsReturnInstid
	CustomStatus bool             // IsReturnCustomStatus
}

// DecodeStatusQuery reads a status query.
//
// Errors: 90003 if To_Account is missing or no array of strings, 90001 if it is empty or
// one of the flags is no integer, 90011 if it has more than MaxStatusQuery elements.
func DecodeStatusQuery(body []byte) (StatusQuery, error) {
	var req StatusQuery
	found := false
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "To_Account":
			found = true
			req.UserIDs, fault = s.statusNames()
		case "IsNeedDetail":
			req.Detail, fault = s.statusFlag(field)
		case "IsReturnInstid":
			req.Instances, fault = s.statusFlag(field)
		case "IsReturnCustomStatus":
			req.CustomStatus, fault = s.statusFlag(field)
		default:
			s.skip()
		}
		return fault
	})
	switch {
	case err != nil:
		return StatusQuery{}, err
	case !found:
		return StatusQuery{}, detailed(errcode.OpenIMBadFormat, "it is missing, and must be an array of strings")
	}
	return req, nil
}

func (s *scanner) statusFlag(field string) (bool, *errcode.Error) {
	on, ok := s.flag()
	if !ok {
		return false, detailed(errcode.OpenIMBadJSON, "%s must be an integer", field)
	}
	return on, nil
}

func (s *scanner) statusNames() ([]account.UserID, *errcode.Error) {
	ids := make([]account.UserID, 0, s.capacity(MaxStatusQuery))
	n, ok, fault := s.list(MaxStatusQuery, func(i int) *errcode.Error {
		name, ok := s.str()
		if !ok {
			return detailed(errcode.OpenIMBadFormat, "To_Account[%d] must be a string", i)
		}
		ids = append(ids, account.UserID(name))
		return nil
	})
	switch {
	case !ok:
		return nil, detailed(errcode.OpenIMBadFormat, "it must be an array of strings")
	case n == 0:
		return nil, detailed(errcode.OpenIMBadJSON, "To_Account is empty")
	case n > MaxStatusQuery:
		return nil, errcode.New(errcode.OpenIMTooMany)
	}
	return ids, fault
}

// AccountStatus is the answer for one account of a status query.
type AccountStatus struct {
	UserID       account.UserID
	Status       string         // Online, PushOnline or Offline; empty if Err is set
	Err          *errcode.Error // why there is no Status
	CustomStatus string
	Devices      []DeviceStatus
}

// DeviceStatus is one device, or one kind of device, of an account.
type DeviceStatus struct {
	Platform   string
	Status     string // Online or PushOnline
	InstanceID string // which device it is
}

// StatusReply is the answer of both status queries: QueryResult for the accounts that
// have a status, ErrorList for the others, each in the order of the request.
//
// The older command reads State and the newer one Status; every item has both.
type StatusReply struct {
	Accounts     []AccountStatus
	Detail       bool // adds Detail, the list of an account's Devices
	Instances    bool // adds Instid to each of Detail
	CustomStatus bool // adds CustomStatus
}

func (r StatusReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"QueryResult":[`...)
	first := true
	for i := range r.Accounts {
		if r.Accounts[i].Err != nil {
			continue
		}
		dst = appendComma(dst, first)
		dst = r.appendStatus(dst, &r.Accounts[i])
		first = false
	}
	dst = append(dst, `],"ErrorList":[`...)
	first = true
	for i := range r.Accounts {
		a := &r.Accounts[i]
		if a.Err == nil {
			continue
		}
		dst = appendComma(dst, first)
		dst = append(dst, `{"To_Account":`...)
		dst = appendString(dst, string(a.UserID))
		dst = append(dst, `,"ErrorCode":`...)
		dst = appendCode(dst, a.Err.Code)
		dst = append(dst, '}')
		first = false
	}
	return append(dst, ']')
}

func (r StatusReply) appendStatus(dst []byte, a *AccountStatus) []byte {
	dst = append(dst, `{"To_Account":`...)
	dst = appendString(dst, string(a.UserID))
	dst = append(dst, `,"Status":`...)
	dst = appendString(dst, a.Status)
	dst = append(dst, `,"State":`...)
	dst = appendString(dst, a.Status)
	if r.CustomStatus {
		dst = append(dst, `,"CustomStatus":`...)
		dst = appendString(dst, a.CustomStatus)
	}
	if r.Detail {
		dst = append(dst, `,"Detail":[`...)
		for i, d := range a.Devices {
			dst = appendComma(dst, i == 0)
			dst = r.appendDevice(dst, d)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (r StatusReply) appendDevice(dst []byte, d DeviceStatus) []byte {
	dst = append(dst, `{"Platform":`...)
	dst = appendString(dst, d.Platform)
	dst = append(dst, `,"Status":`...)
	dst = appendString(dst, d.Status)
	if r.Instances {
		dst = append(dst, `,"Instid":`...)
		dst = appendString(dst, d.InstanceID)
	}
	return append(dst, '}')
}
