// Package account is the vocabulary and the core of Muster: what an App's account
// is, which names it may have, and the one Service that imports, checks, deletes
// and kicks accounts. All policy stands here, once; a backend behind Store only
// stores. The package knows nothing of HTTP, JSON or a database.
package account

import (
	"fmt"
	"strings"
)

// SDKAppID is the number of an App. Every account, key and limit belongs to one.
type SDKAppID uint32

// UserID is an account's name, chosen by the App: 1 to MaxUserID bytes of printable
// ASCII, case significant.
type UserID string

// TinyID is the internal ID of an account. It is given once and never reused, not
// even after the account is deleted. Zero means "none".
type TinyID uint64

// FirstTinyID is the smallest TinyID ever given. It is 2^57, as the hosted service's
// are, so that clients which treat TinyIDs as opaque strings of 18 digits keep working.
const FirstTinyID TinyID = 1 << 57

// MaxTinyID is the largest TinyID that an account may be restored with. It leaves room
// for the ones that are given after it, which have 18 digits too.
const MaxTinyID TinyID = 900_000_000_000_000_000 - 1

// Limits of the wire contract (spec: im-rest-api.md, sections 2 and 3.6).
const (
	MaxUserID       = 32  // bytes of a UserID
	MaxBatch        = 100 // accounts in one import, check or delete
	MaxProfileValue = 500 // bytes of a Nick, a FaceURL or any other profile text
	MaxAttrs        = 100 // profile tags of one account, Nick and FaceURL not counted
)

// reserved are the prefixes of sentinel names that the hosted service puts into
// answers (im-rest-api.md, section 2.7); an account must not look like one.
var reserved = [...]string{"@TLS#", "@TIM#", "@TGS#"}

// Validate returns nil if id may name an account, else a sentence that says what is wrong.
func (id UserID) Validate() error {
	if id == "" {
		return fmt.Errorf("the UserID is empty")
	}
	if len(id) > MaxUserID {
		return fmt.Errorf("the UserID has %d bytes, the limit is %d", len(id), MaxUserID)
	}
	for i := range len(id) {
		if c := id[i]; c < 0x21 || c > 0x7e {
			return fmt.Errorf("the UserID has the byte 0x%02x at %d; only printable ASCII without spaces is allowed", c, i)
		}
	}
	if id[0] != '@' {
		return nil
	}
	for _, p := range reserved {
		if strings.HasPrefix(string(id), p) {
			return fmt.Errorf("the UserID starts with the reserved prefix %s", p)
		}
	}
	return nil
}

// Account is one account as the store holds it. Times are Unix seconds.
//
// For a name that was deleted TinyID is zero and ValidFrom still holds; for a name
// that was never imported every field but UserID is zero.
type Account struct {
	UserID    UserID
	TinyID    TinyID
	Created   int64 // when the account was imported
	ValidFrom int64 // UserSigs made at or before this second are dead; 0 if never kicked
	Profile   Profile
}

// Exists reports whether the account is imported now.
func (a Account) Exists() bool { return a.TinyID != 0 }

// Profile is what an account shows of itself. Attrs holds every tag except the two
// that an import can set.
type Profile struct {
	Nick    string
	FaceURL string
	Attrs   []Attr // sorted by Tag, no Tag twice
}

// Attr is one profile tag and its value, kept as the JSON text it came in so that a
// number stays a number.
type Attr struct {
	Tag   string
	Value string
}

// ProfileChange says what to write to a profile; nil pointers and absent tags stay
// as they are.
type ProfileChange struct {
	Nick    *string
	FaceURL *string
	Attrs   []Attr // no Tag twice
}

// Entry is one account to import. An empty Nick or FaceURL never wipes a stored one.
type Entry struct {
	UserID  UserID
	Nick    string
	FaceURL string
}

// Restore is what an Entry brings along of an account that was exported from another
// store. Of an account that is there already nothing of it is changed.
type Restore struct {
	// TinyID is the one that the account must have: FirstTinyID to MaxTinyID, or 0 to have
	// one given as usual.
	TinyID    TinyID
	Created   int64 // Unix seconds; 0 means the Batch's At
	ValidFrom int64 // Unix seconds, raised to that of an earlier account of the name
}

// Status says what became of one Entry.
type Status uint8

// The fates of an Entry.
const (
	Failed    Status = iota // not imported; the Outcome's Err says why
	Created                 // the account is new
	Existed                 // it was there already and stays as it was
	Updated                 // it was there already and got a new Nick or FaceURL
	Duplicate               // the same name stands earlier in the same call and decided
	Held                    // store only: the name was deleted too recently (becomes Failed, 70399)
	OverQuota               // store only: the App's quota is used up (becomes Failed, 70398)
	Taken                   // store only: the TinyID is not this account's (becomes Failed, 70402)

	// NumStatuses is how many statuses there are.
	NumStatuses = iota
)

// String returns the status as the wire spells it.
func (s Status) String() string {
	switch s {
	case Failed:
		return "Failed"
	case Created:
		return "Created"
	case Existed:
		return "Existed"
	case Updated:
		return "Updated"
	case Duplicate:
		return "Duplicate"
	case Held:
		return "Held"
	case OverQuota:
		return "OverQuota"
	case Taken:
		return "Taken"
	default:
		return fmt.Sprintf("Status(%d)", uint8(s))
	}
}
