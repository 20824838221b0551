package imclient

// matchChecked reads the reply of account_check that has for each of userIDs, in order,
// a result without a fault, spelled as Muster does. It is many times as fast as
// encoding/json and takes no memory beyond the result. For any other reply ok is false,
// and encoding/json has to read it.
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
	return checked, m.cut(`]}`) && len(m.rest) == 0
}

// matcher walks text that is expected to be one certain text.
type matcher struct{ rest []byte }

// cut drops text from the front of what remains and reports whether it was there.
func (m *matcher) cut(text string) bool {
	if len(m.rest) < len(text) || string(m.rest[:len(text)]) != text {
		return false
	}
	m.rest = m.rest[len(text):]
	return true
}
