package cli

import (
	"context"
	"errors"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// kickCmd is muster kick.
type kickCmd struct{ each }

// Help is what muster kick --help says beyond the flags.
func (*kickCmd) Help() string {
	return `Kicking ends an account's sessions and makes all UserSigs worthless that were made for it before. Each account is a call of its own, and Muster answers it once the current second is over; --concurrency says how many wait at a time.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":""}; ResultCode is not 0 if it failed.

Exit status: 0 all were kicked; 1 some failed; 2 the command line is wrong.`
}

// Run kicks the accounts.
func (c *kickCmd) Run(ctx context.Context, streams Streams) error {
	return c.run(ctx, streams, task{
		header: []string{"UserID", "Result"},
		states: []string{"kicked"},
		limit:  1,
		call:   kickAccount,
	})
}

func kickAccount(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error) {
	a := &doneAnswer{result{UserID: userIDs[0]}, "kicked"}
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
