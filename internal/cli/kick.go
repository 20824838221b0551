package cli

import (
	"context"
	"errors"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// kickCmd is muster kick.
type kickCmd struct {
	each
	All   bool    `name:"all" help:"Kick every account of the App but the admin that calls, instead of accounts that are named. Only Muster can do that."`
	After rawText `name:"after" placeholder:"USERID" help:"With --all: only accounts behind this one, in byte order of UserID."`
	Yes   bool    `name:"yes" help:"With --all: do not ask. Needed if there is no terminal to ask on."`
}

// Help is what muster kick --help says beyond the flags.
func (*kickCmd) Help() string {
	return `Kicking ends an account's sessions and makes all UserSigs worthless that were made for it before. The service answers once the current second is over; --concurrency says how many calls wait at a time. Muster takes up to 100 accounts in a call; elsewhere each is a call of its own.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":""}; ResultCode is not 0 if it failed.

With --all the accounts are kicked in the order of their UserIDs, --concurrency times 100 in a second or so, and not listed; --json then prints one object: {"kicked":2,"gone":0,"failed":0,"last":"bob","finished":true,"seconds":1.5}. An account that is deleted meanwhile counts as gone; one that is imported meanwhile may be left out. If it stops early it says how to go on with --after.

Exit status: 0 all were kicked; 1 some failed; 2 the command line is wrong; 3 --all stopped and can be gone on with.`
}

// Run kicks the accounts.
func (c *kickCmd) Run(ctx context.Context, streams Streams) error {
	switch {
	case c.All && (c.File != "" || len(c.UserIDs) > 0):
		return &usage{errors.New("accounts are named, and --all means all of them"), ""}
	case c.All:
		return c.kickAll(ctx, streams)
	case c.After != "":
		return &usage{errors.New("--after needs --all"), ""}
	}
	return c.run(ctx, streams, task{
		header:  []string{"UserID", "Result"},
		states:  []string{kicked},
		limit:   1,
		call:    kickAccount,
		prepare: c.prepare,
	})
}

// kicked is what an account is then.
const kicked = "kicked"

// manyKicks is how many accounts Muster kicks in one call.
const manyKicks = 100

// prepare has several accounts kicked in a call if the service is able to. It finds out by a
// call that names none, which Muster refuses for that reason.
func (c *kickCmd) prepare(ctx context.Context, client *imclient.Client, t *task) error {
	if c.File == "" && len(c.UserIDs) < 2 {
		return nil
	}
	_, err := client.KickMany(ctx, nil)
	refused, ok := errors.AsType[*imclient.Error](err)
	switch {
	case isUnknown(err):
		return nil
	case err == nil, ok && errcode.Code(refused.Code) == errcode.BadParam:
		t.limit, t.call = manyKicks, kickAccounts
		return nil
	}
	return err
}

func kickAccounts(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error) {
	results, err := c.KickMany(ctx, userIDs)
	answers := make([]answer, len(results))
	for i, r := range results {
		answers[i] = &doneAnswer{newResult(r), kicked}
	}
	return answers, err
}

func kickAccount(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error) {
	a := &doneAnswer{result{UserID: userIDs[0]}, kicked}
	err := c.Kick(ctx, userIDs[0])
	if refused, ok := errors.AsType[*imclient.Error](err); ok && ofAccount(refused.Code) {
		a.ResultCode, a.ResultInfo = refused.Code, refused.Info
		err = nil
	}
	return []answer{a}, err
}

// ofAccount reports whether a call of one account was refused because of that account, so
// that others may fare better.
func ofAccount(code int) bool {
	return code == int(errcode.NoAccount) || code == int(errcode.BadParam)
}
