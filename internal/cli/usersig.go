package cli

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/muster-im/muster/usersig"
)

// usersigCmd is muster usersig.
type usersigCmd struct {
	Sign    usersigSignCmd    `cmd:"" help:"Print a new UserSig."`
	Verify  usersigVerifyCmd  `cmd:"" help:"Check a UserSig as a server does; exit 1 if it is not valid."`
	Explain usersigExplainCmd `cmd:"" help:"Take a UserSig apart and say which check fails, at which stage."`
}

// usersigSignCmd is muster usersig sign.
type usersigSignCmd struct {
	SDKAppID uint64   `name:"sdkappid" required:"" placeholder:"N" env:"MUSTER_SDKAPPID" help:"The App."`
	Key      secret   `name:"key" placeholder:"KEY|@FILE" env:"MUSTER_KEY" help:"A Key of the App, or the file that has it. On the command line other users of the machine can see it."`
	ID       string   `name:"id" required:"" placeholder:"USERID" help:"The account that the UserSig is for."`
	Expire   lifetime `name:"expire" default:"180d" placeholder:"TIME" help:"How long it is valid, as 180d, 24h or seconds."`
	Now      instant  `name:"now" placeholder:"SECONDS" help:"When it is made, in Unix seconds; left out, now."`

	UserBuf    string `name:"userbuf" placeholder:"BASE64" xor:"buf" help:"Opaque bytes to put in, as base64."`
	RoomID     uint32 `name:"room-id" placeholder:"N" xor:"buf" help:"Put in the right to enter the room of this number, as TRTC wants it."`
	Room       string `name:"room" placeholder:"NAME" xor:"buf" help:"The same for a room that has a name."`
	Privileges uint32 `name:"privileges" default:"255" placeholder:"BITS" help:"What the holder may do in the room; 255 is everything."`

	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the UserSig.
func (c *usersigSignCmd) Run(streams Streams) error {
	key, err := c.Key.reveal()
	if err != nil {
		return err
	}
	claims := usersig.Claims{Identifier: c.ID, SDKAppID: c.SDKAppID, Time: c.Now.unix(), Expire: int64(c.Expire)}
	if claims.UserBuf, err = c.buffer(claims); err != nil {
		return &usage{err, ""}
	}
	sig, err := usersig.Sign([]byte(key), claims)
	if err != nil {
		return &usage{err, ""}
	}
	if c.JSON {
		return printJSON(streams.Out, struct {
			UserSig string `json:"usersig"`
			usersig.Claims
		}{sig, claims})
	}
	_, err = fmt.Fprintln(streams.Out, sig)
	return err
}

// buffer returns the userbuf, nil for none.
func (c *usersigSignCmd) buffer(claims usersig.Claims) ([]byte, error) {
	switch {
	case c.UserBuf != "":
		buf, err := base64.StdEncoding.DecodeString(c.UserBuf)
		if err != nil {
			return nil, errors.New("--userbuf is not base64")
		}
		return buf, nil
	case c.RoomID == 0 && c.Room == "":
		return nil, nil
	case claims.SDKAppID > math.MaxUint32 || claims.ExpiresAt() > math.MaxUint32:
		return nil, errors.New("a room's right has no room for so large an SDKAppID or expiry")
	}
	return usersig.UserBuf{
		Account:    claims.Identifier,
		SDKAppID:   uint32(claims.SDKAppID), // #nosec G115 -- checked above
		RoomID:     c.RoomID,
		Room:       c.Room,
		Expires:    uint32(claims.ExpiresAt()), // #nosec G115 -- checked above
		Privileges: c.Privileges,
	}.Encode()
}

// usersigVerifyCmd is muster usersig verify.
type usersigVerifyCmd struct {
	SDKAppID  uint64   `name:"sdkappid" required:"" placeholder:"N" env:"MUSTER_SDKAPPID" help:"The App of the request."`
	Keys      []secret `name:"key" sep:"none" placeholder:"KEY|@FILE" env:"MUSTER_KEY" help:"A Key of the App, or the file that has it. May stand several times."`
	ID        string   `name:"id" required:"" placeholder:"USERID" help:"The account of the request."`
	ValidFrom instant  `name:"valid-from" placeholder:"SECONDS" help:"When the account was kicked, in Unix seconds; UserSigs made up to then are dead."`
	Now       instant  `name:"now" placeholder:"SECONDS" help:"The time to check at, in Unix seconds; left out, now."`
	JSON      bool     `name:"json" help:"Print JSON."`

	UserSig string `arg:"" optional:"" name:"usersig" help:"The UserSig; - or nothing reads it from standard input."`
}

// readSig returns the Keys and the UserSig that a command was given.
func readSig(streams Streams, given []secret, arg string) (keys [][]byte, text string, err error) {
	if keys, err = reveal(given); err != nil {
		return nil, "", err
	}
	text, err = readArgument(streams.In, arg, usersig.MaxLen+1)
	return keys, text, err
}

// Run checks the UserSig. Its error says what is wrong with it.
func (c *usersigVerifyCmd) Run(streams Streams) error {
	if len(c.Keys) == 0 {
		c.Keys = []secret{""}
	}
	keys, text, err := readSig(streams, c.Keys, c.UserSig)
	if err != nil {
		return err
	}
	want := usersig.Expect{SDKAppID: c.SDKAppID, Identifier: c.ID, Now: c.Now.unix(), ValidFrom: c.ValidFrom.orZero()}
	claims, err := usersig.Verify(text, keys, want)
	if c.JSON {
		return errors.Join(printJSON(streams.Out, newVerdict(claims, err)), err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "valid: %s of App %d, until %s\n",
		claims.Identifier, claims.SDKAppID, time.Unix(claims.ExpiresAt(), 0).UTC().Format(time.RFC3339))
	return err
}

// verdict is what usersig verify prints as JSON.
type verdict struct {
	Valid    bool            `json:"valid"`
	FailedAt usersig.Stage   `json:"failed_at,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Claims   *usersig.Claims `json:"claims,omitempty"`
}

func newVerdict(claims usersig.Claims, err error) verdict {
	if refused, ok := errors.AsType[*usersig.Error](err); ok {
		return verdict{FailedAt: refused.Stage, Reason: refused.Reason}
	}
	return verdict{Valid: true, Claims: &claims}
}
