package wire

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/errcode"
)

// Envelope is what every reply has, in the field order of the first-edition page:
// ActionStatus, ErrorCode, ErrorInfo.
type Envelope struct {
	Code errcode.Code
	Info string
	// Display adds ErrorDisplay, which the profile commands have; it is always empty.
	Display bool
}

// Reply is what a command adds to the Envelope. The types of this package whose names
// end in Reply implement it.
type Reply interface {
	// appendFields appends the reply's members, each led by a comma.
	appendFields(dst []byte) []byte
}

// AppendReply appends one whole reply to dst and returns the extended buffer; r may be
// nil.
func AppendReply(dst []byte, e Envelope, r Reply) []byte {
	status := "OK"
	if e.Code != errcode.OK {
		status = "FAIL"
	} else if p, ok := r.(interface{ partly() bool }); ok && p.partly() {
		status = "SomeError"
	}
	dst = append(dst, `{"ActionStatus":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","ErrorCode":`...)
	dst = appendCode(dst, e.Code)
	dst = append(dst, `,"ErrorInfo":`...)
	dst = appendString(dst, e.Info)
	if e.Display {
		dst = append(dst, `,"ErrorDisplay":""`...)
	}
	if r != nil {
		dst = r.appendFields(dst)
	}
	return append(dst, '}')
}

// appendResult appends the ResultCode and ResultInfo of one item.
func appendResult(dst []byte, err *errcode.Error) []byte {
	if err == nil {
		return append(dst, `"ResultCode":0,"ResultInfo":""`...)
	}
	dst = append(dst, `"ResultCode":`...)
	dst = appendCode(dst, err.Code)
	dst = append(dst, `,"ResultInfo":`...)
	return appendString(dst, err.Info)
}

func appendCode(dst []byte, code errcode.Code) []byte {
	return strconv.AppendInt(dst, int64(code), 10)
}

func appendComma(dst []byte, first bool) []byte {
	if first {
		return dst
	}
	return append(dst, ',')
}

// appendString appends s as a JSON string with the fewest escapes.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			// The error only says that bytes which are no UTF-8 became U+FFFD.
			dst, _ = jsontext.AppendQuote(dst, s)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
