package account

import (
	"hash/maphash"

	"github.com/muster-im/muster/internal/errcode"
)

// importPlan is what remains of a call's entries once invalid and repeated names are
// out: the entries for the store, and where each one's Outcome stands.
type importPlan struct {
	unique []Entry
	parted bool    // unique is not a part of entries any more
	at     []uint8 // unique[i] came from entries[at[i]]
	first  []uint8 // for a Duplicate at i, entries[first[i]] is the one that decides
}

// planImport validates entries and drops repeats, keeping the order of the first of
// each name. It fills out with the failures and the repeats. len(entries) ≤ MaxBatch.
// If there are none, as in most calls, unique is entries itself.
func planImport(entries []Entry, out []Outcome) importPlan {
	index := make([]uint8, 2*len(entries))
	p := importPlan{unique: entries[:0:0], at: index[:0:len(entries)], first: index[len(entries):]}
	seen := nameTable{seed: maphash.MakeSeed()}
	for i, e := range entries {
		out[i].UserID = e.UserID
		if err := entryError(e); err != nil {
			out[i].Status, out[i].Err = Failed, err
			p.part(entries, i)
			continue
		}
		j, repeated := seen.add(e.UserID, p.unique)
		if repeated {
			p.part(entries, i)
			merge(&p.unique[j], e)
			out[i].Status = Duplicate
			p.first[i] = p.at[j]
			continue
		}
		if p.parted {
			p.unique = append(p.unique, e)
		} else {
			p.unique = entries[:i+1]
		}
		p.at = append(p.at, uint8(i))
	}
	return p
}

// part makes unique, which is entries[:i] until then, a slice of its own.
func (p *importPlan) part(entries []Entry, i int) {
	if !p.parted {
		p.unique = append(make([]Entry, 0, len(entries)), entries[:i]...)
		p.parted = true
	}
}

// fill writes what the store did into the outcomes that planImport left open.
func (p *importPlan) fill(out []Outcome, done []Imported) {
	for i, d := range done {
		o := &out[p.at[i]]
		o.Status, o.TinyID = d.Status, d.TinyID
		if d.Status == Held {
			o.Status, o.Err = Failed, errcode.New(errcode.DeletedRecently)
		}
	}
	for i := range out {
		if out[i].Status != Duplicate {
			continue
		}
		first := &out[p.first[i]]
		out[i].TinyID = first.TinyID
		if first.Err != nil {
			out[i].Status, out[i].Err = Failed, first.Err
		}
	}
}

// merge lets a later entry of the same name override what it gives.
func merge(dst *Entry, e Entry) {
	if e.Nick != "" {
		dst.Nick = e.Nick
	}
	if e.FaceURL != "" {
		dst.FaceURL = e.FaceURL
	}
}

func entryError(e Entry) *errcode.Error {
	if err := nameError(e.UserID); err != nil {
		return err
	}
	if len(e.Nick) > MaxProfileValue {
		return tooLong("Nick", e.Nick)
	}
	if len(e.FaceURL) > MaxProfileValue {
		return tooLong("FaceUrl", e.FaceURL)
	}
	return nil
}

func tooLong(field, value string) *errcode.Error {
	return errcode.Newf(errcode.ProfileTooLong, "%s has %d bytes, the limit is %d", field, len(value), MaxProfileValue)
}

// planDelete returns the names for the store, each once, and where each one's result
// stands; what is decided without the store goes into out. The repeat of a name is not
// there any more when its turn comes, so it gets 70107.
func planDelete(p *Policy, ids []UserID, out []*errcode.Error) (todo []UserID, at []int) {
	todo, at = make([]UserID, 0, len(ids)), make([]int, 0, len(ids))
	seen := make(map[UserID]struct{}, len(ids))
	for i, id := range ids {
		if p.IsAdmin(id) {
			out[i] = errcode.Newf(errcode.BadParam, "%s is an admin of the App and cannot be deleted", id)
			continue
		}
		_, repeated := seen[id]
		if repeated || id.Validate() != nil {
			out[i] = errcode.New(errcode.NoAccount)
			continue
		}
		seen[id] = struct{}{}
		todo, at = append(todo, id), append(at, i)
	}
	return todo, at
}

// planKick returns the names for the store, each once, and for each of ids which of them
// it is; −1 for one that could never be imported, whose result goes into out.
func planKick(ids []UserID, out []*errcode.Error) (todo []UserID, at []int) {
	todo, at = make([]UserID, 0, len(ids)), make([]int, len(ids))
	index := make(map[UserID]int, len(ids))
	for i, id := range ids {
		if out[i] = nameError(id); out[i] != nil {
			at[i] = -1
			continue
		}
		k, repeated := index[id]
		if !repeated {
			k = len(todo)
			index[id], todo = k, append(todo, id)
		}
		at[i] = k
	}
	return todo, at
}

// nameTable finds repeated names among at most MaxBatch of them without allocating: an
// open-addressing table of positions, half empty at the worst. Its hash has a new seed for
// each call, so nobody can choose names that collide.
type nameTable struct {
	seed maphash.Seed
	slot [256]uint8 // 1 + position in unique; 0 is free
}

// add looks id up among unique. If it is there add returns its position and true;
// otherwise it notes that id will be appended to unique.
func (t *nameTable) add(id UserID, unique []Entry) (int, bool) {
	for h := uint8(maphash.String(t.seed, string(id))); ; h++ {
		at := t.slot[h]
		if at == 0 {
			t.slot[h] = uint8(len(unique) + 1)
			return len(unique), false
		}
		if unique[at-1].UserID == id {
			return int(at - 1), true
		}
	}
}
