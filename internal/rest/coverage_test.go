package rest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/rest"
)

// unreachable are the codes of the table that no command here can answer, and why.
var unreachable = map[errcode.Code]string{
	errcode.OpenIMRecallLate:   "every caller of the REST API is an admin, who may recall at any time",
	errcode.ProfileReadOnlyTag: "every caller of the REST API is an admin, who may write every tag",
}

// common are the codes that any command may answer before it runs; one golden file shows
// each of them for one command.
var common = []errcode.Code{
	errcode.OK, errcode.BadHTTP, errcode.UnknownCommand, errcode.NoSDKAppID, errcode.BadURLParam, errcode.UnknownApp,
	errcode.AppDisabled, errcode.TooManyBadSigs, errcode.SigUndecodable, errcode.SigOtherApp, errcode.SigOtherUser,
	errcode.SigBadMAC, errcode.SigKicked, errcode.SigExpired, errcode.CommandRate,
}

// own are the codes, of a whole call or of one item, that a command answers of its own
// accord. Sources: the code lists of im-rest-api.md, sections 2 and 6.6.
var own = map[string][]errcode.Code{
	"im_open_login_svc/account_import": {
		0, errcode.BadJSON, errcode.UserIDNotString, errcode.BadParam, errcode.AccountNotAdmin, errcode.ProfileTooLong,
		errcode.QuotaExceeded, errcode.DeletedRecently, errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"im_open_login_svc/multiaccount_import": {
		0, errcode.BadJSON, errcode.UserIDNotString, errcode.BadParam, errcode.AccountNotAdmin, errcode.ProfileTooLong,
		errcode.QuotaExceeded, errcode.DeletedRecently, errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"im_open_login_svc/account_delete": {
		0, errcode.BadJSON, errcode.UserIDNotString, errcode.BadParam, errcode.AccountNotAdmin, errcode.NoAccount,
		errcode.DeleteLocked, errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"im_open_login_svc/account_check": {
		0, errcode.BadJSON, errcode.UserIDNotString, errcode.BadParam, errcode.AccountNotAdmin,
		errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"im_open_login_svc/kick": {
		0, errcode.BadJSON, errcode.UserIDNotString, errcode.BadParam, errcode.AccountNotAdmin, errcode.NoAccount,
		errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"openim/querystate": {
		0, errcode.OpenIMBadJSON, errcode.OpenIMBadFormat, errcode.OpenIMNotAdmin, errcode.OpenIMTooMany,
		errcode.NoAccount, errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/query_online_status": {
		0, errcode.OpenIMBadJSON, errcode.OpenIMBadFormat, errcode.OpenIMNotAdmin, errcode.OpenIMTooMany,
		errcode.NoAccount, errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/sendmsg": {
		0, errcode.OpenIMForbidden, errcode.OpenIMHook, errcode.OpenIMBadJSON, errcode.OpenIMBadBody, errcode.OpenIMBadFormat,
		errcode.OpenIMBadSeq, errcode.OpenIMBadRandom, errcode.OpenIMBadTime, errcode.OpenIMBodyNotArray, errcode.OpenIMNoSender,
		errcode.OpenIMNotAdmin, errcode.OpenIMBadElement, errcode.OpenIMNoRecipient, errcode.OpenIMBadSync, errcode.OpenIMBadPush,
		errcode.OpenIMBadLife, errcode.OpenIMTooLong, errcode.HookCodeMin,
		errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/batchsendmsg": {
		0, errcode.NoAccount, errcode.OpenIMBadJSON, errcode.OpenIMBadBody, errcode.OpenIMBadFormat,
		errcode.OpenIMBadSeq, errcode.OpenIMBadRandom, errcode.OpenIMBadTime, errcode.OpenIMBodyNotArray, errcode.OpenIMNoSender,
		errcode.OpenIMNotAdmin, errcode.OpenIMBadElement, errcode.OpenIMTooMany, errcode.OpenIMNoRecipient, errcode.OpenIMBatchNotArray,
		errcode.OpenIMBatchEmpty, errcode.OpenIMBadSync, errcode.OpenIMBadPush, errcode.OpenIMBadLife, errcode.OpenIMBatchTooLong,
		errcode.OpenIMBatchRate, errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/importmsg": {
		0, errcode.OpenIMBadJSON, errcode.OpenIMBadBody, errcode.OpenIMBadFormat, errcode.OpenIMBadSeq, errcode.OpenIMBadRandom,
		errcode.OpenIMBadTime, errcode.OpenIMBodyNotArray, errcode.OpenIMNoSender, errcode.OpenIMNotAdmin, errcode.OpenIMBadElement,
		errcode.OpenIMNoRecipient, errcode.OpenIMBadOrigin, errcode.OpenIMTooLong,
		errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/admin_getroammsg": {
		0, errcode.OpenIMBadJSON, errcode.OpenIMBadFormat, errcode.OpenIMNoSender, errcode.OpenIMNotAdmin, errcode.OpenIMNoAccount,
		errcode.OpenIMBadKey, errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"openim/admin_msgwithdraw": {
		0, errcode.OpenIMNoMessage, errcode.OpenIMRecalled, errcode.OpenIMBadJSON, errcode.OpenIMBadFormat, errcode.OpenIMNoSender,
		errcode.OpenIMNotAdmin, errcode.OpenIMNoRecipient, errcode.OpenIMBadKey,
		errcode.StoreTimeout, errcode.Busy, errcode.OpenIMInternal,
	},
	"profile/portrait_set": {
		0, errcode.ProfileBadParam, errcode.ProfileNoAccount, errcode.ProfileNotAdmin, errcode.ProfileInternal,
		errcode.ProfileUnknownTag, errcode.ProfileTooLong, errcode.ProfileBadValue, errcode.ProfileBadType,
		errcode.StoreTimeout, errcode.Busy,
	},
	"profile/portrait_get": {
		0, errcode.ProfileBadParam, errcode.ProfileNoTarget, errcode.ProfileNoAccount, errcode.ProfileNotAdmin,
		errcode.ProfileInternal, errcode.ProfileUnknownTag, errcode.StoreTimeout, errcode.Busy,
	},
	"muster/multi_kick": {
		0, errcode.BadJSON, errcode.NotAdmin, errcode.UserIDNotString, errcode.BadParam, errcode.NoAccount,
		errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"muster/bulk_import": {
		0, errcode.BadJSON, errcode.NotAdmin, errcode.UserIDNotString, errcode.BadParam, errcode.ProfileTooLong,
		errcode.QuotaExceeded, errcode.DeletedRecently, errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
	"muster/bulk_export": {
		0, errcode.BadJSON, errcode.NotAdmin, errcode.BadParam, errcode.StoreTimeout, errcode.Busy, errcode.Internal,
	},
}

type codeSet = map[errcode.Code]bool

// TestEveryCodeHasAGolden fails when a command, or a code that it can answer, has no
// golden file, and when a golden file shows one that the tables above do not know.
func TestEveryCodeHasAGolden(t *testing.T) {
	shown := shownCodes(t)
	commands := rest.Commands()
	if got := slices.Sorted(maps.Keys(own)); !slices.Equal(got, slices.Sorted(slices.Values(commands))) {
		t.Fatalf("this test knows the commands %v, the table of routes has %v", got, commands)
	}
	anywhere := codeSet{}
	for _, codes := range shown {
		maps.Copy(anywhere, codes)
	}
	for _, command := range commands {
		for _, code := range own[command] {
			if !shown[command][code] {
				t.Errorf("no golden file shows %d of %s", code, command)
			}
		}
		for code := range shown[command] {
			if !slices.Contains(own[command], code) && !slices.Contains(common, code) {
				t.Errorf("a golden file shows %d of %s, which is in no table", code, command)
			}
		}
	}
	for _, entry := range errcode.Table() {
		why, not := unreachable[entry.Code]
		switch {
		case not && anywhere[entry.Code]:
			t.Errorf("%d is answered, although %s", entry.Code, why)
		case !not && !anywhere[entry.Code]:
			t.Errorf("no golden file shows %d", entry.Code)
		}
	}
	for _, code := range common {
		if !anywhere[code] {
			t.Errorf("no golden file shows %d", code)
		}
	}
}

// shownCodes returns the codes in all golden responses, by command.
func shownCodes(t *testing.T) map[string]codeSet {
	t.Helper()
	shown := make(map[string]codeSet)
	for _, path := range goldenFiles(t) {
		var command string
		for _, s := range readStory(t, path).sections {
			switch s.name {
			case "request":
				command = commandOf(s.text)
			case "response":
				if shown[command] == nil {
					shown[command] = codeSet{}
				}
				head, body, _ := strings.Cut(s.text, "\n\n")
				if body == "" { // HEAD and OPTIONS
					continue
				}
				if strings.Contains(head, ndjson) {
					body = collectLines(t, shown[command], body)
				}
				collect(t, shown[command], body)
			}
		}
	}
	return shown
}

// commandOf returns the service/command of a request line.
func commandOf(request string) string {
	_, path, _ := strings.Cut(request, " /v4/")
	end := strings.IndexAny(path, "? \n")
	if end < 0 {
		return path
	}
	return path[:end]
}

// collectLines notes the codes of the lines of a stream, and returns the last of them.
func collectLines(t *testing.T, codes codeSet, body string) (last string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	last = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		var l struct {
			UserID       *string
			Progress     *struct{ Rows *int64 }
			ActionStatus *string
			ResultCode   errcode.Code
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if (l.UserID == nil) == (l.Progress == nil) || l.ActionStatus != nil {
			t.Errorf("before the end stands %s", line)
		}
		codes[l.ResultCode] = true
	}
	return last
}

// collect notes the codes of one response and of its items.
func collect(t *testing.T, codes codeSet, body string) {
	t.Helper()
	type item struct{ ResultCode, ErrorCode errcode.Code }
	var r struct {
		ErrorCode                              *errcode.Code
		ErrorInfo, ActionStatus                *string
		ResultItem, ErrorList, UserProfileItem []item
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if r.ErrorCode == nil || r.ErrorInfo == nil || r.ActionStatus == nil {
		t.Fatalf("no envelope: %s", body)
	}
	if strings.Contains(body, ":null") {
		t.Errorf("null in %s", body)
	}
	codes[*r.ErrorCode] = true
	for _, i := range slices.Concat(r.ResultItem, r.ErrorList, r.UserProfileItem) {
		codes[i.ResultCode] = true
		codes[i.ErrorCode] = true
	}
}

// TestGoldenFilesHoldNoSecret: keys and UserSigs stand in them as templates only.
func TestGoldenFilesHoldNoSecret(t *testing.T) {
	for _, path := range goldenFiles(t) {
		text := readStory(t, path).String()
		for _, secret := range []string{testKey, "eJyrVgrx", "eAE"} { // a Key; how UserSigs begin
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
	}
}
