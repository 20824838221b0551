package pebblestore

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/dchest/siphash"

	"github.com/muster-im/muster/internal/account"
)

// nameIndex answers from memory which names are in the store: asking Pebble for each
// name of a batch costs more than everything else on the import path together.
//
// It is a hash table of fingerprints. A name's fingerprint is its SipHash-2-4-128 under
// a key that is drawn at random for each process; 102 bits of it decide equality. Two
// names share those with a probability of 2^-102, so with ten million accounts one new
// name in 10^23 would be taken for another: far less often than memory itself errs. A
// hit is therefore as good as reading the name, whoever chooses the names, and once the
// index is complete a miss is as good as not finding it. Deleted names stay in the table
// marked dead, because their tombstones stay in the store.
//
// An entry has 12 bytes. Large tables are 50 to 75 % full, so an account costs 16 to 25
// bytes of memory.
//
// A table is an open-addressing one with linear probing whose entries stand in ascending
// order of their fingerprints, so that a search for a name that is not there ends at the
// first larger one: after 2 or 3 entries in a table that is 75 % full, instead of 8. That
// makes one cache miss of a lookup, and misses of one call overlap: names are looked up
// many at a time, and a first pass only touches where each of them would be.
//
// The index is safe for concurrent use: any number of readers beside one committer and
// one loader.
type nameIndex struct {
	k0, k1 uint64

	mu     sync.RWMutex
	shards [indexShards]indexShard
}

const (
	indexShards   = 256 // by the top 8 bits of the fingerprint; only one at a time is copied to grow
	indexMinSlots = 16
	largeTable    = 16 << 10 // homes; with as many in each shard the index has 50 MB
)

// indexShard is one table. entries has a few more slots than homes, for those that the
// last ones push to the right; the table grows if they do not suffice.
type indexShard struct {
	entries []indexEntry // ascending in lo, with free slots in between
	homes   int          // the number of slots that fingerprints are spread over
	used    int
}

// indexEntry is one fingerprint; if rest is zero the slot is free.
type indexEntry struct {
	loHigh, loLow uint32 // the fingerprint's low 64 bits; they decide order and home
	rest          uint32 // 30 more bits, a 1, and the bit entryDead
}

func (e *indexEntry) lo() uint64 { return uint64(e.loHigh)<<32 | uint64(e.loLow) }

const (
	entryDead = 1 << 31
	restMask  = entryDead - 1
)

// fingerprint is the hash of an App's name.
type fingerprint struct{ hi, lo uint64 }

func (f fingerprint) shard() int { return int(f.hi >> 56) }

// rest is never zero, so that no used entry looks like a free slot.
func (f fingerprint) rest() uint32 { return uint32(f.hi)&restMask | 1 }

// existence is what is known about a name.
type existence uint8

const (
	absent  existence = iota // not in the index
	alive                    // imported
	deleted                  // a tombstone
)

func newNameIndex(k0, k1 uint64) *nameIndex { return &nameIndex{k0: k0, k1: k1} }

// fingerprint hashes an App's name.
func (x *nameIndex) fingerprint(app account.SDKAppID, id account.UserID) fingerprint {
	var buf [4 + account.MaxUserID]byte
	b := binary.BigEndian.AppendUint32(buf[:0], uint32(app))
	b = append(b, id...)
	hi, lo := siphash.Hash128(x.k0, x.k1, b)
	return fingerprint{hi: hi, lo: lo}
}

// indexOrder are names in an order in which looking up one after the other goes through the
// tables from their beginnings to their ends.
type indexOrder struct {
	prints []fingerprint
	entry  []int32 // where each name stands among the entries
}

// orderBits is by how many bits of the fingerprint names are ordered. Those that have them in
// common lie within a few kilobytes of a table, and are looked up in any order.
const orderBits = 16

// order returns the names of a run in index order.
func (x *nameIndex) order(app account.SDKAppID, entries []account.Entry) indexOrder {
	prints := make([]fingerprint, len(entries))
	start := make([]int32, 1<<orderBits)
	for i := range entries {
		prints[i] = x.fingerprint(app, entries[i].UserID)
		start[prints[i].place()]++
	}
	var sum int32
	for i, n := range start {
		start[i] = sum
		sum += n
	}
	o := indexOrder{prints: make([]fingerprint, len(entries)), entry: make([]int32, len(entries))}
	for i, f := range prints {
		to := &start[f.place()]
		o.prints[*to], o.entry[*to] = f, int32(i)
		*to++
	}
	return o
}

// place is where in the index f is, roughly: its shard, and the part of the shard's table.
func (f fingerprint) place() int { return f.shard()<<(orderBits-8) | int(f.lo>>(64-orderBits+8)) }

// find sets dst[i] to what is known about the i-th name.
func (x *nameIndex) find(prints []fingerprint, dst []existence) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.touch(prints)
	for i, f := range prints {
		dst[i] = x.shards[f.shard()].find(f)
	}
}

// touch brings the home of every fingerprint into the processor's cache. The loads do not
// depend on each other, so their misses overlap, which those of find do not. It must not be
// inlined: the compiler would see that nobody wants the sum.
//
//go:noinline
func (x *nameIndex) touch(prints []fingerprint) uint32 { //nolint:unparam // see above
	var sum uint32
	for _, f := range prints {
		if s := &x.shards[f.shard()]; s.homes > 0 {
			sum += s.entries[home(f.lo, s.homes)].rest
		}
	}
	return sum
}

// put notes that names are alive or deleted, replacing what was known.
func (x *nameIndex) put(p existence, prints ...fingerprint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range prints { // which find has just touched
		x.shards[f.shard()].set(f, p, true)
	}
}

// putIfAbsent notes what is known about names unless something newer is known.
func (x *nameIndex) putIfAbsent(p existence, prints ...fingerprint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.touch(prints)
	for _, f := range prints {
		x.shards[f.shard()].set(f, p, false)
	}
}

// reserve makes room for n names in an empty index, which saves growing step by step.
func (x *nameIndex) reserve(n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	homes := int(n / indexShards * 8 / 5)
	for i := range x.shards {
		if s := &x.shards[i]; s.used == 0 && homes > indexMinSlots {
			freeTable(s.entries)
			s.entries, s.homes = newTable(slotsFor(homes)), homes
		}
	}
}

// slotsFor is how many slots a table has, which is some behind the last home.
func slotsFor(homes int) int { return homes + homes/32 + indexMinSlots }

// release gives the index's memory back. The index must not be used any more.
func (x *nameIndex) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.shards {
		freeTable(x.shards[i].entries)
		x.shards[i] = indexShard{}
	}
}

func (s *indexShard) find(f fingerprint) existence {
	i, found := s.locate(f)
	switch {
	case !found:
		return absent
	case s.entries[i].rest&entryDead != 0:
		return deleted
	default:
		return alive
	}
}

func (s *indexShard) set(f fingerprint, p existence, replace bool) {
	i, found := s.locate(f)
	if found && !replace {
		return
	}
	if !found {
		i = s.insert(i, f)
	}
	e := &s.entries[i]
	e.rest = f.rest()
	if p == deleted {
		e.rest |= entryDead
	}
}

// home is where a fingerprint would be if nothing were in its way. It rises with lo.
func home(lo uint64, homes int) int {
	hi, _ := bits.Mul64(lo, uint64(homes))
	return int(hi)
}

// locate returns where a fingerprint is, or where it has to be inserted.
func (s *indexShard) locate(f fingerprint) (i int, found bool) {
	rest := f.rest()
	for i = home(f.lo, s.homes); i < len(s.entries); i++ {
		e := &s.entries[i]
		if e.rest == 0 || e.lo() > f.lo {
			break
		}
		if e.lo() == f.lo && e.rest&restMask == rest {
			return i, true
		}
	}
	return i, false
}

// insert puts a fingerprint at i, where locate said, and returns where it is then: the
// table may have to grow.
func (s *indexShard) insert(i int, f fingerprint) int {
	free := s.freeFrom(i)
	for s.used >= s.homes/4*3 || free == len(s.entries) {
		s.grow()
		i, _ = s.locate(f)
		free = s.freeFrom(i)
	}
	copy(s.entries[i+1:free+1], s.entries[i:free])
	s.entries[i] = indexEntry{loHigh: uint32(f.lo >> 32), loLow: uint32(f.lo), rest: f.rest()}
	s.used++
	return i
}

// freeFrom returns the first free slot at or behind i, len(s.entries) if there is none.
func (s *indexShard) freeFrom(i int) int {
	for i < len(s.entries) && s.entries[i].rest != 0 {
		i++
	}
	return i
}

// grow makes the table twice as large, or half as large again once memory counts. Entries
// keep their order, so the move reads and writes memory in sequence.
func (s *indexShard) grow() {
	homes := max(indexMinSlots, 2*s.homes)
	if s.homes >= largeTable {
		homes = s.homes + s.homes/2
	}
	entries := newTable(slotsFor(homes))
	next := 0
	for _, e := range s.entries {
		if e.rest == 0 {
			continue
		}
		next = max(next, home(e.lo(), homes))
		if next == len(entries) { // all at the end: only a hash that is none makes that
			freeTable(entries)
			s.homes = homes
			s.grow()
			return
		}
		entries[next] = e
		next++
	}
	freeTable(s.entries)
	s.entries, s.homes = entries, homes
}
