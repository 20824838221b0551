package presence

import "context"

// Store keeps the devices that can be reached by push, so that they are PushOnline after a
// restart. Its methods are safe for concurrent use.
type Store interface {
	// SavePush puts devices, replacing what was kept under their PushKey, and removes
	// others; no PushKey stands twice in one call. All or nothing, and durable when it
	// returns. An error means that the call was applied fully or not at all, and that
	// repeating it is safe.
	SavePush(ctx context.Context, put []PushDevice, remove []PushKey) error

	// LoadPush calls each for every device that is kept when it begins, in any order, until it
	// returns an error, which LoadPush then returns. It holds nobody up meanwhile: each may
	// call the Store.
	LoadPush(ctx context.Context, each func(PushDevice) error) error
}
