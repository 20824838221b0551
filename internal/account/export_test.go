package account

// SortByName returns the positions of entries in the order in which ImportRun puts them.
func SortByName(entries []Entry) []int {
	list := make([]namePos, len(entries))
	for i := range list {
		list[i].pos = int32(i)
	}
	sortByName(list, entries)
	out := make([]int, len(list))
	for i, p := range list {
		out[i] = int(p.pos)
	}
	return out
}

// CountNames returns how many different names ImportRun finds among entries, all of them valid.
func CountNames(entries []Entry) (names int) {
	i := &runImport{policy: &Policy{}, run: Run{Entries: entries}}
	sorted := i.valid()
	sortByName(sorted, entries)
	return len(i.group(sorted))
}
