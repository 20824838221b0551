package usersig

import (
	"crypto/hmac"
	"slices"
)

// Expect is what a request claims and the server knows, against which a UserSig is checked.
type Expect struct {
	SDKAppID   uint64 // the App of the request
	Identifier string // the account of the request
	Now        int64  // the server's clock, Unix seconds
	ValidFrom  int64  // UserSigs made at or before this second are dead; 0 for none
}

// Verify decodes a UserSig and checks it: SDKAppID, identifier, MAC, valid-from, expiry,
// in this order, stopping at the first that fails. It passes if any one of keys signed
// it, so that an old and a new Key can both hold while one replaces the other; with no
// keys nothing passes.
//
// A UserSig is valid up to and including its last second, time + expire, and also before
// its time: as the official verifier does, Verify forgives a signer whose clock is ahead.
//
// Every error is an *Error.
func Verify(s string, keys [][]byte, want Expect) (Claims, error) {
	sig, err := Parse(s)
	if err != nil {
		return Claims{}, err
	}
	if err := sig.Check(keys, want); err != nil {
		return Claims{}, err
	}
	return sig.Claims, nil
}

// check is one comparison of a decoded UserSig with what is expected of it.
type check struct {
	stage Stage
	run   func(s *Sig, keys [][]byte, want *Expect) *Error
}

// checks are all of them, in order.
var checks = [...]check{
	{StageSDKAppID, checkSDKAppID},
	{StageIdentifier, checkIdentifier},
	{StageMAC, checkMAC},
	{StageValidFrom, checkValidFrom},
	{StageExpiry, checkExpiry},
}

// Check makes the checks that Verify describes, on a UserSig decoded before. Every error
// is an *Error.
func (s Sig) Check(keys [][]byte, want Expect) error {
	for _, c := range checks {
		if err := c.run(&s, keys, &want); err != nil {
			return err
		}
	}
	return nil
}

// CheckTimes makes only the checks whose answer changes while nothing else does:
// valid-from and expiry. It is for a server that remembers which UserSigs it has
// verified, and says nothing about claims that were never verified. Of want it reads
// Now and ValidFrom. Every error is an *Error.
func (c Claims) CheckTimes(want Expect) error {
	if err := c.checkValidFrom(&want); err != nil {
		return err
	}
	if err := c.checkExpiry(&want); err != nil {
		return err
	}
	return nil
}

// VerifyMAC reports whether s was signed with key, in constant time. It is false for an
// empty key.
func (s Sig) VerifyMAC(key []byte) bool {
	return len(key) > 0 && hmac.Equal(s.MAC, s.mac(key))
}

func checkSDKAppID(s *Sig, _ [][]byte, want *Expect) *Error {
	if s.SDKAppID == want.SDKAppID {
		return nil
	}
	return refuse(StageSDKAppID, "the requested SDKAppID(%d) does not match the UserSig(%d)", want.SDKAppID, s.SDKAppID)
}

func checkIdentifier(s *Sig, _ [][]byte, want *Expect) *Error {
	if s.Identifier == want.Identifier {
		return nil
	}
	return refuse(StageIdentifier, "the requested identifier(%s) does not match the UserSig(%s)",
		quote(want.Identifier), quote(s.Identifier))
}

func checkMAC(s *Sig, keys [][]byte, _ *Expect) *Error {
	if slices.ContainsFunc(keys, s.VerifyMAC) {
		return nil
	}
	if len(keys) == 0 {
		return refuse(StageMAC, "there is no key to verify the UserSig with")
	}
	return refuse(StageMAC, "the UserSig was not signed with a key of SDKAppID %d", s.SDKAppID)
}

func checkValidFrom(s *Sig, _ [][]byte, want *Expect) *Error { return s.checkValidFrom(want) }

func checkExpiry(s *Sig, _ [][]byte, want *Expect) *Error { return s.checkExpiry(want) }

func (c Claims) checkValidFrom(want *Expect) *Error {
	if want.ValidFrom == 0 || c.Time > want.ValidFrom {
		return nil
	}
	if want.Now > c.Time {
		return refuse(StageValidFrom, "the UserSig was made at %d, those made up to %d were invalidated; "+
			"if it was made just now, the signer's clock is %d s behind the server's", c.Time, want.ValidFrom, want.Now-c.Time)
	}
	return refuse(StageValidFrom, "the UserSig was made at %d, those made up to %d were invalidated", c.Time, want.ValidFrom)
}

func (c Claims) checkExpiry(want *Expect) *Error {
	end := c.ExpiresAt()
	if want.Now <= end {
		return nil
	}
	return refuse(StageExpiry, "the UserSig expired %d s ago: it was made at %d for %d s; "+
		"if it was made just now, the signer's clock is %d s behind the server's",
		want.Now-end, c.Time, c.Expire, want.Now-c.Time)
}
