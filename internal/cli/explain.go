package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/muster-im/muster/usersig"
)

// usersigExplainCmd is muster usersig explain.
type usersigExplainCmd struct {
	SDKAppID  uint64   `name:"sdkappid" placeholder:"N" env:"MUSTER_SDKAPPID" help:"The App of the request; left out, it is not checked."`
	Keys      []secret `name:"key" sep:"none" placeholder:"KEY|@FILE" env:"MUSTER_KEY" help:"A Key of the App, or the file that has it. May stand several times; left out, the signature is not checked."`
	ID        string   `name:"id" placeholder:"USERID" help:"The account of the request; left out, it is not checked."`
	ValidFrom instant  `name:"valid-from" placeholder:"SECONDS" help:"When the account was kicked, in Unix seconds."`
	Now       instant  `name:"now" placeholder:"SECONDS" help:"The time to check at, in Unix seconds; left out, now."`
	JSON      bool     `name:"json" help:"Print JSON."`

	UserSig string `arg:"" optional:"" name:"usersig" help:"The UserSig; - or nothing reads it from standard input."`
}

// Run prints the explanation. What is wrong with the UserSig is no failure of the
// command.
func (c *usersigExplainCmd) Run(streams Streams) error {
	keys, text, err := readSig(streams, c.Keys, c.UserSig)
	if err != nil {
		return err
	}
	want := usersig.Expect{SDKAppID: c.SDKAppID, Identifier: c.ID, Now: c.Now.unix(), ValidFrom: c.ValidFrom.orZero()}
	e := usersig.Explain(text, keys, want)
	if c.JSON {
		return printJSON(streams.Out, e)
	}
	return printExplanation(streams.Out, &e)
}

// printExplanation writes the explanation as three tables: the verdict, the checks, the
// content.
func printExplanation(w io.Writer, e *usersig.Explanation) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // t keeps the error
	headline := string(e.Verdict)
	if e.FailedAt != "" {
		headline += ", it fails at " + string(e.FailedAt)
	}
	row("verdict\t%s", headline)
	row("why\t%s", e.Reason)
	if e.Advice != "" {
		row("what to do\t%s", e.Advice)
	}
	printTimes(row, e)
	if e.Key > 0 {
		row("signed with\tkey %d of those given", e.Key)
	}

	row("\ncheck\tresult\twhy")
	for _, c := range e.Checks {
		row("%s\t%s\t%s", c.Stage, c.Result, c.Reason)
	}

	row("\nfield\tas written")
	for _, f := range e.Fields {
		row("%s\t%s", f.Name, f.Value)
	}
	if u := e.UserBuf; u != nil {
		row("userbuf\taccount %s, App %d, room %s, until %d, privileges %d", u.Account, u.SDKAppID, room(u), u.Expires, u.Privileges)
	}
	enc := e.Encoding
	row("encoding\t%d characters, %d bytes packed (level %s, stored %t), %d bytes of JSON",
		enc.Chars, enc.Compressed, orNone(enc.Level), enc.Stored, enc.JSON)
	return t.Flush()
}

func printTimes(row func(string, ...any), e *usersig.Explanation) {
	if e.Claims == nil {
		return
	}
	row("made\t%s (%d)", e.Signed, e.Claims.Time)
	row("last second\t%s (%d)", e.Expires, e.Claims.ExpiresAt())
	if e.Left != nil && *e.Left >= 0 {
		row("valid for\tanother %d s", *e.Left)
	} else if e.Left != nil {
		row("expired\t%d s ago", -*e.Left)
	}
	if e.Skew > 0 {
		row("clock skew\tthe signer's clock is at least %d s ahead", e.Skew)
	}
}

func room(u *usersig.UserBuf) string {
	if u.Room != "" {
		return fmt.Sprintf("%q", u.Room)
	}
	return fmt.Sprint(u.RoomID)
}

func orNone(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
