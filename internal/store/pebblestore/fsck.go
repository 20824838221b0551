package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/presence"
)

// maxFaults is how many faults a Report spells out; it counts the rest.
const maxFaults = 100

// Report is what Fsck found.
type Report struct {
	Apps     []AppReport // by SDKAppID
	Accounts int64       // imported accounts of all Apps
	Deleted  int64       // names that were deleted
	Faults   []string    // what is wrong, the first maxFaults of NumFaults
	// NumFaults is 0 if names and TinyIDs map one to one and all counts agree.
	NumFaults int64
}

// AppReport is the part of a Report about one App.
type AppReport struct {
	SDKAppID account.SDKAppID
	Accounts int64 // imported accounts found
	Deleted  int64 // names that were deleted
	Count    int64 // the stored count, which must equal Accounts
}

func (r *Report) fault(format string, args ...any) {
	if r.NumFaults++; len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// Fsck reads the whole store in dir, without changing it, and checks that every key and
// record is well formed, that no TinyID stands twice or was not given yet, that the
// stored counts agree with what is there, and that no box has a number that it has not given. No other process may use dir. progress is
// called now and then with the number of keys read; it may be nil.
//
// The error says that the check could not be made; what it found wrong is in the Report.
func Fsck(ctx context.Context, dir string, o Options, progress func(keys int64)) (Report, error) {
	r, err := fsckDir(ctx, dir, o, progress)
	if err != nil {
		return r, fmt.Errorf("pebblestore: fsck %s: %w", dir, err)
	}
	return r, nil
}

func fsckDir(ctx context.Context, dir string, o Options, progress func(int64)) (Report, error) {
	o.readOnly = true
	o = o.withDefaults()
	f := newFailure(nil)
	db, lock, err := openDB(dir, o, f)
	if err != nil {
		return Report{}, err
	}
	var r Report
	err = f.guard(func() error {
		found, err := fsck(ctx, db, progress)
		r = found
		return errors.Join(err, db.Close())
	})
	return r, errors.Join(err, lock.Close())
}

func fsck(ctx context.Context, db *pebble.DB, progress func(int64)) (r Report, err error) {
	f := checker{report: &r, apps: map[account.SDKAppID]*AppReport{}, seen: idSet{}, boxes: boxChecker{db: db}}
	if f.ids, err = loadIDs(db); err != nil {
		r.fault("%v", err)
	}
	it, err := db.NewIter(nil)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var n int64
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%(1<<16) == 0 {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if progress != nil {
				progress(n)
			}
		}
		f.check(it.Key(), it.Value())
	}
	if err := it.Error(); err != nil {
		r.fault("reading stopped after %d keys: %v", n, err)
	}
	f.finish()
	return r, nil
}

// checker looks at one key after the other.
type checker struct {
	report *Report
	apps   map[account.SDKAppID]*AppReport
	seen   idSet
	ids    tinyIDs
	boxes  boxChecker
}

func (f *checker) app(id account.SDKAppID) *AppReport {
	a := f.apps[id]
	if a == nil {
		a = &AppReport{SDKAppID: id}
		f.apps[id] = a
	}
	return a
}

func (f *checker) check(key, value []byte) {
	switch key[0] {
	case prefixAccount:
		f.checkAccount(key, value)
	case prefixCount:
		f.checkCount(key, value)
	case prefixMeta:
		if k := string(key); k != string(metaNext()) && k != string(metaSpans()) && k != string(metaSent()) {
			f.report.fault("unknown key %q", key)
		}
	case prefixPush:
		f.checkPush(key, value)
	case prefixRestored:
		if len(key) != 1+8 {
			f.report.fault("malformed restored TinyID %q", key)
		}
	case prefixBox, prefixLast, prefixSent, prefixExpiry:
		if err := f.boxes.check(key, value); err != nil {
			f.report.fault("%v", err)
		}
	default:
		f.report.fault("unknown key %q", key)
	}
}

func (f *checker) checkAccount(key, value []byte) {
	app, id, ok := splitAccountKey(key)
	if !ok {
		f.report.fault("malformed account key %q", key)
		return
	}
	if err := account.UserID(id).Validate(); err != nil {
		f.report.fault("App %d, account %q: %v", app, id, err)
	}
	rec, err := decodeRecord(value)
	if err != nil {
		f.report.fault("App %d, account %q: %v", app, id, err)
		return
	}
	if rec.dead() {
		f.app(app).Deleted++
		f.report.Deleted++
		return
	}
	f.app(app).Accounts++
	f.report.Accounts++
	if rec.tinyID >= f.ids.next {
		f.report.fault("App %d, account %q: TinyID %d was not given, the next is %d", app, id, rec.tinyID, f.ids.next)
	}
	if !f.seen.add(rec.tinyID) {
		f.report.fault("App %d, account %q: TinyID %d belongs to another account too", app, id, rec.tinyID)
	}
}

func (f *checker) checkCount(key, value []byte) {
	if len(key) != 1+4 || len(value) != 8 {
		f.report.fault("malformed count %q: %d bytes", key, len(value))
		return
	}
	app, n := decodeCount(key, value)
	f.app(app).Count = n
}

func (f *checker) checkPush(key, value []byte) {
	d, err := decodePush(key, value)
	if err != nil {
		f.report.fault("%v", err)
		return
	}
	wrong := d.UserID.Validate()
	switch n := len(d.InstanceID); {
	case wrong != nil:
	case !d.Platform.Valid():
		wrong = fmt.Errorf("the Platform is %q", d.Platform)
	case n < 1 || n > presence.MaxInstanceID:
		wrong = fmt.Errorf("the InstanceID has %d bytes, the limit is %d", n, presence.MaxInstanceID)
	case !bytes.Equal(pushKey(&d.PushKey), key):
		wrong = errors.New("the key has another form")
	}
	if wrong != nil {
		f.report.fault("push device %q: %v", key, wrong)
	}
}

// finish compares the counts and fills in the Apps.
func (f *checker) finish() {
	for _, id := range slices.Sorted(maps.Keys(f.apps)) {
		a := f.apps[id]
		if a.Accounts != a.Count {
			f.report.fault("App %d: the stored count is %d, there are %d accounts", id, a.Count, a.Accounts)
		}
		f.report.Apps = append(f.report.Apps, *a)
	}
}

// idSet is a set of TinyIDs: one bit each, in blocks that exist only where there are any.
type idSet map[account.TinyID]*[idBlock / 64]uint64

const idBlock = 1 << 16

// add reports whether id was not in the set.
func (s idSet) add(id account.TinyID) bool {
	block := s[id/idBlock]
	if block == nil {
		block = new([idBlock / 64]uint64)
		s[id/idBlock] = block
	}
	i, bit := id%idBlock/64, uint64(1)<<(id%64)
	if block[i]&bit != 0 {
		return false
	}
	block[i] |= bit
	return true
}
