package wire

import (
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// DecodeCheck reads the body of account_check (im-rest-api.md, section 2.4):
// CheckItem, 1 to account.MaxBatch objects with a UserID.
//
// Errors: 70402 for a wrong shape, 60015 if a name is no string.
func DecodeCheck(body []byte) ([]account.UserID, error) {
	return decodeItems(body, "CheckItem")
}

// DecodeDelete reads the body of account_delete (section 2.3): DeleteItem, shaped as
// CheckItem is.
func DecodeDelete(body []byte) ([]account.UserID, error) {
	return decodeItems(body, "DeleteItem")
}

func decodeItems(body []byte, list string) ([]account.UserID, error) {
	var ids []account.UserID
	found := false
	err := decode(body, func(s *scanner, field string) *errcode.Error {
		if field != list {
			s.skip()
			return nil
		}
		found = true
		ids = make([]account.UserID, 0, s.capacity(account.MaxBatch))
		n, ok, fault := s.list(account.MaxBatch, func(i int) *errcode.Error {
			id, fault := s.member(list, i, nil)
			ids = append(ids, id)
			return fault
		})
		if outside := listFault(list, n, ok); outside != nil {
			return outside
		}
		return fault
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errcode.Newf(errcode.BadParam, "%s is missing", list)
	}
	return ids, nil
}

// DecodeMultiKick reads the body of muster/multi_kick, which the hosted service does not
// have: UserIDs, 1 to account.MaxBatch names.
//
// Errors: 70402 for a wrong shape, 60015 if a name is no string.
func DecodeMultiKick(body []byte) ([]account.UserID, error) {
	const list = "UserIDs"
	var ids []account.UserID
	err := decode(body, func(s *scanner, field string) *errcode.Error {
		if field != list {
			s.skip()
			return nil
		}
		ids = make([]account.UserID, 0, s.capacity(account.MaxBatch))
		n, ok, fault := s.list(account.MaxBatch, func(i int) *errcode.Error {
			name, ok := s.str()
			if !ok {
				return errcode.Newf(errcode.UserIDNotString, "%s[%d] must be a string", list, i)
			}
			ids = append(ids, account.UserID(name))
			return nil
		})
		if outside := listFault(list, n, ok); outside != nil {
			return outside
		}
		return fault
	})
	switch {
	case err != nil:
		return nil, err
	case ids == nil:
		return nil, errcode.Newf(errcode.BadParam, "%s is missing", list)
	}
	return ids, nil
}

// member reads element i of a list of objects that have a UserID. other is called for
// the fields beside it and must consume their value; nil skips them.
func (s *scanner) member(list string, i int, other func(field string) *errcode.Error) (id account.UserID, fault *errcode.Error) {
	if s.kind() != '{' {
		s.skip()
		return "", errcode.Newf(errcode.BadParam, "%s[%d] must be an object", list, i)
	}
	found := false
	s.token()
	for s.next() {
		field, _ := s.str()
		switch {
		case fault != nil || s.kind() == 'n':
			s.skip()
		case field == "UserID":
			text, ok := s.str()
			if !ok {
				fault = errcode.Newf(errcode.UserIDNotString, "%s[%d].UserID must be a string", list, i)
			}
			id, found = account.UserID(text), true
		case other != nil:
			fault = other(field)
		default:
			s.skip()
		}
	}
	if fault == nil && !found {
		fault = errcode.Newf(errcode.BadParam, "%s[%d].UserID is missing", list, i)
	}
	return id, fault
}

// CheckReply is the answer of account_check: one item for each name, in order. A name
// that is not imported is no failure (ResultCode 0); one that never can be has 70402.
type CheckReply []account.Checked

func (r CheckReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"ResultItem":[`...)
	for i, c := range r {
		dst = appendComma(dst, i == 0)
		dst = append(dst, `{"UserID":`...)
		dst = appendString(dst, string(c.UserID))
		dst = append(dst, ',')
		dst = appendResult(dst, c.Err)
		if c.Imported {
			dst = append(dst, `,"AccountStatus":"Imported"}`...)
		} else {
			dst = append(dst, `,"AccountStatus":"NotImported"}`...)
		}
	}
	return append(dst, ']')
}

// ResultReply is the answer of account_delete and muster/multi_kick: one item for each name,
// in order.
type ResultReply struct {
	UserIDs []account.UserID
	Errs    []*errcode.Error // aligned with UserIDs; nil if the account was deleted or kicked
}

func (r ResultReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"ResultItem":[`...)
	for i, id := range r.UserIDs {
		dst = appendComma(dst, i == 0)
		dst = append(dst, '{')
		dst = appendResult(dst, r.Errs[i])
		dst = append(dst, `,"UserID":`...)
		dst = appendString(dst, string(id))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
