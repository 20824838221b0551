package wire

import (
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// MaxProfileTags is how many tags one portrait_set or portrait_get may name. The
// documents set no limit; without one a reply of 100 accounts would have no bound.
const MaxProfileTags = 100

// notFound stands in for the name of an account that is not imported (im-rest-api.md,
// section 2.7).
const notFound = "@TLS#NOT_FOUND"

// PortraitSet is the body of portrait_set (section 6.6).
type PortraitSet struct {
	UserID account.UserID // From_Account
	// Items is ProfileItem, 1 to MaxProfileTags. A Value is the JSON text as it stood in
	// the body, not yet judged.
	Items []account.Attr
}

// DecodePortraitSet reads the body of portrait_set. Errors: 40001 for a wrong shape.
func DecodePortraitSet(body []byte) (PortraitSet, error) {
	var req PortraitSet
	var hasID, hasItems bool
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "From_Account":
			var name string
			name, hasID = s.str()
			if !hasID {
				return profileFault("From_Account must be a string")
			}
			req.UserID = account.UserID(name)
		case "ProfileItem":
			hasItems = true
			req.Items, fault = s.profileItems()
		default:
			s.skip()
		}
		return fault
	})
	switch {
	case err != nil:
		return PortraitSet{}, err
	case !hasID:
		return PortraitSet{}, profileFault("From_Account is missing")
	case !hasItems:
		return PortraitSet{}, profileFault("ProfileItem is missing")
	}
	return req, nil
}

func (s *scanner) profileItems() (items []account.Attr, fault *errcode.Error) {
	n, ok, fault := s.list(MaxProfileTags, func(i int) *errcode.Error {
		item, fault := s.profileItem(i)
		items = append(items, item)
		return fault
	})
	switch {
	case !ok:
		return nil, profileFault("ProfileItem must be an array")
	case n == 0:
		return nil, profileFault("ProfileItem is empty")
	case n > MaxProfileTags:
		return nil, profileFault("ProfileItem has more than %d elements", MaxProfileTags)
	}
	return items, fault
}

func (s *scanner) profileItem(i int) (item account.Attr, fault *errcode.Error) {
	if s.kind() != '{' {
		s.skip()
		return item, profileFault("ProfileItem[%d] must be an object", i)
	}
	var hasTag, hasValue bool
	s.token()
	for s.next() {
		switch field, _ := s.str(); field {
		case "Tag":
			item.Tag, hasTag = s.str()
		case "Value":
			// null stays null here, and is judged as a value of the wrong type.
			item.Value, hasValue = s.raw(), true
		default:
			s.skip()
		}
	}
	switch {
	case !hasTag:
		return item, profileFault("ProfileItem[%d].Tag must be a string", i)
	case !hasValue:
		return item, profileFault("ProfileItem[%d].Value is missing", i)
	}
	return item, nil
}

// PortraitGet is the body of portrait_get.
type PortraitGet struct {
	UserIDs []account.UserID // To_Account, 1 to account.MaxBatch
	Tags    []string         // TagList, 1 to MaxProfileTags, not yet judged
}

// DecodePortraitGet reads the body of portrait_get. Errors: 40002 if To_Account is
// missing or empty, 40001 for any other wrong shape.
func DecodePortraitGet(body []byte) (PortraitGet, error) {
	var req PortraitGet
	var hasTags bool
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "To_Account":
			req.UserIDs, fault = profileStrings[account.UserID](s, field, account.MaxBatch)
		case "TagList":
			hasTags = true
			req.Tags, fault = profileStrings[string](s, field, MaxProfileTags)
		default:
			s.skip()
		}
		return fault
	})
	switch {
	case err != nil:
		return PortraitGet{}, err
	case len(req.UserIDs) == 0:
		return PortraitGet{}, errcode.New(errcode.ProfileNoTarget)
	case !hasTags:
		return PortraitGet{}, profileFault("TagList is missing")
	case len(req.Tags) == 0:
		return PortraitGet{}, profileFault("TagList is empty")
	}
	return req, nil
}

// profileStrings reads an array of strings, of at most limit elements.
func profileStrings[T ~string](s *scanner, field string, limit int) ([]T, *errcode.Error) {
	list := make([]T, 0, s.capacity(limit))
	n, ok, fault := s.list(limit, func(i int) *errcode.Error {
		text, ok := s.str()
		if !ok {
			return profileFault("%s[%d] must be a string", field, i)
		}
		list = append(list, T(text))
		return nil
	})
	switch {
	case !ok:
		return nil, profileFault("%s must be an array of strings", field)
	case n > limit:
		return nil, profileFault("%s has more than %d elements", field, limit)
	}
	return list, fault
}

func profileFault(format string, args ...any) *errcode.Error {
	return detailed(errcode.ProfileBadParam, format, args...)
}

// Portrait is the answer for one account of portrait_get.
type Portrait struct {
	UserID account.UserID
	Items  []account.Attr // Values are valid JSON text
	Err    *errcode.Error // why there are no Items
}

// PortraitReply is the answer of portrait_get: one item for each name, in order.
//
// An account that is not imported has the sentinel name @TLS#NOT_FOUND in its item, as
// the hosted service has; Fail_Account, which is there only if an account failed, has the names
// as they were asked for, each once.
type PortraitReply []Portrait

func (r PortraitReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"UserProfileItem":[`...)
	failed := false
	for i, p := range r {
		dst = appendComma(dst, i == 0)
		dst = p.append(dst)
		failed = failed || p.Err != nil
	}
	dst = append(dst, ']')
	if !failed {
		return dst
	}
	dst = append(dst, `,"Fail_Account":[`...)
	first := true
	for i, p := range r {
		if p.Err == nil || r[:i].failed(p.UserID) {
			continue
		}
		dst = appendComma(dst, first)
		dst = appendString(dst, string(p.UserID))
		first = false
	}
	return append(dst, ']')
}

func (r PortraitReply) failed(id account.UserID) bool {
	for _, p := range r {
		if p.Err != nil && p.UserID == id {
			return true
		}
	}
	return false
}

func (p Portrait) append(dst []byte) []byte {
	name := string(p.UserID)
	if p.Err != nil {
		name = notFound
	}
	dst = append(dst, `{"To_Account":`...)
	dst = appendString(dst, name)
	dst = append(dst, `,"ProfileItem":[`...)
	for i, item := range p.Items {
		dst = appendComma(dst, i == 0)
		dst = append(dst, `{"Tag":`...)
		dst = appendString(dst, item.Tag)
		dst = append(dst, `,"Value":`...)
		dst = append(dst, item.Value...)
		dst = append(dst, '}')
	}
	dst = append(dst, `],`...)
	dst = appendResult(dst, p.Err)
	return append(dst, '}')
}
