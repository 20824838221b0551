package wire

import (
	"github.com/muster-im/muster/internal/errcode"
)

// Connect is what a device says of itself when it connects to the gateway.
type Connect struct {
	SDKAppID    string // decimal digits, if it was a JSON number; else as it came
	UserID      string
	UserSig     string
	Platform    string
	InstanceID  string
	PushCapable bool
}

// DecodeConnect reads a device's connect data:
//
//	{"SDKAppID":1400000001,"UserID":"u1","UserSig":"…","Platform":"Web","InstanceID":"…","PushCapable":false}
//
// A field that is missing or null is empty. Errors: 70402 for a field of the wrong type, and a
// *SyntaxError if data is not one JSON object.
func DecodeConnect(data []byte) (Connect, error) {
	var c Connect
	err := decode(data, func(s *scanner, field string) *errcode.Error {
		ok, must := true, "a string"
		switch field {
		case "SDKAppID":
			c.SDKAppID, ok = s.numeral()
			must = "a number"
		case "UserID":
			c.UserID, ok = s.str()
		case "UserSig":
			c.UserSig, ok = s.str()
		case "Platform":
			c.Platform, ok = s.str()
		case "InstanceID":
			c.InstanceID, ok = s.str()
		case "PushCapable":
			c.PushCapable, ok = s.boolean()
			must = "true or false"
		default:
			s.skip()
		}
		if !ok {
			return detailed(errcode.BadParam, "%s must be %s", field, must)
		}
		return nil
	})
	return c, err
}

// DecodeCustomStatus reads {"CustomStatus":"busy"}. Errors: 70402 if it is missing or no
// string, and a *SyntaxError.
func DecodeCustomStatus(data []byte) (string, error) {
	var status string
	found := false
	err := decode(data, func(s *scanner, field string) *errcode.Error {
		if field != "CustomStatus" {
			s.skip()
			return nil
		}
		status, found = s.str()
		return nil
	})
	if err == nil && !found {
		err = detailed(errcode.BadParam, "CustomStatus must be a string")
	}
	return status, err
}

// numeral consumes a number or a string and returns it as it is written.
func (s *scanner) numeral() (text string, ok bool) {
	if s.kind() == '0' {
		return s.raw(), true
	}
	return s.str()
}

// boolean consumes true, false or an integer, where 0 means false.
func (s *scanner) boolean() (on, ok bool) {
	switch s.kind() {
	case 't', 'f':
		return s.raw() == "true", true
	default:
		return s.flag()
	}
}
