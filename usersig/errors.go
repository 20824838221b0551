package usersig

import "fmt"

// Stage names one step on the way from text to verified claims.
type Stage string

// The stages in the order in which Verify goes through them. The first four decode;
// the others compare what was decoded with what is expected.
const (
	StageBase64     Stage = "base64"     // the text is in the UserSig alphabet and not too long
	StageZlib       Stage = "zlib"       // it holds one complete zlib stream of bounded size
	StageJSON       Stage = "json"       // that holds one JSON object, no field twice
	StageFields     Stage = "fields"     // every field is there, of the right type and in range
	StageSDKAppID   Stage = "sdkappid"   // the UserSig is for the App of the request
	StageIdentifier Stage = "identifier" // and for the account of the request
	StageMAC        Stage = "mac"        // it was signed with a Key of that App
	StageValidFrom  Stage = "valid-from" // and after the account was last kicked
	StageExpiry     Stage = "expiry"     // and it has not expired
)

// Decoding reports whether the stage is one of decoding: whatever fails there is not a
// well-formed UserSig.
func (s Stage) Decoding() bool {
	switch s {
	case StageBase64, StageZlib, StageJSON, StageFields:
		return true
	default:
		return false
	}
}

// Error says at which stage a UserSig was refused and why. Every error of Parse, Verify,
// [Sig.Check] and [Claims.CheckTimes] is one.
type Error struct {
	Stage  Stage
	Reason string // a sentence for the caller: no secrets, no part of the MAC, bounded length
	Err    error  // the cause for the operator, or nil
}

// Error implements error; it names the stage, the reason and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("usersig: %s: %s", e.Stage, e.Reason)
	}
	return fmt.Sprintf("usersig: %s: %s: %v", e.Stage, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// refuse returns an *Error without a cause.
func refuse(stage Stage, format string, args ...any) *Error {
	return &Error{Stage: stage, Reason: fmt.Sprintf(format, args...)}
}

// quote returns s in quotes for a Reason, with whatever is not printable escaped and a
// long text cut.
func quote(s string) string {
	const limit = 64
	if len(s) <= limit {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:limit], len(s))
}
