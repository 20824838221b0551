package imclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Muster's own commands.
const (
	cmdBulkImport = "muster/bulk_import"
	cmdBulkExport = "muster/bulk_export"
)

// BulkImportOptions are the options of BulkImport; the zero value imports everything.
type BulkImportOptions struct {
	From        int64 // how many rows to skip at the beginning of the body
	KeepTinyIDs bool  // heed the rows' TinyID, Created and ValidFrom

	// OnFailure is called for each row that was not imported, in order; OnProgress when
	// all rows up to some row are imported and durable, or have been told to OnFailure.
	// Both are called by BulkImport itself, and may take their time: the service waits.
	// Either may be nil.
	OnFailure  func(BulkFailure)
	OnProgress func(BulkResult)
}

// BulkFailure is a row that was not imported.
type BulkFailure struct {
	Row    int64 // counted from 1, the skipped ones too
	Result       // the UserID is empty if the row could not be read at all
}

// BulkResult is how far a bulk import has come. Rows, the skipped ones included, is the
// number of rows that are decided; the others say what became of those, since the
// beginning of the call.
type BulkResult struct {
	Rows     int64
	Created  int64
	Existed  int64
	Updated  int64
	Repeated int64 // rows with a UserID that an earlier row has
	Failed   int64
}

// BulkImport imports any number of accounts in one call. The body has a row on each
// line: a JSON string, which is a UserID, or an object such as
//
//	{"UserID":"ann","Nick":"Ann","FaceUrl":"http://…"}
//
// or a line of BulkExport. The rows are sent as they are read, and what the service says
// about them is told while that goes on.
//
// A row that fails is no error of the call. The result is that of the last progress also
// if there is an error: all up to its Rows is durable, and importing the same body again
// with that number as From goes on from there. A call is never repeated by the client:
// that would need the rows again. An error that matches none of [Error] and [ReplyError]
// tells that ctx ended, that the body could not be read, that the connection broke
// ([io.ErrUnexpectedEOF] among others), or that the service had not sent anything for two
// minutes while it was waited for.
//
// BulkImport reads the body in another goroutine, and not any more once it has returned.
// If the body is an [io.Closer] it is closed by then, also after a success. Where the call
// ends early, because ctx does or the service refuses, the Close may come while a Read
// waits, in order to make that return; those of pipes, connections and most files do. A
// Read that waits and that no Close ends holds up BulkImport: only the caller can end it.
func (c *Client) BulkImport(ctx context.Context, body io.Reader, o BulkImportOptions) (BulkResult, error) {
	up := &upload{src: body}
	defer up.stop()
	if o.From < 0 {
		return BulkResult{}, fmt.Errorf("imclient: %s: From is %d, it must not be negative", cmdBulkImport, o.From)
	}
	s, err := c.open(ctx, cmdBulkImport, up, func(sig signature) *http.Request {
		u := c.url(cmdBulkImport, sig)
		u.RawQuery += o.query()
		return &http.Request{
			Method: http.MethodPost, URL: u, Host: u.Host,
			Header: http.Header{"Content-Type": {ndjson}},
			Body:   up, ContentLength: -1,
		}
	})
	if err != nil {
		return BulkResult{}, err
	}
	defer s.close()
	return s.imported(o)
}

func (o BulkImportOptions) query() string {
	query := ""
	if o.From > 0 {
		query += "&from=" + strconv.FormatInt(o.From, 10)
	}
	if o.KeepTinyIDs {
		query += "&keep_tinyids=1"
	}
	return query
}

// importEvent is a line of the answer of bulk_import: a row that failed, a progress, or
// the envelope with the last progress. Others are for later versions.
type importEvent struct {
	envelope
	BulkResult
	Progress *BulkResult
	Row      int64
	result
}

// imported reads the answer of bulk_import.
func (s *stream) imported(o BulkImportOptions) (BulkResult, error) {
	var last BulkResult
	for {
		line, err := s.next()
		if err != nil {
			return last, err
		}
		if f, ok := matchFailure(line); ok {
			o.failed(f)
			continue
		}
		var e importEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return last, s.x.malformed("a line is not JSON: " + err.Error())
		}
		switch {
		case e.ErrorCode != nil:
			if e.Rows >= last.Rows { // else it does not say
				last = e.BulkResult
			}
			return last, s.importEnd(&e.envelope)
		case e.Progress != nil:
			last = *e.Progress
			o.progressed(last)
		case e.Row > 0:
			o.failed(BulkFailure{Row: e.Row, Result: e.public()})
		}
	}
}

// importEnd judges the envelope at the end of an answer of bulk_import.
func (s *stream) importEnd(e *envelope) error {
	if err := s.client.judge(s.x, e); err != nil {
		return err
	}
	if !s.upload.whole.Load() {
		return s.x.malformed("the answer ended before the rows did")
	}
	s.finish()
	return nil
}

func (o BulkImportOptions) failed(f BulkFailure) {
	if o.OnFailure != nil {
		o.OnFailure(f)
	}
}

func (o BulkImportOptions) progressed(r BulkResult) {
	if o.OnProgress != nil {
		o.OnProgress(r)
	}
}

// BulkExportOptions are the options of BulkExport; the zero value exports everything.
type BulkExportOptions struct {
	After string // begin behind this UserID
	Limit int64  // how many accounts at most; 0 means all
}

// BulkExport calls each for every account of the App in byte order of the UserIDs, with
// the line that the service sent, without its end; [DecodeExported] reads it. The line is
// valid during the call of each only. An error of each ends the export and is returned as
// it is.
//
// Rows is how many accounts were exported, also if there is an error; to go on from there
// set After to the last one's UserID. An answer that was cut off is an error that matches
// [io.ErrUnexpectedEOF]. The export shows every account that exists all the time; of those
// that come or go meanwhile it shows some.
func (c *Client) BulkExport(ctx context.Context, o BulkExportOptions, each func(line []byte) error) (rows int64, err error) {
	if o.Limit < 0 {
		return 0, fmt.Errorf("imclient: %s: Limit is %d, it must not be negative", cmdBulkExport, o.Limit)
	}
	s, err := c.open(ctx, cmdBulkExport, nil, func(sig signature) *http.Request {
		return c.request(ctx, cmdBulkExport, sig, o.body())
	})
	if err != nil {
		return 0, err
	}
	defer s.close()
	return s.exported(each)
}

func (o BulkExportOptions) body() []byte {
	body := appendString([]byte(`{"After":`), o.After)
	if o.Limit > 0 {
		body = append(body, `,"Limit":`...)
		body = strconv.AppendInt(body, o.Limit, 10)
	}
	return append(body, '}')
}

// exported reads the answer of bulk_export.
func (s *stream) exported(each func(line []byte) error) (rows int64, err error) {
	for {
		line, err := s.next()
		if err != nil {
			return rows, err
		}
		if !bytes.HasPrefix(line, []byte(`{"UserID":`)) {
			var e exportEnd
			if err := json.Unmarshal(line, &e); err != nil {
				return rows, s.x.malformed("a line is not JSON: " + err.Error())
			}
			if e.ErrorCode != nil {
				return rows, s.exportEnd(&e, rows)
			}
		}
		if err := each(line); err != nil {
			return rows, err
		}
		rows++
	}
}

// exportEnd is the last line of the answer of bulk_export.
type exportEnd struct {
	envelope
	Rows *int64
}

func (s *stream) exportEnd(e *exportEnd, rows int64) error {
	if err := s.client.judge(s.x, &e.envelope); err != nil {
		return err
	}
	if e.Rows != nil && *e.Rows != rows {
		return s.x.malformed(fmt.Sprintf("the answer has %d accounts, and says that it has %d", rows, *e.Rows))
	}
	s.finish()
	return nil
}
