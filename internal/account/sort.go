package account

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// namePos is the position of an entry while entries are sorted by name. key orders it among
// those whose names begin alike: it is the next eight bytes of the name.
type namePos struct {
	key uint64
	pos int32
}

// smallSort is the length up to which comparing is faster than distributing.
const smallSort = 256

// sortByName sorts positions of entries by name, equal names by position. Names are valid,
// and so have no NUL. Positions ascend at first.
//
// Comparing strings that lie scattered in memory costs a cache miss a comparison, some 170
// ns an entry for a long run. So it looks at the bytes of each name once or twice: eight
// behind what all names have in common, as an integer by which a radix sort distributes;
// where those are equal it goes on with the next eight.
func sortByName(list []namePos, entries []Entry) {
	sortBehind(list, make([]namePos, len(list)), entries, 0)
}

// sortBehind sorts a list of names that have their first depth bytes in common.
func sortBehind(list, spare []namePos, entries []Entry, depth int) {
	if len(list) < 2 {
		return
	}
	depth = commonPrefix(list, entries, depth)
	for i := range list {
		list[i].key = keyAt(string(entries[list[i].pos].UserID), depth)
	}
	if len(list) <= smallSort {
		slices.SortFunc(list, func(x, y namePos) int {
			switch {
			case x.key < y.key:
				return -1
			case x.key > y.key:
				return 1
			default:
				return comparePos(x, y, entries)
			}
		})
		return
	}
	radixSort(list, spare)
	for first := 0; first < len(list); {
		end := first + 1
		for end < len(list) && list[end].key == list[first].key {
			end++
		}
		// A key that ends in a NUL is the end of its name, so all of these are one name.
		if end-first > 1 && list[first].key&math.MaxUint8 != 0 {
			sortBehind(list[first:end], spare[first:end], entries, depth+8)
		}
		first = end
	}
}

func comparePos(x, y namePos, entries []Entry) int {
	if c := strings.Compare(string(entries[x.pos].UserID), string(entries[y.pos].UserID)); c != 0 {
		return c
	}
	return int(x.pos - y.pos)
}

// commonPrefix returns how many bytes all names of list have in common, depth of which are
// known.
func commonPrefix(list []namePos, entries []Entry, depth int) int {
	first := string(entries[list[0].pos].UserID)
	n := len(first)
	for _, p := range list[1:] {
		name := string(entries[p.pos].UserID)
		n = min(n, len(name))
		for name[depth:n] != first[depth:n] {
			n--
		}
		if n == depth {
			break
		}
	}
	return n
}

// keyAt returns the eight bytes of a name from at on, as an integer that orders like them.
func keyAt(name string, at int) uint64 {
	if len(name) >= at+8 {
		return binary.BigEndian.Uint64([]byte(name[at : at+8]))
	}
	var tail [8]byte
	copy(tail[:], name[min(at, len(name)):])
	return binary.BigEndian.Uint64(tail[:])
}

const (
	radixBits = 11
	radixSize = 1 << radixBits
)

// radixSort sorts list by key and keeps the order of equal keys. spare is as long as list.
func radixSort(list, spare []namePos) {
	from, to := list, spare
	for shift := 0; shift < 64; shift += radixBits {
		var count [radixSize]int32
		for i := range from {
			count[from[i].key>>shift%radixSize]++
		}
		if count[from[0].key>>shift%radixSize] == int32(len(from)) {
			continue // all have the same digit
		}
		var sum int32
		for d, n := range count {
			count[d] = sum
			sum += n
		}
		for i := range from {
			d := from[i].key >> shift % radixSize
			to[count[d]] = from[i]
			count[d]++
		}
		from, to = to, from
	}
	if &from[0] != &list[0] {
		copy(list, from)
	}
}
