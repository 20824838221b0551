package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// sendCmd is muster send.
type sendCmd struct {
	remote
	Text       rawText       `arg:"" optional:"" name:"text" help:"The text, or - for what standard input has."`
	To         []rawText     `name:"to" sep:"none" placeholder:"USERID" help:"An account that gets the message; may be given several times."`
	File       string        `name:"file" placeholder:"FILE|-" help:"Read the accounts that get it from a file, or from standard input: as for muster check."`
	From       rawText       `name:"from" placeholder:"USERID" help:"The account that the message is from; the admin if it is not given."`
	Custom     rawText       `name:"custom" placeholder:"JSON" help:"What the App's own element of the message has as its Data, beside the text or instead of one."`
	Life       time.Duration `name:"life" placeholder:"TIME" help:"How long an account that is away may still get it; whole seconds, 7 days if it is not given."`
	OnlineOnly bool          `name:"online-only" help:"Reach who is online, and keep nothing."`
	JSON       bool          `name:"json" help:"Print a JSON object in a line for each account."`
}

// Help is what muster send --help says beyond the flags.
func (*sendCmd) Help() string {
	return `A message reaches every account that is imported, logged in or not: one that is away gets it when it comes back. Text and Data may have 12,000 bytes together.

To one account it is sent with sendmsg, so that the App's backend may be asked first and told afterwards. To several it is sent with batchsendmsg, 500 accounts in a call and without the backend. A service allows some 12,000 accounts a minute; more take that long. Should a call be repeated because its answer was lost, nobody gets the message twice, unless it is --online-only.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":"","MsgKey":"93847636_1287657_1700000000"}; an account that got nothing has a ResultCode that is not 0, and no MsgKey.

Exit status: 0 it was sent to all; 1 to some it was not; 2 the command line is wrong.`
}

// maxText is how much of standard input is read. It is more than any message may have, so that
// the service says what is too long.
const maxText = 64 << 10

// sent is what an account is then.
const sent = "sent"

// Run sends the message.
func (c *sendCmd) Run(ctx context.Context, streams Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	m, err := c.message(streams.In)
	if err != nil {
		return err
	}
	t := task{header: []string{"UserID", "MsgKey", "Result"}, states: []string{sent}, limit: imclient.MaxRecipients}
	t.call = func(ctx context.Context, client *imclient.Client, userIDs []string) ([]answer, error) {
		return sendToMany(ctx, client, userIDs, m)
	}
	if c.File == "" && len(c.To) == 1 {
		t.limit = 1
		t.call = func(ctx context.Context, client *imclient.Client, userIDs []string) ([]answer, error) {
			return sendToOne(ctx, client, userIDs[0], m)
		}
	}
	// One call at a time: what a service allows is accounts in a minute, and several calls that
	// wait for their turn would take it from each other.
	e := each{remote: c.remote, naming: naming{UserIDs: c.To, File: c.File}, Concurrency: 1, JSON: c.JSON}
	return e.run(ctx, streams, t)
}

// check judges the command line.
func (c *sendCmd) check() error {
	switch {
	case c.File != "" && len(c.To) > 0:
		return &usage{errors.New("accounts are named twice, with --to and with --file"), ""}
	case c.File == "" && len(c.To) == 0:
		return &usage{errors.New("no account is named"), "name accounts with --to, or with --file FILE a file that has them, - for standard input"}
	case c.Text == "" && c.Custom == "":
		return &usage{errors.New("there is nothing to send"), "give a text, or - for what standard input has, or --custom JSON"}
	case c.Text == "-" && c.File == "-":
		return &usage{errors.New("standard input cannot have both the text and the accounts"), ""}
	case !utf8.ValidString(string(c.Text)) || !utf8.ValidString(string(c.From)):
		return &usage{errors.New("the text and --from must be UTF-8"), ""}
	case c.Custom != "" && !json.Valid([]byte(c.Custom)):
		return &usage{errors.New("--custom must be JSON"), ""}
	case c.Life < 0 || c.Life%time.Second != 0:
		return &usage{errors.New("--life must be a whole number of seconds, such as 60s or 24h"), ""}
	case c.Life > 0 && c.OnlineOnly:
		return &usage{errors.New("--life and --online-only exclude each other"), ""}
	}
	return nil
}

// message returns what is to be sent. It has numbers of its own, so that all calls send the
// same message.
func (c *sendCmd) message(in io.Reader) (imclient.Message, error) {
	m := imclient.Message{
		From: string(c.From), Life: c.Life, OnlineOnly: c.OnlineOnly,
		Seq: 1 + rand.Uint32N(1<<31), Random: 1 + rand.Uint32N(1<<31), // #nosec G404 -- they tell messages apart and protect nothing
	}
	text := string(c.Text)
	if text == "-" {
		read, err := io.ReadAll(io.LimitReader(in, maxText))
		switch text = strings.TrimSuffix(string(read), "\n"); {
		case err != nil:
			return m, fmt.Errorf("read standard input: %w", err)
		case text == "":
			return m, &usage{errors.New("standard input has no text"), ""}
		case !utf8.ValidString(text):
			return m, &usage{errors.New("the text on standard input is not UTF-8"), ""}
		}
	}
	if text != "" {
		m.Body = append(m.Body, imclient.Text(text))
	}
	if c.Custom != "" {
		m.Body = append(m.Body, imclient.Custom(imclient.CustomContent{Data: string(c.Custom)}))
	}
	return m, nil
}

func sendToOne(ctx context.Context, client *imclient.Client, userID string, m imclient.Message) ([]answer, error) {
	a := &sentAnswer{result: result{UserID: userID}}
	done, err := client.SendMessage(ctx, userID, m)
	if refused, ok := errors.AsType[*imclient.Error](err); ok && errcode.Code(refused.Code) == errcode.OpenIMNoRecipient {
		a.ResultCode, a.ResultInfo = refused.Code, refused.Info
		return []answer{a}, nil
	}
	a.MsgKey = done.Key
	return []answer{a}, err
}

func sendToMany(ctx context.Context, client *imclient.Client, userIDs []string, m imclient.Message) ([]answer, error) {
	done, err := client.SendMessages(ctx, userIDs, m)
	failed := make(map[string]int, len(done.Errors))
	for _, e := range done.Errors {
		failed[e.UserID] = e.Code
	}
	if refused, ok := errors.AsType[*imclient.Error](err); ok && errcode.Code(refused.Code) == errcode.OpenIMNoRecipient {
		for _, id := range userIDs {
			if failed[id] == 0 {
				failed[id] = refused.Code
			}
		}
		err = nil
	}
	answers := make([]answer, len(userIDs))
	for i, id := range userIDs {
		a := &sentAnswer{result: result{UserID: id}}
		if code := failed[id]; code != 0 {
			a.ResultCode, a.ResultInfo = code, errcode.Code(code).Info()
		} else {
			a.MsgKey = done.Key
		}
		answers[i] = a
	}
	return answers, err
}

// sentAnswer says that an account gets the message, or why not.
type sentAnswer struct {
	result
	MsgKey string `json:",omitempty"`
}

func (a *sentAnswer) state() string { return sent }

func (a *sentAnswer) rows() [][]string {
	if a.ResultCode != 0 {
		return [][]string{{a.UserID, "", a.reason()}}
	}
	return [][]string{{a.UserID, a.MsgKey, sent}}
}
