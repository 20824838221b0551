package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/usersig"
)

// maxEcho is how many bytes of a parameter an ErrorInfo repeats.
const maxEcho = 64

// clip returns s in quotes, printable and of bounded length.
func clip(s string) string {
	if len(s) <= maxEcho {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:maxEcho], len(s))
}

// parseSDKAppID reads a decimal number. One that no App can have, being too large, becomes
// 0, which no App has.
func parseSDKAppID(s string) (account.SDKAppID, bool) {
	var n uint64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+uint64(s[i]-'0'), math.MaxUint32+1)
	}
	if n > math.MaxUint32 {
		n = 0
	}
	return account.SDKAppID(n), s != ""
}

// refuse returns an error with the code's default sentence and what it is about.
func refuse(code errcode.Code, about string) *errcode.Error {
	return errcode.Newf(code, "%s: %s", code.Info(), about)
}

// selfCheck stands where the hosted service names a tool of its console.
const selfCheck = "You can run a self-checking with muster usersig explain."

// refuseSig gives what package usersig says of a UserSig its public code and sentence.
// requested and identifier are the request's; claims are the UserSig's, if it has any.
func refuseSig(err error, requested account.SDKAppID, identifier string, claims usersig.Claims) *errcode.Error {
	cause, ok := errors.AsType[*usersig.Error](err)
	if !ok {
		return errcode.Wrap(errcode.Internal, fmt.Errorf("auth: verify: %w", err))
	}
	if cause.Stage.Decoding() {
		return becauseOf(err, errcode.SigUndecodable, "%s It fails at its %s: %s.",
			errcode.SigUndecodable.Info(), cause.Stage, cause.Reason)
	}
	switch cause.Stage {
	case usersig.StageSDKAppID:
		// The hosted service's pattern (im-rest-api.md, section 1.4), here and below.
		return becauseOf(err, errcode.SigOtherApp, "The requested SDKAppID(%d) does not match the Usersig(%d). %s",
			requested, claims.SDKAppID, selfCheck)
	case usersig.StageIdentifier:
		return becauseOf(err, errcode.SigOtherUser, "The requested UserID(%s) does not match the Usersig(%s). %s",
			name(identifier), name(claims.Identifier), selfCheck)
	case usersig.StageMAC:
		return becauseOf(err, errcode.SigBadMAC, "%s It fails at its MAC: %s.", errcode.SigBadMAC.Info(), cause.Reason)
	case usersig.StageValidFrom:
		return becauseOf(err, errcode.SigKicked, "%s: %s", errcode.SigKicked.Info(), cause.Reason)
	case usersig.StageExpiry:
		end := time.Unix(claims.ExpiresAt(), 0).UTC().Format(time.RFC3339)
		return becauseOf(err, errcode.SigExpired, "%s since %s: %s", errcode.SigExpired.Info(), end, cause.Reason)
	default:
		return errcode.Wrap(errcode.Internal, fmt.Errorf("auth: verify: %w", err))
	}
}

// becauseOf returns an error with a sentence for the caller and a cause for the operator.
func becauseOf(err error, code errcode.Code, format string, args ...any) *errcode.Error {
	return &errcode.Error{Code: code, Info: fmt.Sprintf(format, args...), Err: err}
}

// name returns an account's name as it is if it can be one, else clipped.
func name(id string) string {
	if account.UserID(id).Validate() == nil {
		return id
	}
	return clip(id)
}

// unavailable is the refusal for want of a valid-from. The error's own code, which the
// account.Service gave it, is kept.
func unavailable(err error) *errcode.Error {
	cause := fmt.Errorf("auth: read valid-from: %w", err)
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return &errcode.Error{Code: e.Code, Info: e.Info, Err: cause}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errcode.Wrap(errcode.StoreTimeout, cause)
	}
	return errcode.Wrap(errcode.Internal, cause)
}
