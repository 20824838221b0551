package imclient

import "fmt"

// Error is the service's refusal of a call. Most codes mean that nothing was done; after
// 70169, 70500 and 91000 that is not known.
type Error struct {
	Command string // service/command
	Code    int    // ErrorCode; act on this
	Info    string // ErrorInfo; for people
}

// Error implements error; it names the command, the code and the sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("imclient: %s: %d %s", e.Command, e.Code, e.Info)
}

// ReplyError says that what came back is not a reply of the API: an HTTP status other
// than 200, a redirect included, or a body that is too long, cut off, or not the JSON
// object with the fields that every reply has. The call's fate is unknown.
type ReplyError struct {
	Command string // service/command
	Status  int    // of HTTP
	Reason  string // a sentence; it never quotes what came
}

// Error implements error; it names the command, the HTTP status and the reason.
func (e *ReplyError) Error() string {
	return fmt.Sprintf("imclient: %s: HTTP status %d: %s", e.Command, e.Status, e.Reason)
}

// Result is what a call did for one account.
type Result struct {
	UserID string
	Code   int    // 0 if it succeeded
	Info   string // why it did not
}
