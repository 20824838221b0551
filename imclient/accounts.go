package imclient

import (
	"context"
	"errors"
	"fmt"
)

// The account commands (im-rest-api.md, sections 2.1 to 2.5).
const (
	cmdAccountImport      = "im_open_login_svc/account_import"
	cmdMultiAccountImport = "im_open_login_svc/multiaccount_import"
	cmdAccountDelete      = "im_open_login_svc/account_delete"
	cmdAccountCheck       = "im_open_login_svc/account_check"
	cmdKick               = "im_open_login_svc/kick"
)

// Account is an account to import.
type Account struct {
	UserID  string // 1 to 32 bytes of printable ASCII, case significant
	Nick    string // up to 500 bytes; empty leaves what an existing account has
	FaceURL string // likewise
}

func (a Account) append(dst []byte) []byte {
	dst = append(dst, `{"UserID":`...)
	dst = appendString(dst, a.UserID)
	if a.Nick != "" {
		dst = appendField(dst, "Nick", a.Nick)
	}
	if a.FaceURL != "" {
		dst = appendField(dst, "FaceUrl", a.FaceURL)
	}
	return append(dst, '}')
}

// AccountImport imports one account. Importing one that exists is no error.
func (c *Client) AccountImport(ctx context.Context, a Account) error {
	return c.envelopeOnly(ctx, cmdAccountImport, a.append(nil))
}

// ImportRequest is up to 100 accounts, in one of the two forms that the API has.
type ImportRequest struct {
	Names    []string  // the older form, for accounts without Nick and FaceURL
	Accounts []Account // the newer form
	// Detail asks for ImportReply.Items. Muster answers them; other services ignore it.
	Detail bool
	// Count asks for ImportReply.Count. Muster answers it; other services ignore it.
	// Unlike Detail it costs the service nothing.
	Count bool
}

// ImportReply is the answer of MultiAccountImport.
type ImportReply struct {
	FailAccounts []string // the accounts that were not imported; all others were
	// Items has one item for each account of the request, in order, or is empty if the
	// service does not know Detail.
	Items []ImportItem
	// Count is nil if the service does not know it.
	Count *ImportCount
}

// ImportCount says of how many accounts of a request became what; see ImportItem.Status.
type ImportCount struct {
	Created, Existed, Updated, Duplicate, Failed int
}

// ImportItem is what became of one account.
type ImportItem struct {
	Result
	Status string // Created, Existed, Updated, Duplicate or Failed
	TinyID string // the internal ID, decimal; empty if Failed
}

// MultiAccountImport imports up to 100 accounts. Importing one that exists is no
// failure.
func (c *Client) MultiAccountImport(ctx context.Context, r ImportRequest) (ImportReply, error) {
	body, err := r.body()
	if err != nil {
		return ImportReply{}, fmt.Errorf("imclient: %s: %w", cmdMultiAccountImport, err)
	}
	var reply ImportReply
	err = c.call(ctx, cmdMultiAccountImport, body, func(x exchange) error {
		reply, err = c.importReply(x)
		return err
	})
	return reply, err
}

func (c *Client) importReply(x exchange) (ImportReply, error) {
	if count, ok := matchImported(x.reply); ok {
		return ImportReply{Count: count}, nil
	}
	var out struct {
		envelope
		FailAccounts []string
		Count        *ImportCount
		ResultItem   []importItem
	}
	if err := c.decode(x, &out); err != nil {
		return ImportReply{}, err
	}
	items := convert(out.ResultItem, importItem.item)
	return ImportReply{FailAccounts: out.FailAccounts, Items: items, Count: out.Count}, nil
}

func (r ImportRequest) body() ([]byte, error) {
	if len(r.Names) > 0 && len(r.Accounts) > 0 {
		return nil, errors.New("the request has both Names and Accounts")
	}
	var body []byte
	if len(r.Accounts) > 0 {
		body = append(body, `{"AccountList":`...)
		body = appendArray(body, r.Accounts, func(dst []byte, a Account) []byte { return a.append(dst) })
	} else {
		body = make([]byte, 0, sizeOf(r.Names, len(`"",`)))
		body = append(body, `{"Accounts":`...)
		body = appendNames(body, r.Names)
	}
	if r.Detail {
		body = append(body, `,"IsNeedDetail":1`...)
	}
	if r.Count {
		body = append(body, `,"IsNeedCount":1`...)
	}
	return append(body, '}'), nil
}

// result is a Result on the wire.
type result struct {
	UserID     string
	ResultCode int
	ResultInfo string
}

func (r result) public() Result {
	return Result{UserID: r.UserID, Code: r.ResultCode, Info: r.ResultInfo}
}

type importItem struct {
	result
	Status string
	TinyID string
}

func (i importItem) item() ImportItem {
	return ImportItem{Result: i.public(), Status: i.Status, TinyID: i.TinyID}
}

// AccountDelete deletes up to 100 accounts, which cannot be undone, and returns what
// became of each, in order. An account that does not exist has the Code 70107; so has
// one that an earlier attempt of the same call deleted.
func (c *Client) AccountDelete(ctx context.Context, userIDs []string) ([]Result, error) {
	body := append(make([]byte, 0, sizeOf(userIDs, len(`{"UserID":""},`))), `{"DeleteItem":`...)
	return c.results(ctx, cmdAccountDelete, append(appendUsers(body, userIDs), '}'), userIDs)
}

// results makes a call whose reply has a result for each account.
func (c *Client) results(ctx context.Context, command string, body []byte, userIDs []string) ([]Result, error) {
	var results []Result
	err := c.call(ctx, command, body, func(x exchange) (err error) {
		results, err = c.readResults(x, userIDs)
		return err
	})
	return results, err
}

func (c *Client) readResults(x exchange, userIDs []string) ([]Result, error) {
	if results, ok := matchResults(x.reply, userIDs); ok {
		return results, nil
	}
	var out struct {
		envelope
		ResultItem []result
	}
	if err := c.decode(x, &out); err != nil {
		return nil, err
	}
	return convert(out.ResultItem, result.public), nil
}

// Checked is the answer of AccountCheck for one account. That it is not imported is no
// failure: the Code is then 0.
type Checked struct {
	Result
	Imported bool
}

// AccountCheck asks for up to 100 accounts whether they are imported. The answers are in
// the order of userIDs.
func (c *Client) AccountCheck(ctx context.Context, userIDs []string) ([]Checked, error) {
	body := append(make([]byte, 0, sizeOf(userIDs, len(`{"UserID":""},`))), `{"CheckItem":`...)
	body = append(appendUsers(body, userIDs), '}')
	var checked []Checked
	err := c.call(ctx, cmdAccountCheck, body, func(x exchange) (err error) {
		checked, err = c.checkReply(x, userIDs)
		return err
	})
	return checked, err
}

func (c *Client) checkReply(x exchange, userIDs []string) ([]Checked, error) {
	if checked, ok := matchChecked(x.reply, userIDs); ok {
		return checked, nil
	}
	var out struct {
		envelope
		ResultItem []checkItem
	}
	if err := c.decode(x, &out); err != nil {
		return nil, err
	}
	return convert(out.ResultItem, checkItem.checked), nil
}

type checkItem struct {
	result
	AccountStatus string
}

func (i checkItem) checked() Checked {
	return Checked{Result: i.public(), Imported: i.AccountStatus == "Imported"}
}

// Kick ends the account's sessions and makes all UserSigs worthless that were made for
// it before.
func (c *Client) Kick(ctx context.Context, userID string) error {
	return c.envelopeOnly(ctx, cmdKick, Account{UserID: userID}.append(nil))
}

// convert maps the items of a reply to those of this package's types.
func convert[W, T any](items []W, f func(W) T) []T {
	out := make([]T, len(items))
	for i, item := range items {
		out[i] = f(item)
	}
	return out
}
