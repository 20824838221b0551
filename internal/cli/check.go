package cli

import (
	"context"

	"github.com/muster-im/muster/imclient"
)

// checkCmd is muster check.
type checkCmd struct{ each }

// Help is what muster check --help says beyond the flags.
func (*checkCmd) Help() string {
	return `An account that is not imported is no failure; one whose name is invalid is.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}, or NotImported; ResultCode is not 0 if it failed.

Exit status: 0 all were answered; 1 some failed; 2 the command line is wrong.`
}

const (
	imported    = "Imported"
	notImported = "NotImported"
)

// Run asks for each account whether it is imported.
func (c *checkCmd) Run(ctx context.Context, streams Streams) error {
	return c.run(ctx, streams, task{
		header: []string{"UserID", "Status", "Error"},
		states: []string{imported, notImported},
		limit:  100,
		call:   checkAccounts,
	})
}

func checkAccounts(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error) {
	checked, err := c.AccountCheck(ctx, userIDs)
	answers := make([]answer, len(checked))
	for i, a := range checked {
		answers[i] = newCheckAnswer(a)
	}
	return answers, err
}

type checkAnswer struct {
	result
	AccountStatus string
}

func newCheckAnswer(a imclient.Checked) *checkAnswer {
	out := &checkAnswer{newResult(a.Result), notImported}
	if a.Imported {
		out.AccountStatus = imported
	}
	return out
}

func (a *checkAnswer) state() string { return a.AccountStatus }

func (a *checkAnswer) rows() [][]string {
	return [][]string{{a.UserID, a.AccountStatus, a.reason()}}
}
