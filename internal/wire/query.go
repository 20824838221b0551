package wire

import "strings"

// Query is what Muster reads of a request's URL. Each field is empty if its parameter
// is missing; random, contenttype and unknown parameters are ignored.
type Query struct {
	SDKAppID   string
	Identifier string
	UserSig    string
}

// ParseQuery cuts raw, the part of a URL after the question mark.
//
// Names and values are percent-decoded. A plus stays a plus: no value may hold a blank,
// but an account name may hold a plus. A % that leads no two hexadecimal digits stays
// as it is, and the value then fails at the check that it is meant for. Of a repeated
// parameter the first one counts. Names are case-sensitive.
func ParseQuery(raw string) Query {
	var q Query
	var seen [3]bool
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		var i int
		var field *string
		switch unescape(name) {
		case "sdkappid":
			i, field = 0, &q.SDKAppID
		case "identifier":
			i, field = 1, &q.Identifier
		case "usersig":
			i, field = 2, &q.UserSig
		default:
			continue
		}
		if !seen[i] {
			seen[i], *field = true, unescape(value)
		}
	}
	return q
}

// param returns the first value of a parameter, "" if there is none.
func param(raw, name string) string {
	for pair := range strings.SplitSeq(raw, "&") {
		if key, value, _ := strings.Cut(pair, "="); unescape(key) == name {
			return unescape(value)
		}
	}
	return ""
}

// unescape decodes the %xx of s; it returns s itself if there is none.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 16 && lo < 16 {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// unhex returns the value of a hexadecimal digit, 16 for any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	default:
		return 16
	}
}
