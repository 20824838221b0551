package storetest

import (
	"fmt"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

func profileCases() []testCase {
	attr := func(tag, value string) account.Attr { return account.Attr{Tag: tag, Value: value} }
	start := account.Profile{Nick: "nick", FaceURL: "face", Attrs: []account.Attr{attr("b", "1"), attr("d", `"x"`)}}
	rows := []struct {
		name   string
		change account.ProfileChange
		want   account.Profile
	}{
		{"nothing", account.ProfileChange{}, start},
		{
			"Nick alone",
			account.ProfileChange{Nick: new("new")},
			account.Profile{Nick: "new", FaceURL: "face", Attrs: start.Attrs},
		},
		{
			"FaceURL alone",
			account.ProfileChange{FaceURL: new("new")},
			account.Profile{Nick: "nick", FaceURL: "new", Attrs: start.Attrs},
		},
		{
			"an empty text wipes",
			account.ProfileChange{Nick: new(""), FaceURL: new("")},
			account.Profile{Attrs: start.Attrs},
		},
		{
			"tags are merged, sorted by byte",
			account.ProfileChange{Attrs: []account.Attr{attr("c", "2"), attr("b", "3"), attr("ab", "4"), attr("B", "5")}},
			account.Profile{Nick: "nick", FaceURL: "face", Attrs: []account.Attr{
				attr("B", "5"), attr("ab", "4"), attr("b", "3"), attr("c", "2"), attr("d", `"x"`),
			}},
		},
		{
			"tags that are prefixes of others",
			account.ProfileChange{Attrs: []account.Attr{attr("bb", "2"), attr("b", "1"), attr("bbb", "3")}},
			account.Profile{Nick: "nick", FaceURL: "face", Attrs: []account.Attr{
				attr("b", "1"), attr("bb", "2"), attr("bbb", "3"), attr("d", `"x"`),
			}},
		},
		{
			"every byte is kept",
			account.ProfileChange{Nick: new("é\"\\\n日本"), Attrs: []account.Attr{attr("d", "\"\x01é☃\u2028\"")}},
			account.Profile{Nick: "é\"\\\n日本", FaceURL: "face", Attrs: []account.Attr{attr("b", "1"), attr("d", "\"\x01é☃\u2028\"")}},
		},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{"Profile/" + row.name, func(c *client) {
			id := c.importOne(50, account.Entry{UserID: "ann", Nick: "nick", FaceURL: "face"}).TinyID
			c.kick("ann", 55)
			c.setProfile("ann", account.ProfileChange{Attrs: start.Attrs})
			same(c.TB, "found", c.setProfile("ann", row.change), true)
			want := account.Account{UserID: "ann", TinyID: id, Created: 50, ValidFrom: 55, Profile: row.want}
			same(c.TB, "account", c.getOne("ann"), want)
			same(c.TB, "list", c.list("", 10), withoutAttrs([]account.Account{want}))
		}})
	}
	return append(cases, profileLifeCases()...)
}

func profileLifeCases() []testCase {
	change := account.ProfileChange{Nick: new("n"), Attrs: []account.Attr{{Tag: "t", Value: "1"}}}
	return []testCase{
		{"Profile/a name never imported", func(c *client) {
			same(c.TB, "found", c.setProfile("ann", change), false)
			c.importIDs(50, "ann")
			same(c.TB, "profile", c.getOne("ann").Profile, account.Profile{})
		}},
		{"Profile/a deleted name", func(c *client) {
			c.importIDs(50, "ann")
			c.del(60, "ann")
			same(c.TB, "found", c.setProfile("ann", change), false)
			same(c.TB, "account", c.getOne("ann"), account.Account{UserID: "ann", ValidFrom: 60})
			c.importIDs(70, "ann")
			same(c.TB, "profile of the re-import", c.getOne("ann").Profile, account.Profile{})
		}},
		{"Profile/a wiped Nick can be imported again", func(c *client) {
			c.importOne(50, account.Entry{UserID: "ann", Nick: "old"})
			c.setProfile("ann", account.ProfileChange{Nick: new("")})
			same(c.TB, "status", c.importOne(60, account.Entry{UserID: "ann", Nick: "old"}).Status, account.Updated)
			same(c.TB, "Nick", c.getOne("ann").Profile.Nick, "old")
		}},
		{"Profile/many long tags", func(c *client) {
			c.importIDs(50, "ann")
			var want []account.Attr
			for i := range 60 {
				a := account.Attr{
					Tag:   fmt.Sprintf("Tag_Profile_Custom_%02d", i),
					Value: `"` + strings.Repeat(string(rune('a'+i%26)), account.MaxProfileValue) + `"`,
				}
				want = append(want, a)
				c.setProfile("ann", account.ProfileChange{Attrs: []account.Attr{a}})
			}
			same(c.TB, "tags", c.getOne("ann").Profile.Attrs, want)
		}},
		{"Profile/accounts do not share one", func(c *client) {
			c.importIDs(50, "a", "b")
			c.of(7).importIDs(50, "a")
			c.setProfile("a", change)
			same(c.TB, "profile of b", c.getOne("b").Profile, account.Profile{})
			same(c.TB, "profile in the other App", c.of(7).getOne("a").Profile, account.Profile{})
		}},
	}
}
