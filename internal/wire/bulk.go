package wire

import (
	"strconv"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// Lines of the answers of bulk_import and bulk_export, extensions of Muster's. The last line
// of an answer is the Envelope, written by AppendReply.

// BulkCount is how far a bulk import has come: all rows up to Rows are decided and durable,
// and so many of those that this call looked at were created, and so on. It is the Reply of
// bulk_import too.
type BulkCount struct {
	Rows                                        int64
	Created, Existed, Updated, Repeated, Failed int64
}

func (b BulkCount) appendMembers(dst []byte) []byte {
	dst = appendNumber(dst, "Rows", b.Rows)
	dst = appendNumber(append(dst, ','), "Created", b.Created)
	dst = appendNumber(append(dst, ','), "Existed", b.Existed)
	dst = appendNumber(append(dst, ','), "Updated", b.Updated)
	dst = appendNumber(append(dst, ','), "Repeated", b.Repeated)
	return appendNumber(append(dst, ','), "Failed", b.Failed)
}

func (b BulkCount) appendFields(dst []byte) []byte { return b.appendMembers(append(dst, ',')) }

// AppendProgress appends the line that says how far an import has come.
func AppendProgress(dst []byte, b BulkCount) []byte {
	dst = b.appendMembers(append(dst, `{"Progress":{`...))
	return append(dst, '}', '}', '\n')
}

// AppendRowFailure appends the line about a row that was not imported. id is empty if the
// row could not be read.
func AppendRowFailure(dst []byte, row int64, id string, err *errcode.Error) []byte {
	dst = appendNumber(append(dst, '{'), "Row", row)
	dst = append(dst, `,"UserID":`...)
	dst = append(appendString(dst, id), ',')
	dst = appendResult(dst, err)
	return append(dst, '}', '\n')
}

// AppendExported appends the line of an exported account, which DecodeRow reads. ValidFrom,
// Nick and FaceUrl are left out if the account has none.
func AppendExported(dst []byte, a *account.Account) []byte {
	dst = append(dst, `{"UserID":`...)
	dst = appendString(dst, string(a.UserID))
	dst = append(dst, `,"TinyID":"`...)
	dst = strconv.AppendUint(dst, uint64(a.TinyID), 10)
	dst = append(dst, `","Created":`...)
	dst = strconv.AppendInt(dst, a.Created, 10)
	if a.ValidFrom != 0 {
		dst = appendNumber(append(dst, ','), "ValidFrom", a.ValidFrom)
	}
	if a.Profile.Nick != "" {
		dst = appendString(append(dst, `,"Nick":`...), a.Profile.Nick)
	}
	if a.Profile.FaceURL != "" {
		dst = appendString(append(dst, `,"FaceUrl":`...), a.Profile.FaceURL)
	}
	return append(dst, '}', '\n')
}

// ExportReply is the Reply of bulk_export: how many accounts stand before it.
type ExportReply struct{ Rows int64 }

func (r ExportReply) appendFields(dst []byte) []byte {
	return appendNumber(append(dst, ','), "Rows", r.Rows)
}

// Export is the body of bulk_export.
type Export struct {
	After account.UserID // the last name that is not wanted; "" for all
	Limit int64          // how many accounts at the most; 0 for all
}

// DecodeExport reads the body of bulk_export: After and Limit, both optional. Errors: 70402
// for a wrong type, a negative Limit, or an After that can be no name.
func DecodeExport(body []byte) (Export, error) {
	var e Export
	err := decode(body, func(s *scanner, field string) *errcode.Error {
		switch field {
		case "After":
			after, fault := s.textField(field)
			e.After = account.UserID(after)
			if err := e.After.Validate(); fault == nil && after != "" && err != nil {
				fault = errcode.Newf(errcode.BadParam, "After: %v", err)
			}
			return fault
		case "Limit":
			n, err := strconv.ParseInt(s.raw(), 10, 64)
			if e.Limit = n; err != nil || n < 0 {
				return errcode.Newf(errcode.BadParam, "Limit must be an integer that is not negative")
			}
		default:
			s.skip()
		}
		return nil
	})
	return e, err
}

// BulkQuery is what bulk_import reads of a request's URL beside Query.
type BulkQuery struct {
	From        int64 // the number of rows to skip
	KeepTinyIDs bool
}

// ParseBulkQuery reads from and keep_tinyids. Errors: 70402 if one of them is not what it
// should be.
func ParseBulkQuery(raw string) (q BulkQuery, err error) {
	from, keep := param(raw, "from"), param(raw, "keep_tinyids")
	if from != "" {
		if q.From, err = strconv.ParseInt(from, 10, 64); err != nil || q.From < 0 {
			return BulkQuery{}, errcode.Newf(errcode.BadParam, "from must be a number of rows")
		}
	}
	if keep != "" {
		if q.KeepTinyIDs, err = strconv.ParseBool(keep); err != nil {
			return BulkQuery{}, errcode.Newf(errcode.BadParam, "keep_tinyids must be 1 or 0")
		}
	}
	return q, nil
}
