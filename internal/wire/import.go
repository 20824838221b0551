package wire

import (
	"slices"
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// DecodeAccountImport reads the body of account_import (im-rest-api.md, section 2.1):
// UserID or the older Identifier (UserID wins), Nick, FaceUrl.
//
// Errors: 70402 if there is no name or Nick or FaceUrl is no string, 60015 if the name
// is no string.
func DecodeAccountImport(body []byte) (account.Entry, error) {
	var e account.Entry
	id := nameField{}
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "UserID", "Identifier":
			return id.read(s, field)
		case "Nick":
			e.Nick, fault = s.textField(field)
		case "FaceUrl":
			e.FaceURL, fault = s.textField(field)
		default:
			s.skip()
		}
		return fault
	})
	if err != nil {
		return account.Entry{}, err
	}
	if e.UserID, err = id.value(); err != nil {
		return account.Entry{}, err
	}
	return e, nil
}

// DecodeKick reads the body of kick (section 2.5): UserID, or the older Identifier.
// Errors as for DecodeAccountImport.
func DecodeKick(body []byte) (account.UserID, error) {
	id := nameField{}
	err := decode(body, func(s *scanner, field string) *errcode.Error {
		switch field {
		case "UserID", "Identifier":
			return id.read(s, field)
		default:
			s.skip()
			return nil
		}
	})
	if err != nil {
		return "", err
	}
	return id.value()
}

// nameField is the one account name of a body that may spell the field in two ways.
type nameField struct {
	name         account.UserID
	found, newer bool
}

func (f *nameField) read(s *scanner, field string) *errcode.Error {
	text, ok := s.str()
	if !ok {
		return errcode.Newf(errcode.UserIDNotString, "%s must be a string", field)
	}
	if newer := field == "UserID"; newer || !f.newer {
		f.name, f.found, f.newer = account.UserID(text), true, newer
	}
	return nil
}

func (f *nameField) value() (account.UserID, error) {
	if !f.found {
		return "", errcode.Newf(errcode.BadParam, "UserID is missing")
	}
	return f.name, nil
}

// textField reads an optional text of an account command.
func (s *scanner) textField(field string) (string, *errcode.Error) {
	text, ok := s.str()
	if !ok {
		return "", errcode.Newf(errcode.BadParam, "%s must be a string", field)
	}
	return text, nil
}

// flagField reads a field that switches something on.
func (s *scanner) flagField(field string) (bool, *errcode.Error) {
	on, ok := s.flag()
	if !ok {
		return false, errcode.Newf(errcode.BadParam, "%s must be an integer", field)
	}
	return on, nil
}

// MultiImport is the body of multiaccount_import (section 2.2).
type MultiImport struct {
	Entries []account.Entry // 1 to account.MaxBatch, in request order
	Detail  bool            // IsNeedDetail, an extension of Muster's
	Count   bool            // IsNeedCount, another
}

// DecodeMultiImport reads the body of multiaccount_import: Accounts (names) or
// AccountList (objects). If both are there AccountList alone is looked at.
//
// Errors: 70402 if neither list is there, or it is no array, is empty, has more than
// account.MaxBatch elements or an element of the wrong shape; 60015 if a name is no
// string.
func DecodeMultiImport(body []byte) (MultiImport, error) {
	var req MultiImport
	var names, objects entryList
	err := decode(body, func(s *scanner, field string) (fault *errcode.Error) {
		switch field {
		case "Accounts":
			names.read(s, field, (*scanner).nameEntry)
		case "AccountList":
			objects.read(s, field, (*scanner).objectEntry)
		case "IsNeedDetail":
			req.Detail, fault = s.flagField(field)
		case "IsNeedCount":
			req.Count, fault = s.flagField(field)
		default:
			s.skip()
		}
		return fault
	})
	if err != nil {
		return MultiImport{}, err
	}
	list := &objects
	if !objects.present {
		list = &names
	}
	switch {
	case !list.present:
		return MultiImport{}, errcode.Newf(errcode.BadParam, "Accounts or AccountList is missing")
	case list.fault != nil:
		return MultiImport{}, list.fault
	}
	req.Entries = list.entries
	return req, nil
}

// entryList is one of the two lists that an import may come in. Its fault counts only
// if this list turns out to be the one that counts.
type entryList struct {
	entries []account.Entry
	present bool
	fault   *errcode.Error
}

func (l *entryList) read(s *scanner, field string, element func(s *scanner, i int) (account.Entry, *errcode.Error)) {
	l.present = true
	l.entries = make([]account.Entry, 0, s.capacity(account.MaxBatch))
	n, ok, fault := s.list(account.MaxBatch, func(i int) *errcode.Error {
		e, fault := element(s, i)
		l.entries = append(l.entries, e)
		return fault
	})
	if outside := listFault(field, n, ok); outside != nil {
		fault = outside
	}
	if l.fault == nil {
		l.fault = fault
	}
}

// listFault judges the outside of a list of accounts.
func listFault(field string, n int, isArray bool) *errcode.Error {
	switch {
	case !isArray:
		return errcode.Newf(errcode.BadParam, "%s must be an array", field)
	case n == 0:
		return errcode.Newf(errcode.BadParam, "%s is empty", field)
	case n > account.MaxBatch:
		return errcode.Newf(errcode.BadParam, "%s has more than %d elements", field, account.MaxBatch)
	default:
		return nil
	}
}

// nameEntry reads an element of Accounts.
func (s *scanner) nameEntry(i int) (account.Entry, *errcode.Error) {
	name, ok := s.str()
	if !ok {
		return account.Entry{}, errcode.Newf(errcode.UserIDNotString, "Accounts[%d] must be a string", i)
	}
	return account.Entry{UserID: account.UserID(name)}, nil
}

// objectEntry reads an element of AccountList.
func (s *scanner) objectEntry(i int) (e account.Entry, fault *errcode.Error) {
	e.UserID, fault = s.member("AccountList", i, func(field string) *errcode.Error {
		var text *string
		switch field {
		case "Nick":
			text = &e.Nick
		case "FaceUrl":
			text = &e.FaceURL
		default:
			s.skip()
			return nil
		}
		var ok bool
		if *text, ok = s.str(); !ok {
			return errcode.Newf(errcode.BadParam, "AccountList[%d].%s must be a string", i, field)
		}
		return nil
	})
	return e, fault
}

// ImportReply is the answer of multiaccount_import.
//
// FailAccounts names every account of which an entry failed, once, in the order of the
// request. Count adds how many entries have which status, Detail adds ResultItem, with one
// item for each entry of the request.
type ImportReply struct {
	Outcomes []account.Outcome
	Count    bool
	Detail   bool
}

func (r ImportReply) appendFields(dst []byte) []byte {
	dst = append(dst, `,"FailAccounts":[`...)
	first := true
	for i, o := range r.Outcomes {
		if o.Status != account.Failed || failedBefore(r.Outcomes[:i], o.UserID) {
			continue
		}
		dst = appendComma(dst, first)
		dst = appendString(dst, string(o.UserID))
		first = false
	}
	dst = append(dst, ']')
	if r.Count {
		dst = append(appendStatusCounts(append(dst, `,"Count":{`...), r.Outcomes), '}')
	}
	if !r.Detail {
		return dst
	}
	dst = append(dst, `,"ResultItem":[`...)
	for i, o := range r.Outcomes {
		dst = appendComma(dst, i == 0)
		dst = appendOutcome(dst, o)
	}
	return append(dst, ']')
}

func appendStatusCounts(dst []byte, outcomes []account.Outcome) []byte {
	var count [account.NumStatuses]int64
	for i := range outcomes {
		count[outcomes[i].Status]++
	}
	for i, status := range []account.Status{account.Created, account.Existed, account.Updated, account.Duplicate, account.Failed} {
		dst = appendNumber(appendComma(dst, i == 0), status.String(), count[status])
	}
	return dst
}

// appendNumber appends "name":n.
func appendNumber(dst []byte, name string, n int64) []byte {
	dst = append(append(append(dst, '"'), name...), '"', ':')
	return strconv.AppendInt(dst, n, 10)
}

func failedBefore(outcomes []account.Outcome, id account.UserID) bool {
	return slices.ContainsFunc(outcomes, func(o account.Outcome) bool {
		return o.Status == account.Failed && o.UserID == id
	})
}

// appendOutcome writes one item of ResultItem. TinyID is a string, because it is wider
// than the integers of JavaScript; it is empty for an account that was not imported.
func appendOutcome(dst []byte, o account.Outcome) []byte {
	dst = append(dst, `{"UserID":`...)
	dst = appendString(dst, string(o.UserID))
	dst = append(dst, ',')
	dst = appendResult(dst, o.Err)
	dst = append(dst, `,"Status":"`...)
	dst = append(dst, o.Status.String()...)
	dst = append(dst, `","TinyID":"`...)
	if o.TinyID != 0 {
		dst = strconv.AppendUint(dst, uint64(o.TinyID), 10)
	}
	return append(dst, `"}`...)
}
