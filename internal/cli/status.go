package cli

import (
	"context"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// statusCmd is muster status.
type statusCmd struct {
	each
	Detail bool `name:"detail" help:"Show each platform of an account in a line of its own."`
}

// Help is what muster status --help says beyond the flags.
func (*statusCmd) Help() string {
	return `The status of an account is Online, PushOnline (no device is connected, but one can be reached by push) or Offline. An account that is not imported fails with 70107.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":"","Status":"Online","Detail":[{"Platform":"Web","Status":"Online"}]}; Detail is there with --detail, and instead of Status an account that failed has a ResultCode that is not 0.

Exit status: 0 all were answered; 1 some failed; 2 the command line is wrong.`
}

// Run asks for the status of each account.
func (c *statusCmd) Run(ctx context.Context, streams Streams) error {
	t := task{
		header: []string{"UserID", "Status", "Error"},
		states: []string{imclient.Online, imclient.PushOnline, imclient.Offline},
		limit:  500,
		call:   c.query,
	}
	if c.Detail {
		t.header = []string{"UserID", "Status", "Platform", "PlatformStatus", "Error"}
	}
	return c.run(ctx, streams, t)
}

func (c *statusCmd) query(ctx context.Context, client *imclient.Client, userIDs []string) ([]answer, error) {
	reply, err := client.QueryOnlineStatus(ctx, userIDs, c.Detail)
	answers := make([]answer, 0, len(userIDs))
	for _, a := range reply.Accounts {
		out := &statusAnswer{result: result{UserID: a.UserID}, Status: a.Status, detail: c.Detail}
		if c.Detail {
			out.Detail = append([]imclient.DeviceStatus{}, a.Devices...)
		}
		answers = append(answers, out)
	}
	for _, a := range reply.Errors {
		failed := result{UserID: a.UserID, ResultCode: a.Code, ResultInfo: errcode.Code(a.Code).Info()}
		answers = append(answers, &statusAnswer{result: failed, detail: c.Detail})
	}
	return answers, err
}

type statusAnswer struct {
	result
	Status string                  `json:",omitempty"`
	Detail []imclient.DeviceStatus `json:",omitzero"`
	detail bool
}

func (a *statusAnswer) state() string { return a.Status }

func (a *statusAnswer) rows() [][]string {
	if !a.detail {
		return [][]string{{a.UserID, a.Status, a.reason()}}
	}
	if len(a.Detail) == 0 {
		return [][]string{{a.UserID, a.Status, "", "", a.reason()}}
	}
	rows := make([][]string, len(a.Detail))
	for i, d := range a.Detail {
		rows[i] = []string{a.UserID, a.Status, d.Platform, d.Status, ""}
	}
	return rows
}
