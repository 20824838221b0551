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
// An entry has 12 bytes. Tables are 65 to 81 % full, so an account costs 15 to 18 bytes
// of memory.
//
// A lookup costs one cache miss, and misses of one call overlap: names are looked up many
// at a time, and a first pass only touches where each of them would be.
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
)

// indexShard is a table with open addressing and linear probing, ordered by entry.lo.
type indexShard struct {
	entries []indexEntry
	used    int
}

// indexEntry is one fingerprint; if rest is zero the slot is free.
type indexEntry struct {
	loHigh, loLow uint32 // the fingerprint's low 64 bits; they decide the slot
	rest          uint32 // 30 more bits, a 1, and the bit entryDead
}

const (
	entryDead = 1 << 31
	restMask  = entryDead - 1
)

// fingerprint is the hash of an App's name.
type fingerprint struct{ hi, lo uint64 }

func (f fingerprint) shard() int { return int(f.hi >> 56) }

// rest is never zero, so that no used entry looks like a free slot.
func (f fingerprint) rest() uint32 { return uint32(f.hi)&restMask | 1 }

// presence is what is known about a name.
type presence uint8

const (
	absent  presence = iota // not in the index
	alive                   // imported
	deleted                 // a tombstone
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

// find sets dst[i] to what is known about the i-th name.
func (x *nameIndex) find(prints []fingerprint, dst []presence) {
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
func (x *nameIndex) touch(prints []fingerprint) uint32 {
	var sum uint32
	for _, f := range prints {
		if entries := x.shards[f.shard()].entries; len(entries) > 0 {
			sum += entries[home(f.lo, len(entries))].rest
		}
	}
	return sum
}

// put notes that names are alive or deleted, replacing what was known.
func (x *nameIndex) put(p presence, prints ...fingerprint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range prints {
		x.shards[f.shard()].set(f, p, true)
	}
}

// putIfAbsent notes what is known about names unless something newer is known.
func (x *nameIndex) putIfAbsent(p presence, prints ...fingerprint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range prints {
		x.shards[f.shard()].set(f, p, false)
	}
}

func (s *indexShard) find(f fingerprint) presence {
	if len(s.entries) == 0 {
		return absent
	}
	switch e := &s.entries[s.slot(f)]; {
	case e.rest == 0:
		return absent
	case e.rest&entryDead != 0:
		return deleted
	default:
		return alive
	}
}

func (s *indexShard) set(f fingerprint, p presence, replace bool) {
	if s.used >= maxUsed(len(s.entries)) {
		s.grow()
	}
	e := &s.entries[s.slot(f)]
	if e.rest != 0 && !replace {
		return
	}
	if e.rest == 0 {
		s.used++
	}
	*e = indexEntry{loHigh: uint32(f.lo >> 32), loLow: uint32(f.lo), rest: f.rest()}
	if p == deleted {
		e.rest |= entryDead
	}
}

// home is the slot where a fingerprint would be if nothing were in its way.
func home(lo uint64, slots int) int {
	hi, _ := bits.Mul64(lo, uint64(slots))
	return int(hi)
}

// slot returns the place of a fingerprint: where it is, or the free slot where it goes.
// The table always has a free slot.
func (s *indexShard) slot(f fingerprint) int {
	hi, lo, rest := uint32(f.lo>>32), uint32(f.lo), f.rest()
	for i := home(f.lo, len(s.entries)); ; {
		e := &s.entries[i]
		if e.rest == 0 || (e.loLow == lo && e.loHigh == hi && e.rest&restMask == rest) {
			return i
		}
		if i++; i == len(s.entries) {
			i = 0
		}
	}
}

// grow makes the table a quarter larger. Slots follow the order of lo, so the move
// reads and writes memory almost in sequence.
func (s *indexShard) grow() {
	old := s.entries
	s.entries = make([]indexEntry, max(indexMinSlots, len(old)+len(old)/4))
	for _, e := range old {
		if e.rest != 0 {
			s.entries[s.free(uint64(e.loHigh)<<32|uint64(e.loLow))] = e
		}
	}
}

// free returns the slot where a fingerprint goes that is not in the table.
func (s *indexShard) free(lo uint64) int {
	for i := home(lo, len(s.entries)); ; {
		if s.entries[i].rest == 0 {
			return i
		}
		if i++; i == len(s.entries) {
			i = 0
		}
	}
}

// maxUsed is how many entries a table of n slots may hold.
func maxUsed(n int) int { return n / 16 * 13 }
