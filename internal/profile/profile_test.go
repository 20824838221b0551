package profile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/profile"
)

func TestParseChange(t *testing.T) {
	for _, tc := range []struct {
		name  string
		items []account.Attr
		want  account.ProfileChange
	}{
		{
			"nick and image have their own fields",
			[]account.Attr{{Tag: "Tag_Profile_IM_Nick", Value: `"\u4e2d"`}, {Tag: "Tag_Profile_IM_Image", Value: `"http:\/\/x"`}},
			account.ProfileChange{Nick: new("中"), FaceURL: new("http://x")},
		},
		{"an empty nick wipes", []account.Attr{{Tag: "Tag_Profile_IM_Nick", Value: `""`}}, account.ProfileChange{Nick: new("")}},
		{"values keep their type", []account.Attr{
			{Tag: "Tag_Profile_IM_Level", Value: `7`},
			{Tag: "Tag_Profile_Custom_a1", Value: `"7"`},
			{Tag: "Tag_Profile_Custom_b", Value: `18446744073709551615`},
		}, account.ProfileChange{Attrs: []account.Attr{
			{Tag: "Tag_Profile_IM_Level", Value: `7`},
			{Tag: "Tag_Profile_Custom_a1", Value: `"7"`},
			{Tag: "Tag_Profile_Custom_b", Value: `18446744073709551615`},
		}}},
		{"one form for equal values", []account.Attr{
			{Tag: "Tag_Profile_IM_Role", Value: `4.294967295e9`},
			{Tag: "Tag_Profile_IM_Level", Value: `7.0`},
			{Tag: "Tag_Profile_IM_Language", Value: `-0`},
			{Tag: "Tag_Profile_IM_SelfSignature", Value: `"\u003cb\u003e \"\ud800"`},
		}, account.ProfileChange{Attrs: []account.Attr{
			{Tag: "Tag_Profile_IM_Role", Value: `4294967295`},
			{Tag: "Tag_Profile_IM_Level", Value: `7`},
			{Tag: "Tag_Profile_IM_Language", Value: `0`},
			{Tag: "Tag_Profile_IM_SelfSignature", Value: `"<b> \"` + "\ufffd" + `"`},
		}}},
		{"the last of a tag counts", []account.Attr{
			{Tag: "Tag_Profile_IM_Level", Value: `1`},
			{Tag: "Tag_Profile_IM_Nick", Value: `"a"`},
			{Tag: "Tag_Profile_IM_Level", Value: `2`},
			{Tag: "Tag_Profile_IM_Nick", Value: `"b"`},
		}, account.ProfileChange{Nick: new("b"), Attrs: []account.Attr{{Tag: "Tag_Profile_IM_Level", Value: `2`}}}},
		{"every choice", []account.Attr{
			{Tag: "Tag_Profile_IM_Gender", Value: `"Gender_Type_Female"`},
			{Tag: "Tag_Profile_IM_AllowType", Value: `"AllowType_Type_DenyAny"`},
			{Tag: "Tag_Profile_IM_AdminForbidType", Value: `"AdminForbid_Type_SendOut"`},
		}, account.ProfileChange{Attrs: []account.Attr{
			{Tag: "Tag_Profile_IM_Gender", Value: `"Gender_Type_Female"`},
			{Tag: "Tag_Profile_IM_AllowType", Value: `"AllowType_Type_DenyAny"`},
			{Tag: "Tag_Profile_IM_AdminForbidType", Value: `"AdminForbid_Type_SendOut"`},
		}}},
		{"exactly at the limits, in bytes", []account.Attr{
			{Tag: "Tag_Profile_IM_Nick", Value: `"` + strings.Repeat("é", 250) + `"`},
			{Tag: "Tag_Profile_IM_Location", Value: `"` + strings.Repeat("x", 16) + `"`},
		}, account.ProfileChange{Nick: new(strings.Repeat("é", 250)), Attrs: []account.Attr{
			{Tag: "Tag_Profile_IM_Location", Value: `"` + strings.Repeat("x", 16) + `"`},
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := profile.ParseChange(tc.items)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseChangeRefuses(t *testing.T) {
	for _, tc := range []struct {
		tag, value string
		code       errcode.Code
		info       string
	}{
		{"Tag_Profile_IM_Nope", `1`, errcode.ProfileUnknownTag, `the profile tag "Tag_Profile_IM_Nope" does not exist`},
		{"tag_profile_im_nick", `"a"`, errcode.ProfileUnknownTag, ""},
		{"", `"a"`, errcode.ProfileUnknownTag, ""},
		{"Tag_Profile_Custom_", `"a"`, errcode.ProfileUnknownTag, ""},
		{"Tag_Profile_Custom_123456789", `"a"`, errcode.ProfileUnknownTag, ""},
		{"Tag_Profile_Custom_a_b", `"a"`, errcode.ProfileUnknownTag, ""},
		{"Tag_Profile_Custom_é", `"a"`, errcode.ProfileUnknownTag, ""},
		{strings.Repeat("x", 1000), `"a"`, errcode.ProfileUnknownTag, `the profile tag "` + strings.Repeat("x", 64) + `…" does not exist`},

		{"Tag_Profile_IM_Nick", `7`, errcode.ProfileBadType, "the value of Tag_Profile_IM_Nick must be a string"},
		{"Tag_Profile_IM_Nick", `null`, errcode.ProfileBadType, ""},
		{"Tag_Profile_IM_Gender", `1`, errcode.ProfileBadType, ""},
		{"Tag_Profile_IM_Level", `"7"`, errcode.ProfileBadType, "the value of Tag_Profile_IM_Level must be an integer"},
		{"Tag_Profile_IM_Level", `7.5`, errcode.ProfileBadType, "the value of Tag_Profile_IM_Level must be an integer"},
		{"Tag_Profile_IM_Level", `true`, errcode.ProfileBadType, ""},
		{"Tag_Profile_Custom_a", `{}`, errcode.ProfileBadType, "the value of Tag_Profile_Custom_a must be a string or an integer"},
		{"Tag_Profile_Custom_a", `["x"]`, errcode.ProfileBadType, ""},
		{"Tag_Profile_Custom_a", `0.1`, errcode.ProfileBadType, ""},

		{"Tag_Profile_IM_Gender", `"male"`, errcode.ProfileBadValue, "the value of Tag_Profile_IM_Gender must be one of Gender_Type_Unknown, Gender_Type_Female, Gender_Type_Male"},
		{"Tag_Profile_IM_AllowType", `""`, errcode.ProfileBadValue, ""},
		{"Tag_Profile_IM_Level", `4294967296`, errcode.ProfileBadValue, "the value of Tag_Profile_IM_Level must be between 0 and 4294967295"},
		{"Tag_Profile_IM_Level", `-1`, errcode.ProfileBadValue, ""},
		{"Tag_Profile_IM_Level", `1e999`, errcode.ProfileBadValue, ""},
		{"Tag_Profile_Custom_a", `18446744073709551616`, errcode.ProfileBadValue, ""},

		{"Tag_Profile_IM_Nick", `"` + strings.Repeat("é", 251) + `"`, errcode.ProfileTooLong, "the value of Tag_Profile_IM_Nick has 502 bytes, the limit is 500"},
		{"Tag_Profile_IM_Location", `"` + strings.Repeat("x", 17) + `"`, errcode.ProfileTooLong, ""},
		{"Tag_Profile_Custom_a", `"` + strings.Repeat("x", 501) + `"`, errcode.ProfileTooLong, ""},
	} {
		items := []account.Attr{{Tag: "Tag_Profile_IM_Role", Value: "1"}, {Tag: tc.tag, Value: tc.value}}
		got, err := profile.ParseChange(items)
		if errcode.Of(err) != tc.code || tc.info != "" && errcode.From(err).Info != tc.info {
			t.Errorf("%.40s = %.40s: error %v, want %d %s", tc.tag, tc.value, err, tc.code, tc.info)
		}
		if !cmp.Equal(got, account.ProfileChange{}) {
			t.Errorf("%.40s = %.40s: half a change: %+v", tc.tag, tc.value, got)
		}
	}
}

func TestCheckTags(t *testing.T) {
	if err := profile.CheckTags([]string{"Tag_Profile_IM_Nick", "Tag_Profile_Custom_Test", "Tag_Profile_Custom_12345678"}); err != nil {
		t.Error(err)
	}
	if err := profile.CheckTags([]string{"Tag_Profile_IM_Nick", "x"}); errcode.Of(err) != errcode.ProfileUnknownTag {
		t.Errorf("error %v", err)
	}
}

func TestSelect(t *testing.T) {
	p := account.Profile{
		Nick: `a "b" <c>` + "\xff",
		Attrs: []account.Attr{ // sorted, as a Store keeps them
			{Tag: "Tag_Profile_Custom_a", Value: `"x"`},
			{Tag: "Tag_Profile_IM_Level", Value: `7`},
			{Tag: "Tag_Profile_IM_SelfSignature", Value: `""`},
		},
	}
	tags := []string{
		"Tag_Profile_IM_SelfSignature", "Tag_Profile_IM_Level", "Tag_Profile_IM_Image", "Tag_Profile_IM_Nick",
		"Tag_Profile_IM_Gender", "Tag_Profile_Custom_a",
	}
	want := []account.Attr{
		{Tag: "Tag_Profile_IM_Level", Value: `7`},
		{Tag: "Tag_Profile_IM_Nick", Value: `"a \"b\" <c>` + "\ufffd" + `"`},
		{Tag: "Tag_Profile_Custom_a", Value: `"x"`},
	}
	if diff := cmp.Diff(want, profile.Select(p, tags)); diff != "" {
		t.Errorf("selected (-want +got):\n%s", diff)
	}
}

// FuzzParseChange: whatever is accepted is accepted again as it was stored, with the
// same result.
func FuzzParseChange(f *testing.F) {
	f.Add("Tag_Profile_IM_Nick", "n")
	f.Add("Tag_Profile_IM_Level", "7.0")
	f.Add("Tag_Profile_Custom_a", `"\ud800"`)
	f.Add("Tag_Profile_IM_Gender", `"Gender_Type_Male"`)
	f.Fuzz(func(t *testing.T, tag, raw string) {
		first, err := profile.ParseChange([]account.Attr{{Tag: tag, Value: raw}})
		if err != nil || len(first.Attrs) == 0 {
			return
		}
		second, err := profile.ParseChange(first.Attrs)
		if err != nil || !cmp.Equal(first, second) {
			t.Errorf("%q = %q: stored %v, read again %v, %v", tag, raw, first, second, err)
		}
	})
}
