package imclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-im/muster/imclient"
)

func TestBulkExport(t *testing.T) {
	stop := errors.New("enough")
	for _, tc := range []struct {
		name, answer string
		stopAt       int64
		abort        bool
		rows         int64
		want         func(error) bool
	}{
		{name: "all", answer: exportedAnn + "\n" + exportedBob + "\n" + endOfTwo + "\n", rows: 2, want: is(nil)},
		{name: "no newline at the end", answer: exportedAnn + "\n" + exportedBob + "\n" + endOfTwo, rows: 2, want: is(nil)},
		{name: "spelled otherwise", answer: "{ \"UserID\":\"ann\"}\n" + exportedBob + "\n{ \"ErrorCode\":0}\n", rows: 2, want: is(nil)},
		{name: "none", answer: `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":0}` + "\n", want: is(nil)},
		{name: "each says stop", answer: exportedAnn + "\n" + exportedBob + "\n", stopAt: 2, rows: 1, want: func(err error) bool { return err == stop }}, //nolint:errorlint // as it is
		{name: "no envelope", answer: exportedAnn + "\n", rows: 1, want: is(io.ErrUnexpectedEOF)},
		{name: "nothing", want: is(io.ErrUnexpectedEOF)},
		{name: "a last line without end", answer: exportedAnn + "\n" + exportedBob, rows: 1, want: is(io.ErrUnexpectedEOF)},
		{name: "broken", answer: exportedAnn + "\n" + exportedBob, abort: true, rows: 1, want: is(io.ErrUnexpectedEOF)},
		{name: "it cannot go on", answer: exportedAnn + "\n" + `{"ActionStatus":"FAIL","ErrorCode":70169,"ErrorInfo":"","Rows":1}` + "\n", rows: 1, want: isCode(70169)},
		{name: "a wrong count", answer: exportedAnn + "\n" + endOfTwo + "\n", rows: 1, want: isReplyError("has 1 accounts, and says that it has 2")},
		{name: "no JSON", answer: exportedAnn + "\n<html>\n", rows: 1, want: isReplyError("a line is not JSON")},
		{name: "a long line", answer: `{"UserID":"` + strings.Repeat("x", 2<<20) + "\"}\n", want: isReplyError("a line has more than")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sent string
			_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = r.Method + " " + r.URL.Path + " " + string(body)
				w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
				_, _ = io.WriteString(w, tc.answer)
				if tc.abort {
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}
			})
			var lines []string
			rows, err := c.BulkExport(t.Context(), imclient.BulkExportOptions{After: `a"`, Limit: 5}, func(line []byte) error {
				if int64(len(lines)+1) == tc.stopAt {
					return stop
				}
				lines = append(lines, string(line))
				return nil
			})
			if !tc.want(err) || rows != tc.rows || int64(len(lines)) != rows {
				t.Errorf("%d rows, error %v", rows, err)
			}
			if rows > 0 && tc.name != "spelled otherwise" && !strings.HasPrefix(tc.answer, strings.Join(lines, "\n")) {
				t.Errorf("lines %q", lines)
			}
			if sent != `POST /v4/muster/bulk_export {"After":"a\"","Limit":5}` {
				t.Errorf("sent %s", sent)
			}
		})
	}
}

func TestBulkExportRefused(t *testing.T) {
	f := &fake{reply: refusal(60009).reply}
	c := newClient(t, f.options())
	if _, err := c.BulkExport(t.Context(), imclient.BulkExportOptions{}, nil); !isCode(60009)(err) {
		t.Errorf("error %v", err)
	}
	if f.seen[0].body != `{"After":""}` {
		t.Errorf("sent %s", f.seen[0].body)
	}
	if _, err := c.BulkExport(t.Context(), imclient.BulkExportOptions{Limit: -1}, nil); err == nil || len(f.seen) != 1 {
		t.Errorf("a negative Limit was accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, c = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, exportedAnn+"\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	rows, err := c.BulkExport(ctx, imclient.BulkExportOptions{}, func([]byte) error {
		cancel()
		return nil
	})
	if rows != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d rows, error %v", rows, err)
	}
}
