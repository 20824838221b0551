package message

import (
	"context"

	"github.com/muster-im/muster/internal/account"
)

// Store keeps boxes. Every method is safe for concurrent use; an effect is durable when the
// method returns. An error means that the call was applied fully or not at all, and that
// repeating it is safe; account.ErrBusy promises that nothing was done. What has expired
// may be gone or not; callers judge by Expires.
type Store interface {
	// AppendMessages stores messages and returns what became of each, aligned. All or
	// nothing. Each copy gets the number after the last of its Owner's box, in the order of
	// the call. Two calls at the same time number the same box one after the other.
	//
	// A message is the same as an earlier one if From, To, Seq and Random are equal, the
	// earlier one's Time is at least Since, and Sum is equal too: then nothing is stored, and
	// the result is the earlier one's with Duplicate set. Also within one call.
	AppendMessages(ctx context.Context, app account.SDKAppID, all []Append) ([]Appended, error)

	// ReadBox returns up to limit copies of an Owner's box whose number is greater than
	// after, in ascending order, and the last number that the box has given (0: none).
	// Expired copies are left out, so that numbers may be missing.
	ReadBox(ctx context.Context, app account.SDKAppID, owner account.UserID, after uint64, limit int, now int64) (copies []Copy, last uint64, err error)

	// ReadConversation returns up to limit copies of an Owner's box that are of the
	// conversation with peer, whose Key is less than before and whose Time is from min to
	// max, the newest first. Expired ones are left out.
	ReadConversation(ctx context.Context, app account.SDKAppID, owner, peer account.UserID, before Key, min, max int64, limit int, now int64) ([]Copy, error)

	// Recall sets Recalled on both copies of a message, takes their content away, and
	// appends a notice with the same Key to the box of each owner that has one (so that
	// devices which were away learn of it). It returns the notices, none if there is no such
	// message, and whether it had been recalled before (then nothing changes).
	Recall(ctx context.Context, app account.SDKAppID, from, to account.UserID, k Key) (notices []Copy, again bool, err error)

	// SetRead raises the time up to which reader has read what peer sent (never lowers
	// it), and returns the time that holds now.
	SetRead(ctx context.Context, app account.SDKAppID, reader, peer account.UserID, upTo int64) (int64, error)

	// ReadUpTo returns for each pair the time up to which reader has read what peer sent.
	ReadUpTo(ctx context.Context, app account.SDKAppID, pairs []Pair) ([]int64, error)

	// SetSeen raises the number up to which a device has acknowledged its account's box
	// (never lowers it); Seen returns it, 0 if it has acknowledged nothing.
	SetSeen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string, box uint64) error
	Seen(ctx context.Context, app account.SDKAppID, owner account.UserID, instance string) (uint64, error)

	// SweepMessages removes what expired before now, up to limit copies, and returns how
	// many; fewer than limit means that there is no more. Numbers are never given again.
	SweepMessages(ctx context.Context, now int64, limit int) (int, error)
}

// Append is one message to be stored.
type Append struct {
	Message
	Sum     uint32 // of its content
	Since   int64  // see AppendMessages
	ToBox   bool   // To keeps a copy
	FromBox bool   // From keeps a copy
}

// Appended is what became of one Append. ToBox and FromBox are numbers, 0 without a copy.
type Appended struct {
	Key
	Duplicate bool
	ToBox     uint64
	FromBox   uint64
}

// Pair is a direction of a conversation.
type Pair struct{ Reader, Peer account.UserID }
