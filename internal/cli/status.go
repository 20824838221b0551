package cli

import (
	"context"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/errcode"
)

// statusCmd is muster status.
type statusCmd struct {
	each
	Detail       bool `name:"detail" help:"Show each platform of an account in a line of its own."`
	Instances    bool `name:"instances" help:"Show each device of an account in a line of its own."`
	CustomStatus bool `name:"custom-status" help:"Show what accounts say of themselves."`
}

// Help is what muster status --help says beyond the flags.
func (*statusCmd) Help() string {
	return `The status of an account is Online, PushOnline (no device is connected, but one can be reached by push) or Offline. An account that is not imported fails with 70107.

With --json each account is a line {"UserID":"ann","ResultCode":0,"ResultInfo":"","Status":"Online","CustomStatus":"busy","Detail":[{"Platform":"Web","Status":"Online","Instid":"5b1f6e0a"}]}; CustomStatus is there with --custom-status, Detail with --detail or --instances, Instid with --instances, and instead of Status an account that failed has a ResultCode that is not 0. A service that does not know about instances or custom statuses answers without them.

Exit status: 0 all were answered; 1 some failed; 2 the command line is wrong.`
}

// Run asks for the status of each account.
func (c *statusCmd) Run(ctx context.Context, streams Streams) error {
	return c.run(ctx, streams, task{
		header: c.header(),
		states: []string{imclient.Online, imclient.PushOnline, imclient.Offline},
		limit:  500,
		call:   c.query,
	})
}

func (c *statusCmd) header() []string {
	header := []string{"UserID", "Status"}
	if c.CustomStatus {
		header = append(header, "CustomStatus")
	}
	switch {
	case c.Instances:
		header = append(header, "Platform", "Instance", "InstanceStatus")
	case c.Detail:
		header = append(header, "Platform", "PlatformStatus")
	}
	return append(header, "Error")
}

func (c *statusCmd) query(ctx context.Context, client *imclient.Client, userIDs []string) ([]answer, error) {
	reply, err := client.Status(ctx, imclient.StatusRequest{
		UserIDs: userIDs, Detail: c.Detail, Instances: c.Instances, CustomStatus: c.CustomStatus,
	})
	answers := make([]answer, 0, len(userIDs))
	for _, a := range reply.Accounts {
		out := &statusAnswer{result: result{UserID: a.UserID}, Status: a.Status, asked: c}
		if c.CustomStatus {
			out.CustomStatus = &a.CustomStatus
		}
		if c.Detail || c.Instances {
			out.Detail = append([]imclient.DeviceStatus{}, a.Devices...)
		}
		answers = append(answers, out)
	}
	for _, a := range reply.Errors {
		failed := result{UserID: a.UserID, ResultCode: a.Code, ResultInfo: errcode.Code(a.Code).Info()}
		answers = append(answers, &statusAnswer{result: failed, asked: c})
	}
	return answers, err
}

type statusAnswer struct {
	result
	Status       string                  `json:",omitempty"`
	CustomStatus *string                 `json:",omitempty"`
	Detail       []imclient.DeviceStatus `json:",omitzero"`
	asked        *statusCmd
}

func (a *statusAnswer) state() string { return a.Status }

func (a *statusAnswer) rows() [][]string {
	devices := a.Detail
	if len(devices) == 0 {
		devices = []imclient.DeviceStatus{{}} // the account has a line all the same
	}
	rows := make([][]string, len(devices))
	for i, d := range devices {
		rows[i] = a.row(d)
	}
	return rows
}

func (a *statusAnswer) row(d imclient.DeviceStatus) []string {
	row := []string{a.UserID, a.Status}
	if a.asked.CustomStatus {
		custom := ""
		if a.CustomStatus != nil {
			custom = *a.CustomStatus
		}
		row = append(row, custom)
	}
	switch {
	case a.asked.Instances:
		row = append(row, d.Platform, d.InstanceID, d.Status)
	case a.asked.Detail:
		row = append(row, d.Platform, d.Status)
	}
	return append(row, a.reason())
}
