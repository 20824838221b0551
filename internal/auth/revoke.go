package auth

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/muster-im/muster/internal/account"
)

// epochs is how many counters there are. Accounts share them; that one account's kick
// has another's UserSigs verified once more costs microseconds and breaks nothing.
const epochs = 1 << 12

// epoch is the value of an account's counter. What was learnt in one epoch of an account
// must not be used in another.
type epoch uint64

// Revocations tells an Authenticator that UserSigs which were good are so no longer. It
// implements account.Revoker, and is apart from the Authenticator because that needs the
// account.Service which needs a Revoker. It is safe for concurrent use, and its size is
// fixed.
//
// It knows only of the kicks and deletes of this process. Where another can kick an
// account in the same store, somebody must pass that on to Revoke.
type Revocations struct {
	seed     maphash.Seed
	counters [epochs]atomic.Uint64
}

// NewRevocations returns Revocations for one Authenticator or several.
func NewRevocations() *Revocations { return &Revocations{seed: maphash.MakeSeed()} }

// Revoke has every UserSig of the account verified anew, its valid-from read again, by
// each Authenticate that starts after Revoke has returned, whatever the cause. The caller
// has made the new valid-from durable before.
func (r *Revocations) Revoke(app account.SDKAppID, id account.UserID, _ account.Cause) {
	r.counter(app, id).Add(1)
}

func (r *Revocations) epoch(app account.SDKAppID, id account.UserID) epoch {
	return epoch(r.counter(app, id).Load())
}

func (r *Revocations) counter(app account.SDKAppID, id account.UserID) *atomic.Uint64 {
	h := maphash.String(r.seed, string(id)) + uint64(app)
	return &r.counters[h%epochs]
}
