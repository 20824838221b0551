package pebblestore

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// WithoutIndex makes the store work as it does before its index of names is complete.
func WithoutIndex(o Options) Options {
	o.unloaded = true
	return o
}

// Damage writes what no Store would write into the database in dir.
func Damage(dir string, o Options, write func(*pebble.Batch) error) error {
	db, lock, err := openDB(dir, o.withDefaults(), newFailure(nil))
	if err != nil {
		return err
	}
	defer lock.Close()
	defer db.Close()
	b := db.NewBatch()
	if err := write(b); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// AccountKey and CountKey are the keys of an account and of an App's count.
func AccountKey(app account.SDKAppID, id account.UserID) []byte {
	return appendAccountKey(nil, app, id)
}

// CountKey is the key of an App's count.
func CountKey(app account.SDKAppID) []byte { return countKey(app) }

// PushKey is the key of a device, PushRecord its record.
func PushKey(k presence.PushKey) []byte { return pushKey(&k) }

// PushRecord is the record of a device that was never seen.
func PushRecord() []byte { return pushRecord(&presence.PushDevice{}) }

// LiveRecord is the record of a plain account.
func LiveRecord(id account.TinyID) []byte {
	return appendRecord(nil, &record{tinyID: id, created: 1})
}

// Forgetful makes the store keep next to nothing of boxes in memory.
func Forgetful(o Options) Options {
	o.forgetful = true
	return o
}

// CopyKey is the key of a copy, LastKey that of the last number of a box.
func CopyKey(app account.SDKAppID, owner account.UserID, number uint64) []byte {
	return appendCopyKey(nil, app, owner, number)
}

// LastKey is the key of the last number of a box.
func LastKey(app account.SDKAppID, owner account.UserID) []byte {
	return appendLastKey(nil, app, owner)
}
