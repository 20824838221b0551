package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-im/muster/internal/errcode"
)

// maxInfo bounds an Info, in bytes.
const maxInfo = 1024

// The Codes of a Verdict, beside those of the App's own, which are
// errcode.HookCodeMin to errcode.HookCodeMax and forbid as well.
const (
	Allow  = 0
	Forbid = 1
	Drop   = 2 // the sender is told that it was sent, and nobody gets it
)

// Verdict is what an App's backend says of a message that is about to be sent. The zero
// Verdict lets it pass as it is.
type Verdict struct {
	Code int
	Info string // the backend's ErrorInfo, at most 1,024 bytes of it
	// Body and CloudData replace those of a message that is allowed, nil for neither. They
	// are as the backend gave them: Body is any JSON, of up to 64 KiB.
	Body      []byte
	CloudData *string
}

// readVerdict reads an answer that came with status 200. What the backend forbids is
// forbidden whatever its ActionStatus.
func readVerdict(body []byte) (Verdict, error) {
	var answer struct {
		ActionStatus    *string
		ErrorCode       *json.Number
		ErrorInfo       string
		MsgBody         json.RawMessage
		CloudCustomData *string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Verdict{}, errNotJSON
	}
	v := Verdict{Info: clip(answer.ErrorInfo)}
	switch code := answer.ErrorCode; {
	case code != nil:
		var err error
		if v.Code, err = strconv.Atoi(code.String()); err != nil || !isVerdict(v.Code) {
			return Verdict{}, fmt.Errorf("the receiver answered with the ErrorCode %.20s, which is no verdict", code.String())
		}
	case answer.ActionStatus == nil:
		return Verdict{}, errNeither
	}
	if v.Code != Allow {
		return v, nil
	}
	if status := answer.ActionStatus; status != nil && !strings.EqualFold(*status, "OK") {
		return Verdict{}, fmt.Errorf("the receiver answered with the ActionStatus %.20q", *status)
	}
	if len(answer.MsgBody) > 0 && !bytes.Equal(answer.MsgBody, []byte("null")) {
		v.Body = answer.MsgBody
	}
	v.CloudData = answer.CloudCustomData
	return v, nil
}

// What is wrong with an answer of any command.
var (
	errNotJSON = errors.New("the answer is not the JSON that is asked for")
	errNeither = errors.New("the answer has neither ActionStatus nor ErrorCode")
)

func isVerdict(code int) bool {
	return code >= Allow && code <= Drop || isOwn(code)
}

// isOwn reports whether code is one that the App may forbid with instead of Forbid.
func isOwn(code int) bool {
	return code >= int(errcode.HookCodeMin) && code <= int(errcode.HookCodeMax)
}

// clip returns the beginning of an ErrorInfo, as whole characters.
func clip(text string) string {
	if len(text) <= maxInfo {
		return text
	}
	return strings.ToValidUTF8(text[:maxInfo], "")
}
