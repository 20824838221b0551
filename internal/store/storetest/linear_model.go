package storetest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/muster-im/muster/internal/account"
)

// verifyTimeout bounds the search for one account's order. It takes milliseconds unless
// very many calls are of unknown fate.
const verifyTimeout = time.Minute

// request and answer are the input and output of an operation on one account.
type request struct {
	op Op
	at int64 // seconds: of the import or the delete, or the kick's ValidFrom
}

type answer struct {
	unknown   bool // the call gave no result
	found     bool // of Check, Get, Delete and Kick
	status    account.Status
	tinyID    account.TinyID
	validFrom int64
}

// known is what can be said of one account at one point of a sequence of operations. It
// is comparable, as the checker wants it.
type known struct {
	live      bool
	tinyID    account.TinyID // 0: there is none, or it has not come to light
	validFrom int64
	retired   string // the TinyIDs that the account had before, 8 bytes each
}

// Verify reports whether there is, for each account, one order of its operations that
// explains every answer and in which no operation stands before its call or after its
// return; and whether no TinyID was shown for two accounts. The error shows the
// account's whole history.
func (h *History) Verify() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	model := porcupine.Model{
		Init: func() any { return known{} },
		Step: func(state, input, output any) (bool, any) {
			next, ok := state.(known).step(input.(request), output.(answer), h.w.Blind)
			return ok, next
		},
	}
	owner := make(map[account.TinyID]account.UserID)
	for _, id := range h.names {
		switch porcupine.CheckOperationsTimeout(model, h.ops[id], verifyTimeout) {
		case porcupine.Ok:
		case porcupine.Illegal:
			return fmt.Errorf("no order of these operations on %q explains their answers:\n%s", id, describe(h.ops[id]))
		case porcupine.Unknown:
			return fmt.Errorf("whether %q is linearizable could not be decided in %v", id, verifyTimeout)
		}
		for _, o := range h.ops[id] {
			tinyID := o.Output.(answer).tinyID
			if other, taken := owner[tinyID]; taken && tinyID != 0 && other != id {
				return fmt.Errorf("%q and %q were both shown with the TinyID %d", other, id, tinyID)
			}
			owner[tinyID] = id
		}
	}
	return nil
}

// step returns the state after an operation, and whether its answer fits the state before.
// An operation of unknown fate that was never applied needs no case of its own: it
// returns never, so it may stand behind all that was seen.
func (k known) step(r request, a answer, blind Blind) (known, bool) {
	switch r.op {
	case OpImport:
		return k.imported(a, blind)
	case OpDelete:
		next := k
		if k.live {
			next = known{validFrom: max(k.validFrom, r.at), retired: k.retired}
			if k.tinyID != 0 {
				next.retired += encode(k.tinyID)
			}
		}
		return next, a.unknown || a.found == k.live
	case OpKick:
		next := k
		if k.live {
			next.validFrom = max(k.validFrom, r.at)
		}
		return next, a.unknown || a.found == k.live
	case OpGet:
		if a.found != k.live || !blind.ValidFrom && a.validFrom != k.validFrom {
			return k, false
		}
		return k.shown(a.tinyID)
	default: // OpCheck
		return k, a.found == k.live
	}
}

func (k known) imported(a answer, blind Blind) (known, bool) {
	next := k
	next.live = true
	if a.unknown {
		return next, true
	}
	want := account.Imported{Status: account.Existed}
	if !k.live {
		want = account.Imported{Status: account.Created, ValidFrom: k.validFrom}
		if a.tinyID == 0 && !blind.TinyID {
			return k, false
		}
	}
	if !blind.Status && a.status != want.Status || !blind.ValidFrom && a.validFrom != want.ValidFrom {
		return k, false
	}
	if a.tinyID == 0 {
		return next, true
	}
	return next.shown(a.tinyID)
}

// shown returns the state once the account's TinyID has been seen, and whether it can be
// that: a TinyID stays with the account, and none comes back.
func (k known) shown(tinyID account.TinyID) (known, bool) {
	if !k.live || k.tinyID != 0 {
		return k, tinyID == k.tinyID
	}
	for old := range slices.Chunk([]byte(k.retired), 8) {
		if string(old) == encode(tinyID) {
			return k, false
		}
	}
	k.tinyID = tinyID
	return k, true
}

func encode(id account.TinyID) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(id)))
}

// describe writes operations one a line, in the order of their calls.
func describe(ops []porcupine.Operation) string {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(x, y porcupine.Operation) int { return cmp.Compare(x.Call, y.Call) })
	var b strings.Builder
	for _, o := range ops {
		r, a := o.Input.(request), o.Output.(answer)
		fmt.Fprintf(&b, "client %2d  %6d to %-6s  %-6v", o.ClientId, o.Call, returned(o.Return), r.op)
		switch {
		case a.unknown:
			fmt.Fprintf(&b, " at %d: fate unknown\n", r.at)
		case r.op == OpImport:
			fmt.Fprintf(&b, " at %d: %v, TinyID %d, ValidFrom %d\n", r.at, a.status, a.tinyID, a.validFrom)
		case r.op == OpGet:
			fmt.Fprintf(&b, ": TinyID %d, ValidFrom %d\n", a.tinyID, a.validFrom)
		case r.op == OpCheck:
			fmt.Fprintf(&b, ": %v\n", a.found)
		default:
			fmt.Fprintf(&b, " at %d: %v\n", r.at, a.found)
		}
	}
	return b.String()
}

func returned(stamp int64) string {
	if stamp == math.MaxInt64 {
		return "never"
	}
	return fmt.Sprint(stamp)
}
