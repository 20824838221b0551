// Package profile knows the tags that an account's profile may have: the standard ones
// with their types and limits, and the App's own. It turns what portrait_set brings into
// a change for the store, all or nothing, and a stored profile into what portrait_get
// asked for. Source: im-rest-api.md, section 6.6.
//
// A value keeps its JSON type. Numbers are stored in their plain decimal form, texts
// with the fewest escapes, so that equal values are equal bytes. A text set to "" counts
// as not set: tags that are not set are absent when a profile is read.
//
// Every caller of the REST API is an admin and may write every tag, so 40008 (no
// permission to write) cannot occur here.
package profile

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
)

// The tags that an import can set as well; they live in their own fields of a Profile.
const (
	TagNick  = "Tag_Profile_IM_Nick"
	TagImage = "Tag_Profile_IM_Image"
)

// The form of an App's own tags: customPrefix and 1 to maxCustom letters or digits.
const (
	customPrefix = "Tag_Profile_Custom_"
	maxCustom    = 8
)

// emptyText is the JSON text of a text that is not set.
const emptyText = `""`

// kind is what a tag's value may be.
type kind uint8

const (
	text   kind = iota // a string of at most limit bytes
	choice             // one of choices
	number             // an unsigned integer of 32 bits
	custom             // a string of at most limit bytes, or an unsigned integer of 64 bits
)

// rule describes one tag.
type rule struct {
	tag     string
	kind    kind
	limit   int
	choices []string
}

var rules = []rule{
	{tag: TagNick, kind: text, limit: account.MaxProfileValue},
	{tag: TagImage, kind: text, limit: account.MaxProfileValue},
	{tag: "Tag_Profile_IM_SelfSignature", kind: text, limit: account.MaxProfileValue},
	{tag: "Tag_Profile_IM_Location", kind: text, limit: 16},
	{tag: "Tag_Profile_IM_Gender", kind: choice, choices: []string{"Gender_Type_Unknown", "Gender_Type_Female", "Gender_Type_Male"}},
	{tag: "Tag_Profile_IM_AllowType", kind: choice, choices: []string{"AllowType_Type_NeedConfirm", "AllowType_Type_AllowAny", "AllowType_Type_DenyAny"}},
	{tag: "Tag_Profile_IM_AdminForbidType", kind: choice, choices: []string{"AdminForbid_Type_None", "AdminForbid_Type_SendOut"}},
	{tag: "Tag_Profile_IM_BirthDay", kind: number},
	{tag: "Tag_Profile_IM_Language", kind: number},
	{tag: "Tag_Profile_IM_Level", kind: number},
	{tag: "Tag_Profile_IM_Role", kind: number},
}

// find returns the rule of a tag, or 40009.
func find(tag string) (rule, *errcode.Error) {
	if i := slices.IndexFunc(rules, func(r rule) bool { return r.tag == tag }); i >= 0 {
		return rules[i], nil
	}
	if key, ok := strings.CutPrefix(tag, customPrefix); ok && isCustomKey(key) {
		// The clone lets go of the request's body, from which tag is cut.
		return rule{tag: strings.Clone(tag), kind: custom, limit: account.MaxProfileValue}, nil
	}
	return rule{}, errcode.Newf(errcode.ProfileUnknownTag, "the profile tag %q does not exist", clip(tag))
}

func isCustomKey(key string) bool {
	if key == "" || len(key) > maxCustom {
		return false
	}
	for _, c := range []byte(key) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// clip keeps what a caller sent from filling an ErrorInfo.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// ParseChange checks what is to be written to a profile and returns it as a change. Each
// item's Value is JSON text that has been parsed before, so it is well formed; of a
// repeated tag the last item counts. The change shares no memory with items.
//
// Errors: 40009 for a tag that does not exist, 40610 for a value of the wrong JSON type,
// 40605 for one that is not among the values allowed, 40601 for a text that is too long.
func ParseChange(items []account.Attr) (account.ProfileChange, error) {
	var c account.ProfileChange
	for _, item := range items {
		r, err := find(item.Tag)
		if err != nil {
			return account.ProfileChange{}, err
		}
		value, err := r.parse(item.Value)
		if err != nil {
			return account.ProfileChange{}, err
		}
		switch r.tag {
		case TagNick:
			c.Nick = &value.text
		case TagImage:
			c.FaceURL = &value.text
		default:
			c.Attrs = put(c.Attrs, account.Attr{Tag: r.tag, Value: value.json})
		}
	}
	return c, nil
}

func put(attrs []account.Attr, a account.Attr) []account.Attr {
	i := slices.IndexFunc(attrs, func(b account.Attr) bool { return b.Tag == a.Tag })
	if i < 0 {
		return append(attrs, a)
	}
	attrs[i] = a
	return attrs
}

// CheckTags returns 40009 for the first of tags that does not exist, else nil.
func CheckTags(tags []string) error {
	for _, tag := range tags {
		if _, err := find(tag); err != nil {
			return err
		}
	}
	return nil
}

// Select returns those of tags that are set in p, in the order of tags. Values are JSON
// text.
func Select(p account.Profile, tags []string) []account.Attr {
	out := make([]account.Attr, 0, len(tags))
	for _, tag := range tags {
		if value := lookup(p, tag); value != "" && value != emptyText {
			out = append(out, account.Attr{Tag: tag, Value: value})
		}
	}
	return out
}

// lookup returns the JSON text of a tag's value, or "" if there is none.
func lookup(p account.Profile, tag string) string {
	switch tag {
	case TagNick:
		return quote(p.Nick)
	case TagImage:
		return quote(p.FaceURL)
	}
	i, ok := slices.BinarySearchFunc(p.Attrs, tag, func(a account.Attr, tag string) int { return strings.Compare(a.Tag, tag) })
	if !ok {
		return ""
	}
	return p.Attrs[i].Value
}

// quote returns s as JSON text. Bytes that are not UTF-8 become U+FFFD.
func quote(s string) string {
	quoted, _ := jsontext.AppendQuote(nil, s) // the error only says that some did
	return string(quoted)
}
