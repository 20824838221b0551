package message

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const customElem = "TIMCustomElem"

// shape is which fields an object has.
type shape []field

// field is one of them.
type field struct {
	name string
	kind fieldKind
	must bool  // it may not be left out
	item shape // of an element, if the field is a list
}

type fieldKind uint8

const (
	text fieldKind = iota
	integer
	number
	objects // an array of objects
)

// shapes are those of MsgContent by MsgType (im-rest-api.md, section 6.1, and the page
// "message formats" that it names). What a receiver cannot do without must be there. Of
// TIMCustomElem that is nothing, since its meaning is the App's alone.
var shapes = map[string]shape{
	"TIMTextElem":     {{name: "Text", must: true}},
	customElem:        {{name: "Data"}, {name: "Desc"}, {name: "Ext"}, {name: "Sound"}},
	"TIMFaceElem":     {{name: "Index", kind: integer, must: true}, {name: "Data"}},
	"TIMLocationElem": {{name: "Desc"}, {name: "Latitude", kind: number, must: true}, {name: "Longitude", kind: number, must: true}},
	"TIMSoundElem": {
		{name: "Url"}, {name: "UUID", must: true}, {name: "Size", kind: integer}, {name: "Second", kind: integer}, {name: "Download_Flag", kind: integer},
	},
	"TIMImageElem": {
		{name: "UUID", must: true}, {name: "ImageFormat", kind: integer}, {name: "ImageInfoArray", kind: objects, must: true, item: shape{
			{name: "Type", kind: integer, must: true},
			{name: "Size", kind: integer},
			{name: "Width", kind: integer},
			{name: "Height", kind: integer},
			{name: "URL", must: true},
		}},
	},
	"TIMFileElem": {
		{name: "Url"}, {name: "UUID", must: true}, {name: "FileSize", kind: integer}, {name: "FileName"}, {name: "Download_Flag", kind: integer},
	},
	"TIMVideoFileElem": {
		{name: "VideoUrl"},
		{name: "VideoUUID", must: true},
		{name: "VideoSize", kind: integer},
		{name: "VideoSecond", kind: integer},
		{name: "VideoFormat"},
		{name: "VideoDownloadFlag", kind: integer},
		{name: "ThumbUrl"},
		{name: "ThumbUUID"},
		{name: "ThumbSize", kind: integer},
		{name: "ThumbWidth", kind: integer},
		{name: "ThumbHeight", kind: integer},
		{name: "ThumbFormat"},
		{name: "ThumbDownloadFlag", kind: integer},
	},
}

// check returns what is wrong with an object, which is known to be one, beginning with
// where. Fields that the shape does not have are not looked at.
func (s shape) check(object jsontext.Value) (what string) {
	c := open(object)
	defer c.release()
	d := &c.dec
	_, _ = d.ReadToken()
	var found uint32
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return notJSON
		}
		i := s.find(name)
		value, err := d.ReadValue()
		switch {
		case err != nil:
			return notJSON
		case i < 0:
			continue
		}
		if what := s[i].check(value); what != "" {
			return "." + s[i].name + what
		}
		found |= 1 << i
	}
	for i, f := range s {
		if f.must && found&(1<<i) == 0 {
			return "." + f.name + " is missing"
		}
	}
	return ""
}

func (s shape) find(name jsontext.Token) int {
	text := name.String()
	for i := range s {
		if s[i].name == text {
			return i
		}
	}
	return -1
}

func (f *field) check(value jsontext.Value) (what string) {
	kind := value.Kind()
	switch f.kind {
	case text:
		if kind != '"' {
			return " must be a string"
		}
	case integer:
		if kind != '0' || strings.ContainsAny(string(value), ".eE") {
			return " must be an integer"
		}
	case number:
		if kind != '0' {
			return " must be a number"
		}
	case objects:
		return f.checkList(value)
	}
	return ""
}

func (f *field) checkList(value jsontext.Value) (what string) {
	if value.Kind() != '[' {
		return " must be an array"
	}
	c := open(value)
	defer c.release()
	d := &c.dec
	_, _ = d.ReadToken()
	n := 0
	for ; d.PeekKind() != ']'; n++ {
		at := "[" + strconv.Itoa(n) + "]"
		item, err := d.ReadValue()
		switch {
		case err != nil:
			return at + notJSON
		case item.Kind() != '{':
			return at + " must be an object"
		}
		if what := f.item.check(item); what != "" {
			return at + what
		}
	}
	if n == 0 {
		return " is empty"
	}
	return ""
}
