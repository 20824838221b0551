package storetest

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/account"
)

// naive is a second opinion on the contract: what one thread of calls must give. It has
// none of a store's concerns and another shape than memstore on purpose: two plain maps
// of immutable values, so that a copy of the maps is a snapshot.
//
// The TinyIDs that it gives are its own, 1, 2, 3…; twins matches them with those of a
// store. Those of restored accounts are as they are.
type naive struct {
	live     map[place]account.Account
	dead     map[place]tomb
	last     account.TinyID
	restored map[account.TinyID]bool // given to whatever account
}

// place is where a name stands: the same name in two Apps is two.
type place struct {
	app account.SDKAppID
	id  account.UserID
}

// tomb is what is left of a deleted name.
type tomb struct{ validFrom, deletedAt int64 }

func newNaive() *naive {
	return &naive{
		live: make(map[place]account.Account), dead: make(map[place]tomb), restored: make(map[account.TinyID]bool),
	}
}

// clone returns a naive that goes its own way from here.
func (n *naive) clone() *naive {
	return &naive{live: maps.Clone(n.live), dead: maps.Clone(n.dead), last: n.last, restored: maps.Clone(n.restored)}
}

// importBatch returns false, having changed nothing, if the quota does not suffice. The
// TinyID of an account that existed is given whether or not the batch asks for it. A
// TinyID in b.Restore that the naive has given must be the naive's own. doubted holds
// others that the store took as given because it did not know; nil if there are none.
func (n *naive) importBatch(app account.SDKAppID, b account.Batch, doubted map[account.TinyID]bool) ([]account.Imported, bool) {
	next, room := n, int64(math.MaxInt64)
	if b.Quota > 0 {
		next, room = n.clone(), b.Quota-n.count(app)
	}
	out := make([]account.Imported, 0, len(b.Entries))
	created := false
	for i, e := range b.Entries {
		im := next.importEntry(place{app, e.UserID}, e, b, restoreOf(b, i), room, doubted)
		if im.Status == account.Created {
			created = true
			room--
		}
		out = append(out, im)
	}
	if created && room < 0 {
		return nil, false
	}
	*n = *next
	return out, true
}

func (n *naive) importEntry(at place, e account.Entry, b account.Batch, r account.Restore, room int64, doubted map[account.TinyID]bool) account.Imported {
	if a, ok := n.live[at]; ok {
		if r.TinyID > 0 && r.TinyID != a.TinyID {
			return account.Imported{Status: account.Taken}
		}
		was := a
		if e.Nick != "" {
			a.Profile.Nick = e.Nick
		}
		if e.FaceURL != "" {
			a.Profile.FaceURL = e.FaceURL
		}
		n.live[at] = a
		if a.Profile.Nick == was.Profile.Nick && a.Profile.FaceURL == was.Profile.FaceURL {
			return account.Imported{Status: account.Existed, TinyID: a.TinyID}
		}
		return account.Imported{Status: account.Updated, TinyID: a.TinyID}
	}
	grave, buried := n.dead[at]
	if buried && (b.HeldSince > 0 && grave.deletedAt >= b.HeldSince || b.Signed > 0 && grave.validFrom >= b.Signed) {
		return account.Imported{Status: account.Held}
	}
	if b.Fill && room <= 0 {
		return account.Imported{Status: account.OverQuota}
	}
	a := account.Account{
		UserID: e.UserID, TinyID: r.TinyID, Created: r.Created, ValidFrom: max(grave.validFrom, r.ValidFrom),
		Profile: account.Profile{Nick: e.Nick, FaceURL: e.FaceURL},
	}
	if a.Created == 0 {
		a.Created = b.At
	}
	switch {
	case a.TinyID == 0:
		n.last++
		a.TinyID = n.last
	case a.TinyID < account.FirstTinyID || n.restored[a.TinyID] || doubted[a.TinyID]:
		return account.Imported{Status: account.Taken}
	default:
		n.restored[a.TinyID] = true
	}
	n.live[at] = a
	delete(n.dead, at)
	return account.Imported{Status: account.Created, TinyID: a.TinyID, ValidFrom: a.ValidFrom}
}

func (n *naive) check(app account.SDKAppID, ids []account.UserID) []bool {
	var out []bool
	for _, id := range ids {
		_, ok := n.live[place{app, id}]
		out = append(out, ok)
	}
	return out
}

func (n *naive) get(app account.SDKAppID, ids []account.UserID) []account.Account {
	var out []account.Account
	for _, id := range ids {
		a, ok := n.live[place{app, id}]
		if !ok {
			a = account.Account{UserID: id, ValidFrom: n.dead[place{app, id}].validFrom}
		}
		out = append(out, a)
	}
	return out
}

func (n *naive) del(app account.SDKAppID, ids []account.UserID, at int64) []bool {
	found := n.check(app, ids)
	for i, id := range ids {
		if found[i] {
			p := place{app, id}
			n.dead[p] = tomb{validFrom: max(n.live[p].ValidFrom, at), deletedAt: at}
			delete(n.live, p)
		}
	}
	return found
}

func (n *naive) kick(app account.SDKAppID, ids []account.UserID, validFrom int64) []bool {
	found := n.check(app, ids)
	for i, id := range ids {
		if a := n.live[place{app, id}]; found[i] && a.ValidFrom < validFrom {
			a.ValidFrom = validFrom
			n.live[place{app, id}] = a
		}
	}
	return found
}

func (n *naive) setProfile(app account.SDKAppID, id account.UserID, c account.ProfileChange) bool {
	p := place{app, id}
	a, ok := n.live[p]
	if !ok {
		return false
	}
	if c.Nick != nil {
		a.Profile.Nick = *c.Nick
	}
	if c.FaceURL != nil {
		a.Profile.FaceURL = *c.FaceURL
	}
	var attrs []account.Attr
	for _, old := range a.Profile.Attrs {
		if !slices.ContainsFunc(c.Attrs, func(x account.Attr) bool { return x.Tag == old.Tag }) {
			attrs = append(attrs, old)
		}
	}
	attrs = append(attrs, c.Attrs...)
	slices.SortFunc(attrs, func(x, y account.Attr) int { return strings.Compare(x.Tag, y.Tag) })
	a.Profile.Attrs = attrs
	n.live[p] = a
	return true
}

func (n *naive) list(app account.SDKAppID, after account.UserID, limit int) []account.Account {
	var ids []account.UserID
	for p := range n.live {
		if p.app == app && p.id > after {
			ids = append(ids, p.id)
		}
	}
	slices.Sort(ids)
	return withoutAttrs(n.get(app, ids[:max(0, min(limit, len(ids)))]))
}

// withoutAttrs returns accounts as a list has them.
func withoutAttrs(accounts []account.Account) []account.Account {
	out := slices.Clone(accounts)
	for i := range out {
		out[i].Profile.Attrs = nil
	}
	return out
}

func (n *naive) count(app account.SDKAppID) int64 {
	var total int64
	for p := range n.live {
		if p.app == app {
			total++
		}
	}
	return total
}

// twins matches the TinyIDs of a naive with those of a store, one to one, as they come
// to light.
type twins struct {
	real  map[account.TinyID]account.TinyID // of the naive → of the store
	taken map[account.TinyID]bool           // those of the store that have a twin
}

func newTwins() twins {
	return twins{real: make(map[account.TinyID]account.TinyID), taken: make(map[account.TinyID]bool)}
}

// translate returns the TinyID that the store must have shown in the place of the
// naive's want, if it is to agree having shown got.
func (t twins) translate(want, got account.TinyID) account.TinyID {
	if want == 0 {
		return 0
	}
	if real, known := t.real[want]; known {
		return real
	}
	if got == 0 || t.taken[got] || want >= account.FirstTinyID && got != want {
		return account.FirstTinyID - 1 // what no store may give
	}
	t.real[want], t.taken[got] = got, true
	return got
}

// accounts translates the naive's accounts, given what the store showed.
func (t twins) accounts(want, got []account.Account) []account.Account {
	out := slices.Clone(want)
	for i := range min(len(want), len(got)) {
		out[i].TinyID = t.translate(want[i].TinyID, got[i].TinyID)
	}
	return out
}

// imported translates the naive's outcomes, given what the store showed. The TinyID of
// an account that was there may be missing unless the batch asked for it.
func (t twins) imported(want, got []account.Imported, asked bool) []account.Imported {
	out := slices.Clone(want)
	for i := range min(len(want), len(got)) {
		if out[i].Status != account.Created && !asked && got[i].TinyID == 0 {
			out[i].TinyID = 0
			continue
		}
		out[i].TinyID = t.translate(want[i].TinyID, got[i].TinyID)
	}
	return out
}

// resolve returns rs with the naive's TinyIDs in the place of their twins.
func (t twins) resolve(rs []account.Restore) []account.Restore {
	if len(rs) == 0 {
		return rs
	}
	own := make(map[account.TinyID]account.TinyID, len(t.real))
	for n, real := range t.real {
		own[real] = n
	}
	out := slices.Clone(rs)
	for i, r := range rs {
		if n, known := own[r.TinyID]; known {
			out[i].TinyID = n
		}
	}
	return out
}

// doubtful is how near to a TinyID of the sequence a store need not know whether a number
// was given: it may have been lost with the call that it was for.
const doubtful = 1 << 20

// doubts returns the TinyIDs of b that the store took as given, having answered got, and
// may have although none of the naive's accounts had them.
func (t twins) doubts(b account.Batch, got []account.Imported) map[account.TinyID]bool {
	if len(b.Restore) == 0 || len(got) != len(b.Restore) {
		return nil
	}
	out := make(map[account.TinyID]bool)
	sequence := t.sequence(b, got)
	for i, r := range b.Restore {
		at, _ := slices.BinarySearch(sequence, r.TinyID-min(r.TinyID, doubtful))
		near := at < len(sequence) && sequence[at] <= r.TinyID+doubtful
		if got[i].Status == account.Taken && near && !t.taken[r.TinyID] {
			out[r.TinyID] = true
		}
	}
	for i, r := range b.Restore {
		if got[i].Status == account.Created {
			delete(out, r.TinyID) // it knew at first
		}
	}
	return out
}

// sequence returns the TinyIDs that the store's sequence gave, those of got included, and
// the one that it may have begun with, in ascending order.
func (t twins) sequence(b account.Batch, got []account.Imported) []account.TinyID {
	out := []account.TinyID{account.FirstTinyID}
	for n, real := range t.real {
		if n != real {
			out = append(out, real)
		}
	}
	for i, im := range got {
		if im.Status == account.Created && b.Restore[i].TinyID == 0 {
			out = append(out, im.TinyID)
		}
	}
	slices.Sort(out)
	return out
}
