package imclient

import (
	"math"
	"unicode/utf8"
)

// What Muster sends most is matched against the text that it is expected to be, which is
// many times as fast as encoding/json and takes no memory beyond the result. Whatever
// does not match, encoding/json has to read.

// accepted is the reply of a command that has only the envelope.
const accepted = `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`

// matchImported reads the reply of multiaccount_import that has no account which failed
// and no items.
func matchImported(reply []byte) (count *ImportCount, ok bool) {
	m := matcher{rest: reply}
	if !m.cut(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]`) {
		return nil, false
	}
	if m.cut(`}`) {
		return nil, m.end()
	}
	var n ImportCount
	if !m.cut(`,"Count":{"Created":`) || !m.integer(&n.Created) ||
		!m.cut(`,"Existed":`) || !m.integer(&n.Existed) ||
		!m.cut(`,"Updated":`) || !m.integer(&n.Updated) ||
		!m.cut(`,"Duplicate":`) || !m.integer(&n.Duplicate) ||
		!m.cut(`,"Failed":`) || !m.integer(&n.Failed) || !m.cut(`}}`) || !m.end() {
		return nil, false
	}
	return &n, true
}

// matchChecked reads the reply of account_check that has for each of userIDs, in order,
// a result without a fault.
func matchChecked(reply []byte, userIDs []string) (checked []Checked, ok bool) {
	m := matcher{rest: reply}
	if !m.cut(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[`) {
		return nil, false
	}
	checked = make([]Checked, len(userIDs))
	for i, id := range userIDs {
		if i > 0 && !m.cut(`,`) {
			return nil, false
		}
		if !plain(id) || !m.cut(`{"UserID":"`) || !m.cut(id) || !m.cut(`","ResultCode":0,"ResultInfo":"","AccountStatus":"`) {
			return nil, false
		}
		checked[i].UserID = id
		checked[i].Imported = m.cut(`Imported"}`)
		if !checked[i].Imported && !m.cut(`NotImported"}`) {
			return nil, false
		}
	}
	return checked, m.cut(`]}`) && m.end()
}

// matchResults reads a reply, such as that of account_delete, that has a result for each of
// userIDs, in order.
func matchResults(reply []byte, userIDs []string) (results []Result, ok bool) {
	m := matcher{rest: reply}
	if !m.cut(`{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[`) {
		return nil, false
	}
	results = make([]Result, len(userIDs))
	for i, id := range userIDs {
		if i > 0 && !m.cut(`,`) {
			return nil, false
		}
		r := &results[i]
		if !plain(id) || !m.cut(`{"ResultCode":`) || !m.integer(&r.Code) || !m.cut(`,"ResultInfo":`) || !m.text(&r.Info) ||
			!m.cut(`,"UserID":"`) || !m.cut(id) || !m.cut(`"}`) {
			return nil, false
		}
		r.UserID = id
	}
	return results, m.cut(`]}`) && m.end()
}

// matchFailure reads a line about a row that bulk_import did not import.
func matchFailure(line []byte) (f BulkFailure, ok bool) {
	m := matcher{rest: line}
	ok = m.cut(`{"Row":`) && m.long(&f.Row) && m.cut(`,"UserID":`) && m.text(&f.UserID) &&
		m.cut(`,"ResultCode":`) && m.integer(&f.Code) && m.cut(`,"ResultInfo":`) && m.text(&f.Info) &&
		m.cut(`}`) && m.end()
	return f, ok
}

// matchExported reads an account as bulk_export spells it.
func matchExported(line []byte) (e Exported, ok bool) {
	m := matcher{rest: line}
	ok = m.cut(`{"UserID":`) && m.text(&e.UserID) && m.cut(`,"TinyID":"`) && m.number(&e.TinyID) &&
		m.cut(`","Created":`) && m.long(&e.Created) &&
		(!m.cut(`,"ValidFrom":`) || m.long(&e.ValidFrom)) &&
		(!m.cut(`,"Nick":`) || m.text(&e.Nick)) &&
		(!m.cut(`,"FaceUrl":`) || m.text(&e.FaceURL)) &&
		m.cut(`}`) && m.end()
	return e, ok
}

// matcher walks text that is expected to be one certain text. Each of its methods drops
// something from the front of what remains and reports whether it was there.
type matcher struct{ rest []byte }

func (m *matcher) cut(text string) bool {
	if len(m.rest) < len(text) || string(m.rest[:len(text)]) != text {
		return false
	}
	m.rest = m.rest[len(text):]
	return true
}

func (m *matcher) end() bool { return len(m.rest) == 0 }

// number reads an integer that is not negative.
func (m *matcher) number(out *uint64) bool {
	var n uint64
	i := 0
	for ; i < len(m.rest); i++ {
		d := uint64(m.rest[i]) - '0'
		if d > 9 {
			break
		}
		if i >= 19 && n > (math.MaxUint64-d)/10 { // 19 digits fit
			return false
		}
		n = n*10 + d
	}
	if i == 0 || (i > 1 && m.rest[0] == '0') { // JSON has no such number
		return false
	}
	*out = n
	m.rest = m.rest[i:]
	return true
}

func (m *matcher) long(out *int64) bool {
	var n uint64
	if !m.number(&n) || n > math.MaxInt64 {
		return false
	}
	*out = int64(n)
	return true
}

func (m *matcher) integer(out *int) bool {
	var n uint64
	if !m.number(&n) || n > math.MaxInt {
		return false
	}
	*out = int(n)
	return true
}

// text reads a JSON string that has no escapes.
func (m *matcher) text(out *string) bool {
	if !m.cut(`"`) {
		return false
	}
	ascii := true
	for i, c := range m.rest {
		switch {
		case c == '"':
			if !ascii && !utf8.Valid(m.rest[:i]) {
				return false
			}
			*out = string(m.rest[:i])
			m.rest = m.rest[i+1:]
			return true
		case c < ' ' || c == '\\':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return false
}
