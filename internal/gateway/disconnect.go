package gateway

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/centrifugal/centrifuge"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/presence"
)

// The disconnect codes; see the package's comment. From firstTerminal on they are terminal.
const (
	codeUnavailable = 4000
	codeAppChanged  = 4001
	codeRefused     = 4500
	codeKicked      = 4501
	codePutOut      = 4502
	codeDeleted     = 4503
	codeLoggedOut   = 4504
)

// maxReason is how many bytes fit into a WebSocket close frame beside the code.
const maxReason = 123

// disconnects are what a device is told when the Table ends its session.
var disconnects = [...]centrifuge.Disconnect{
	presence.LinkClosed: centrifuge.DisconnectConnectionClosed,
	presence.TimedOut:   centrifuge.DisconnectNoPong,
	presence.AppChanged: {Code: codeAppChanged, Reason: "the App's settings changed, log in again"},
	presence.LoggedOut:  {Code: codeLoggedOut, Reason: "logged out"},
	presence.PutOut:     {Code: codePutOut, Reason: "put out by a newer login of this account"},
	presence.Kicked:     {Code: codeKicked, Reason: fmt.Sprintf("%d kicked by the REST API, log in with a new UserSig", errcode.SigKicked)},
	presence.Deleted:    {Code: codeDeleted, Reason: fmt.Sprintf("%d the account was deleted", errcode.NoAccount)},
}

// refusal returns what a device is told whose login failed with err.
func refusal(err error) (errcode.Code, centrifuge.Disconnect) {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok {
		e = errcode.New(errcode.Internal)
	}
	d := centrifuge.Disconnect{Code: codeRefused, Reason: clip(fmt.Sprintf("%d %s", e.Code, e.Info))}
	switch e.Code {
	case errcode.StoreTimeout, errcode.Busy, errcode.Internal:
		d.Code = codeUnavailable // it says nothing of the UserSig: whoever comes again later gets in
	default:
	}
	return e.Code, d
}

// clip shortens a reason to what fits, without cutting a character.
func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason - len("…")
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end] + "…"
}
