package bench

import (
	"math/bits"

	"github.com/muster-im/muster/internal/account"
)

// A name is a prefix and 16 hexadecimal digits: with the default prefix 21 bytes.
const (
	nameDigits = 16
	maxPrefix  = account.MaxUserID - nameDigits
)

// names is a bijection from counters to names in random order.
type names struct {
	prefix string
	offset uint64 // where a seed's sequence begins
}

func newNames(prefix string, seed uint64) names {
	return names{prefix: prefix, offset: mix(seed ^ bits.Reverse64(golden))}
}

// golden is odd, so that multiplying by it is a bijection of 64 bits.
const golden = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64. Each of its steps can be undone, so it is a
// bijection as well.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fill puts the names of the counters first, first+1, … into dst. They share one string.
// buf is memory to work in; fill returns it, perhaps grown.
func (n names) fill(dst []string, first uint64, buf []byte) []byte {
	const digits = "0123456789abcdef"
	buf = buf[:0]
	for i := range dst {
		buf = append(buf, n.prefix...)
		x := mix(n.offset + (first+uint64(i))*golden)
		for shift := 60; shift >= 0; shift -= 4 {
			buf = append(buf, digits[x>>shift&15])
		}
	}
	all, size := string(buf), len(n.prefix)+nameDigits
	for i := range dst {
		dst[i] = all[i*size : (i+1)*size]
	}
	return buf
}
