package imclient

import "encoding/json"

// The bodies of calls are appended, not marshalled: a call of 100 names is then one
// allocation.

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	if !plain(s) {
		quoted, _ := json.Marshal(s) // cannot fail for a string
		return append(dst, quoted...)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// plain reports whether s stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendField appends ,"name":"value".
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value)
}

// appendNames appends an array of strings.
func appendNames(dst []byte, names []string) []byte {
	return appendArray(dst, names, appendString)
}

// appendUsers appends an array of objects that have a UserID and nothing else.
func appendUsers(dst []byte, names []string) []byte {
	return appendArray(dst, names, func(dst []byte, name string) []byte {
		return append(appendString(append(dst, `{"UserID":`...), name), '}')
	})
}

func appendArray[T any](dst []byte, list []T, element func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = element(dst, v)
	}
	return append(dst, ']')
}

// sizeOf is about how many bytes names take in a body that adds overhead to each.
func sizeOf(names []string, overhead int) int {
	size := 64
	for _, n := range names {
		size += len(n) + overhead
	}
	return size
}
