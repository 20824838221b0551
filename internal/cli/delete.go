package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-im/muster/imclient"
)

// deleteCmd is muster delete.
type deleteCmd struct {
	each
	Yes bool `name:"yes" help:"Do not ask. Needed for a file if there is no terminal to ask on."`
}

// Help is what muster delete --help says beyond the flags.
func (*deleteCmd) Help() string {
	return `Deleting cannot be undone: an account that is imported again is a new one. On a terminal more than one account is deleted only once that is confirmed.

An account that is not there fails with 70107. If a call is repeated because its answer was lost, the repetition may say 70107 of accounts that the lost one deleted; what counts is that they are gone.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":""}; ResultCode is not 0 if it failed.

Exit status: 0 all were deleted; 1 some failed; 2 the command line is wrong.`
}

// Run deletes the accounts.
func (c *deleteCmd) Run(ctx context.Context, streams Streams) error {
	if err := c.confirm(ctx, streams); err != nil {
		return err
	}
	return c.run(ctx, streams, task{
		header: []string{"UserID", "Result"},
		states: []string{"deleted"},
		limit:  100,
		call:   deleteAccounts,
	})
}

func deleteAccounts(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error) {
	results, err := c.AccountDelete(ctx, userIDs)
	answers := make([]answer, len(results))
	for i, r := range results {
		answers[i] = &doneAnswer{newResult(r), "deleted"}
	}
	return answers, err
}

// doneAnswer says that something was done to an account, or why not.
type doneAnswer struct {
	result
	done string // the word for it
}

func (a *doneAnswer) state() string { return a.done }

func (a *doneAnswer) rows() [][]string {
	if a.ResultCode != 0 {
		return [][]string{{a.UserID, a.reason()}}
	}
	return [][]string{{a.UserID, a.done}}
}

// confirm asks whether the accounts may be deleted, if there are several and somebody to
// ask.
func (c *deleteCmd) confirm(ctx context.Context, streams Streams) error {
	if c.Yes || c.File == "" && len(c.UserIDs) < 2 {
		return nil
	}
	if terminal, ok := terminalOf(streams.In); ok && c.File != "-" {
		what := fmt.Sprintf("%d accounts", len(c.UserIDs))
		if c.File != "" {
			what = "all accounts named in " + c.File
		}
		question := fmt.Sprintf("Delete %s, of App %d at %s? This cannot be undone.", what, c.SDKAppID, c.URL)
		return ask(ctx, terminal, question, "not confirmed, nothing was deleted")
	}
	if c.File != "" {
		return &usage{errors.New("deleting the accounts of a file must be confirmed"), "give --yes if that is meant; there is no terminal to ask on"}
	}
	return nil
}
