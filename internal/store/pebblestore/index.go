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
// The index is safe for concurrent use: any number of readers beside one committer and
// one loader.
type nameIndex struct {
	k0, k1 uint64
	shards [indexShards]indexShard
}

const (
	indexShards   = 256 // by the top 8 bits of the fingerprint
	indexMinSlots = 16
)

type indexShard struct {
	mu      sync.RWMutex
	entries []indexEntry // open addressing, linear probing, ordered by entry.lo
	used    int
}

// indexEntry is one fingerprint; a zero mid:rest means that the slot is free.
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

// find returns what is known about a name.
func (x *nameIndex) find(f fingerprint) presence {
	s := &x.shards[f.shard()]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.entries) == 0 {
		return absent
	}
	e := s.entries[s.slot(f)]
	switch {
	case e.rest == 0:
		return absent
	case e.rest&entryDead != 0:
		return deleted
	default:
		return alive
	}
}

// put notes that a name is alive or deleted, replacing what was known.
func (x *nameIndex) put(f fingerprint, p presence) { x.set(f, p, true) }

// putIfAbsent notes what is known about a name unless something newer is known.
func (x *nameIndex) putIfAbsent(f fingerprint, p presence) { x.set(f, p, false) }

func (x *nameIndex) set(f fingerprint, p presence, replace bool) {
	s := &x.shards[f.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used >= maxUsed(len(s.entries)) {
		s.grow()
	}
	i := s.slot(f)
	if s.entries[i].rest != 0 && !replace {
		return
	}
	if s.entries[i].rest == 0 {
		s.used++
	}
	rest := f.rest()
	if p == deleted {
		rest |= entryDead
	}
	s.entries[i] = indexEntry{loHigh: uint32(f.lo >> 32), loLow: uint32(f.lo), rest: rest}
}

// slot returns the place of a fingerprint: where it is, or the free slot where it goes.
// The table always has a free slot.
func (s *indexShard) slot(f fingerprint) int {
	hi, lo, rest := uint32(f.lo>>32), uint32(f.lo), f.rest()
	n := len(s.entries)
	home, _ := bits.Mul64(f.lo, uint64(n))
	for i := int(home); ; {
		e := &s.entries[i]
		if e.rest == 0 || (e.loLow == lo && e.loHigh == hi && e.rest&restMask == rest) {
			return i
		}
		if i++; i == n {
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
		if e.rest == 0 {
			continue
		}
		s.entries[s.freeSlot(uint64(e.loHigh)<<32|uint64(e.loLow))] = e
	}
}

func (s *indexShard) freeSlot(lo uint64) int {
	home, _ := bits.Mul64(lo, uint64(len(s.entries)))
	for i := int(home); ; {
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
