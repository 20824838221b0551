package rest

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/wire"
)

// command is one row of the table of routes.
type command struct {
	name   string // service/command, as in the path
	family *family
	run    func(h *Handler, ctx context.Context, c *call) (wire.Reply, error)
	stream streamFunc // instead of run; if there is neither it is no command
}

// family is what the commands of one service share: the codes it answers where other
// services answer others (wire-rules.md, rule 15; design.md, section 4).
type family struct {
	notAdmin errcode.Code // the identifier is not an admin
	badJSON  errcode.Code // the body is not JSON
	tooLarge errcode.Code // the body is too large
	internal errcode.Code // an internal error
	display  bool         // replies have ErrorDisplay
}

var (
	// gateway stands in where there is no service. A service beyond those below would
	// answer 60010 and 60003.
	gateway = family{notAdmin: errcode.NotAdmin, badJSON: errcode.BadJSON, tooLarge: errcode.BadJSON, internal: errcode.Internal}

	accounts = family{
		notAdmin: errcode.AccountNotAdmin, badJSON: errcode.BadJSON, tooLarge: errcode.BadParam, internal: errcode.Internal,
	}
	openIM = family{
		notAdmin: errcode.OpenIMNotAdmin, badJSON: errcode.OpenIMBadJSON, tooLarge: errcode.OpenIMBadJSON, internal: errcode.OpenIMInternal,
	}
	profiles = family{
		notAdmin: errcode.ProfileNotAdmin, badJSON: errcode.ProfileBadParam, tooLarge: errcode.ProfileBadParam, internal: errcode.ProfileInternal,
		display: true,
	}

	// extensions are commands that the hosted service does not have.
	extensions = family{notAdmin: errcode.NotAdmin, badJSON: errcode.BadJSON, tooLarge: errcode.BadParam, internal: errcode.Internal}
)

// commands is the table of routes.
var commands = []command{
	{name: "im_open_login_svc/account_import", family: &accounts, run: (*Handler).accountImport},
	{name: "im_open_login_svc/multiaccount_import", family: &accounts, run: (*Handler).multiImport},
	{name: "im_open_login_svc/account_delete", family: &accounts, run: (*Handler).accountDelete},
	{name: "im_open_login_svc/account_check", family: &accounts, run: (*Handler).accountCheck},
	{name: "im_open_login_svc/kick", family: &accounts, run: (*Handler).kick},
	{name: "openim/querystate", family: &openIM, run: (*Handler).queryStatus},
	{name: "openim/query_online_status", family: &openIM, run: (*Handler).queryStatus},
	{name: "openim/sendmsg", family: &openIM, run: (*Handler).sendMessage},
	{name: "openim/batchsendmsg", family: &openIM, run: (*Handler).sendMessages},
	{name: "openim/importmsg", family: &openIM, run: (*Handler).importMessage},
	{name: "openim/admin_getroammsg", family: &openIM, run: (*Handler).history},
	{name: "openim/admin_msgwithdraw", family: &openIM, run: (*Handler).withdraw},
	{name: "profile/portrait_set", family: &profiles, run: (*Handler).portraitSet},
	{name: "profile/portrait_get", family: &profiles, run: (*Handler).portraitGet},
	{name: "muster/multi_kick", family: &extensions, run: (*Handler).multiKick},
	{name: "muster/bulk_import", family: &extensions, stream: (*Handler).bulkImport},
	{name: "muster/bulk_export", family: &extensions, stream: (*Handler).bulkExport},
}

// Commands returns the names (service/command) of all commands, for documents and tests.
func Commands() []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.name
	}
	return names
}

// route is a command with the metrics that it counts in.
type route struct {
	command
	succeeded prometheus.Counter
	seconds   prometheus.Observer
}

func newRoute(c command, m *metrics) *route {
	return &route{
		command:   c,
		succeeded: m.requests.WithLabelValues(c.name, "0"),
		seconds:   m.seconds.WithLabelValues(c.name),
	}
}
