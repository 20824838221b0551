package imclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// The profile commands (im-rest-api.md, section 6.6).
const (
	cmdPortraitSet = "profile/portrait_set"
	cmdPortraitGet = "profile/portrait_get"
)

// Tags that every account may have; there are more, and an App has its own under
// Tag_Profile_Custom_.
const (
	TagNick  = "Tag_Profile_IM_Nick"
	TagImage = "Tag_Profile_IM_Image"
)

// notFound stands in a reply for the name of an account that is not imported.
const notFound = "@TLS#NOT_FOUND"

// ProfileItem is one value of a profile.
type ProfileItem struct {
	Tag string
	// Value is a string or a number: to set it any integer type will do, when read it is
	// a string or a json.Number.
	Value any
}

// UnmarshalJSON implements json.Unmarshaler; it keeps numbers exact.
func (p *ProfileItem) UnmarshalJSON(text []byte) error {
	var item struct {
		Tag   string
		Value any
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&item); err != nil {
		return err
	}
	*p = ProfileItem(item)
	return nil
}

// PortraitSet sets values of an account's profile; those that are not named stay.
func (c *Client) PortraitSet(ctx context.Context, userID string, items ...ProfileItem) error {
	list, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("imclient: %s: %w", cmdPortraitSet, err)
	}
	body := appendString([]byte(`{"From_Account":`), userID)
	body = append(body, `,"ProfileItem":`...)
	body = append(body, list...)
	return c.envelopeOnly(ctx, cmdPortraitSet, append(body, '}'))
}

// PortraitReply is the answer of PortraitGet.
type PortraitReply struct {
	Portraits    []Portrait // in the order of the request
	FailAccounts []string   // the accounts that have none
}

// Portrait is what was asked for of one account's profile.
type Portrait struct {
	Result               // Code 40003: the account is not imported
	Items  []ProfileItem // of the tags asked for, those that are set
}

// PortraitGet reads the values that tags name from the profiles of up to 100 accounts.
func (c *Client) PortraitGet(ctx context.Context, userIDs, tags []string) (PortraitReply, error) {
	body := append(make([]byte, 0, sizeOf(userIDs, len(`"",`))), `{"To_Account":`...)
	body = append(appendNames(body, userIDs), `,"TagList":`...)
	body = append(appendNames(body, tags), '}')
	out, err := do[portraitReply](ctx, c, cmdPortraitGet, body)
	if err != nil {
		return PortraitReply{}, err
	}
	reply := PortraitReply{Portraits: convert(out.UserProfileItem, portraitItem.portrait), FailAccounts: out.FailAccounts}
	for i := range reply.Portraits {
		// One item for each account, in order: the name can be put back.
		if p := &reply.Portraits[i]; p.UserID == notFound && len(reply.Portraits) == len(userIDs) {
			p.UserID = userIDs[i]
		}
	}
	return reply, nil
}

type portraitReply struct {
	envelope
	UserProfileItem []portraitItem
	FailAccounts    []string `json:"Fail_Account"`
}

type portraitItem struct {
	Account     string `json:"To_Account"`
	ProfileItem []ProfileItem
	ResultCode  int
	ResultInfo  string
}

func (i portraitItem) portrait() Portrait {
	return Portrait{Result: Result{UserID: i.Account, Code: i.ResultCode, Info: i.ResultInfo}, Items: i.ProfileItem}
}
