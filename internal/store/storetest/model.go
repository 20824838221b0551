package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/store"
)

// modelNames are few, as are times and texts, so that most calls meet what earlier ones did.
var modelNames = []account.UserID{"A", "a", "ab", account.UserID(strings.Repeat("~", account.MaxUserID))}

// Model makes random calls of every kind, one after another, and demands the answers
// that a naive model gives; TinyIDs need only correspond one to one. Where the backend
// lasts, the calls are mixed with restarts. The flags of rapid set how many sequences
// there are, how long, and with which seed.
func Model(tb testing.TB, h Harness) {
	tb.Helper()
	inst := h.Open(tb)
	var sequence account.SDKAppID
	rapid.Check(tb, func(rt *rapid.T) {
		// Every sequence has two Apps of its own: opening a store may be dear.
		sequence++
		m := &machine{
			inst: inst, naive: newNaive(), twins: newTwins(),
			apps:  []account.SDKAppID{2 * sequence, 2*sequence + 1},
			fresh: freshTinyIDs(rand.New(rand.NewPCG(uint64(sequence), 0)), 6),
		}
		actions := map[string]func(*rapid.T){
			"Import": m.importBatch, "Import too": m.importBatch, "Import as well": m.importBatch, // likelier
			"Import long": m.importLong,
			"Check":       m.check, "Get": m.get, "Delete": m.del, "Delete too": m.del,
			"Kick": m.kick, "SetProfile": m.setProfile, "List": m.list, "Count": m.count,
			"": m.compareAll, // after every step
		}
		if h.Unsupported.Reopen == "" {
			actions["Reopen"] = func(rt *rapid.T) {
				// It is dearer than all the other calls of a sequence together.
				if rapid.SampledFrom([]bool{false, false, false, false, false, false, false, true}).Draw(rt, "really") {
					inst.Reopen(tb)
				}
			}
		}
		rt.Repeat(actions)
	})
}

// machine is a store and the naive model that it must agree with.
type machine struct {
	inst  Instance
	naive *naive
	twins twins
	apps  []account.SDKAppID
	fresh []account.TinyID // to restore accounts with; no other sequence has them
}

func (m *machine) store() store.Store { return m.inst.Store() }

func (m *machine) importBatch(rt *rapid.T) {
	app := m.drawApp(rt)
	text := rapid.SampledFrom([]string{"", "x", "y"})
	b := account.Batch{
		At:        drawTime(rt),
		Quota:     rapid.SampledFrom([]int64{0, 0, 0, 1, 2, 3, 4}).Draw(rt, "quota"),
		HeldSince: rapid.SampledFrom([]int64{0, 0, 1, 2, 3, 4, 5}).Draw(rt, "held since"),
		Signed:    rapid.SampledFrom([]int64{0, 0, 0, 1, 2, 3, 4, 5}).Draw(rt, "signed"),
		TinyIDs:   rapid.Bool().Draw(rt, "TinyIDs"),
	}
	for _, id := range drawDistinct(rt) {
		b.Entries = append(b.Entries, account.Entry{UserID: id, Nick: text.Draw(rt, "nick"), FaceURL: text.Draw(rt, "face")})
	}
	b.Fill = rapid.Bool().Draw(rt, "fill")
	b.Restore = m.drawRestore(rt, app, b.Entries)
	m.agreeOnImport(rt, app, b)
}

// importLong is an import of many names around and between those that the other calls use.
func (m *machine) importLong(rt *rapid.T) {
	for range 6 { // it is dearer than all the other calls of a sequence together
		if !rapid.Bool().Draw(rt, "really") {
			return
		}
	}
	app := m.drawApp(rt)
	b := account.Batch{
		At: drawTime(rt), TinyIDs: rapid.Bool().Draw(rt, "TinyIDs"),
		HeldSince: rapid.Int64Range(0, 5).Draw(rt, "held since"), Signed: rapid.Int64Range(0, 5).Draw(rt, "signed"),
	}
	for _, id := range drawDistinct(rt) {
		b.Entries = append(b.Entries, account.Entry{UserID: id, Nick: rapid.SampledFrom([]string{"", "x"}).Draw(rt, "nick")})
	}
	for i := range longSize {
		b.Entries = append(b.Entries, account.Entry{UserID: account.UserID(fmt.Sprintf("aa%05d", i))})
	}
	slices.SortFunc(b.Entries, byName)
	m.agreeOnImport(rt, app, b)
}

func (m *machine) agreeOnImport(rt *rapid.T, app account.SDKAppID, b account.Batch) {
	got, err := m.store().Import(rt.Context(), app, b)
	own := b
	own.Restore = m.twins.resolve(b.Restore)
	want, fits := m.naive.importBatch(app, own, m.twins.doubts(b, got))
	if !fits {
		if !errors.Is(err, account.ErrQuota) {
			rt.Fatalf("Import(%d, %s) gave %+v, %v; want ErrQuota", app, brief(b), got, err)
		}
		return
	}
	if err == nil {
		want = m.twins.imported(want, got, b.TinyIDs)
	}
	agreeOnEach(rt, "Import", err, got, want)
}

// drawRestore draws what entries bring along: TinyIDs that are new, that accounts have or
// had, and that the sequence may give next.
func (m *machine) drawRestore(rt *rapid.T, app account.SDKAppID, es []account.Entry) []account.Restore {
	if rapid.Bool().Draw(rt, "no restore") {
		return nil
	}
	out := make([]account.Restore, len(es))
	for i, e := range es {
		out[i] = account.Restore{
			Created:   rapid.SampledFrom([]int64{0, 0, 1, 7}).Draw(rt, "created"),
			ValidFrom: rapid.SampledFrom([]int64{0, 0, 1, 3, 5}).Draw(rt, "valid from"),
		}
		earlier := account.TinyID(rapid.Uint64Range(0, uint64(m.naive.last)).Draw(rt, "earlier"))
		switch rapid.SampledFrom([]string{"none", "new", "own", "given", "next"}).Draw(rt, "TinyID") {
		case "new":
			out[i].TinyID = rapid.SampledFrom(m.fresh).Draw(rt, "new")
		case "own":
			out[i].TinyID = m.twins.real[m.naive.live[place{app, e.UserID}].TinyID]
		case "given":
			out[i].TinyID = m.twins.real[earlier]
		case "next":
			if real := m.twins.real[earlier]; real != 0 && real < account.MaxTinyID {
				out[i].TinyID = real + 1
			}
		}
	}
	return out
}

func (m *machine) check(rt *rapid.T) {
	app, ids := m.drawApp(rt), drawAny(rt)
	got, err := m.store().Check(rt.Context(), app, ids)
	agree(rt, "Check", err, got, m.naive.check(app, ids))
}

func (m *machine) get(rt *rapid.T) {
	app, ids := m.drawApp(rt), drawAny(rt)
	got, err := m.store().Get(rt.Context(), app, ids)
	agree(rt, "Get", err, got, m.twins.accounts(m.naive.get(app, ids), got))
}

func (m *machine) del(rt *rapid.T) {
	app, ids, at := m.drawApp(rt), drawDistinct(rt), drawTime(rt)
	got, err := m.store().Delete(rt.Context(), app, ids, at)
	agree(rt, "Delete", err, got, m.naive.del(app, ids, at))
}

func (m *machine) kick(rt *rapid.T) {
	app, ids, validFrom := m.drawApp(rt), drawDistinct(rt), drawTime(rt)
	got, err := m.store().Kick(rt.Context(), app, ids, validFrom)
	agree(rt, "Kick", err, got, m.naive.kick(app, ids, validFrom))
}

func (m *machine) setProfile(rt *rapid.T) {
	app, id := m.drawApp(rt), rapid.SampledFrom(modelNames).Draw(rt, "name")
	text := rapid.Ptr(rapid.SampledFrom([]string{"", "x", "y"}), true)
	c := account.ProfileChange{Nick: text.Draw(rt, "nick"), FaceURL: text.Draw(rt, "face")}
	tags := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"t", "T", "tt", "u"}), 0, 3, rapid.ID[string])
	for _, tag := range tags.Draw(rt, "tags") {
		c.Attrs = append(c.Attrs, account.Attr{Tag: tag, Value: rapid.SampledFrom([]string{"1", `"v"`}).Draw(rt, "value")})
	}
	got, err := m.store().SetProfile(rt.Context(), app, id, c)
	agree(rt, "SetProfile", err, got, m.naive.setProfile(app, id, c))
}

func (m *machine) list(rt *rapid.T) {
	app := m.drawApp(rt)
	after := rapid.SampledFrom(slices.Concat([]account.UserID{""}, modelNames)).Draw(rt, "after")
	limit := rapid.IntRange(-1, len(modelNames)+1).Draw(rt, "limit")
	got, err := m.store().List(rt.Context(), app, after, limit)
	agree(rt, "List", err, got, m.twins.accounts(m.naive.list(app, after, limit), got))
}

func (m *machine) count(rt *rapid.T) {
	app := m.drawApp(rt)
	got, err := m.store().Count(rt.Context(), app)
	agree(rt, "Count", err, got, m.naive.count(app))
}

// compareAll compares every account.
func (m *machine) compareAll(rt *rapid.T) {
	for _, app := range m.apps {
		got, err := m.store().Get(rt.Context(), app, modelNames)
		agree(rt, "Get of all names", err, got, m.twins.accounts(m.naive.get(app, modelNames), got))
	}
}

func (m *machine) drawApp(rt *rapid.T) account.SDKAppID {
	return rapid.SampledFrom(m.apps).Draw(rt, "app")
}

func drawTime(rt *rapid.T) int64 { return rapid.Int64Range(1, 5).Draw(rt, "time") }

// drawDistinct draws names for a write, on average half of them.
func drawDistinct(rt *rapid.T) []account.UserID {
	var ids []account.UserID
	for _, id := range rapid.Permutation(modelNames).Draw(rt, "order") {
		if rapid.Bool().Draw(rt, string(id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// drawAny draws names for a read, which may repeat and be invalid.
func drawAny(rt *rapid.T) []account.UserID {
	pool := slices.Concat(modelNames, []account.UserID{"", "ab\x00", "never"})
	return rapid.SliceOfN(rapid.SampledFrom(pool), 0, 8).Draw(rt, "names")
}

// agreeOnEach is agree for slices that may be very long.
func agreeOnEach[T any](rt *rapid.T, op string, err error, got, want []T) {
	if err != nil {
		rt.Fatalf("%s: %v", op, err)
	}
	if diff := differences(want, got); diff != "" {
		rt.Fatalf("%s disagrees with the model (-want +got):\n%s", op, diff)
	}
}

// agree demands that a call succeeded with the answer of the naive model.
func agree[T any](rt *rapid.T, op string, err error, got, want T) {
	if err != nil {
		rt.Fatalf("%s: %v", op, err)
	}
	if reflect.DeepEqual(got, want) {
		return // cmp takes a hundred times as long
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		rt.Fatalf("%s disagrees with the model (-want +got):\n%s", op, diff)
	}
}
