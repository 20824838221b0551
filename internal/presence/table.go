package presence

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// shards is how many locks the accounts of a Table share.
const shards = 256

// Options are what a Table needs; all but Observer.
type Options struct {
	Store    Store
	Logger   *slog.Logger
	Now      func() time.Time
	Observer Observer // told of every change; nil for nobody
}

// Table holds the presence of all accounts that are not Offline. It is safe for concurrent
// use. Its size is that of its sessions and of the devices that are PushOnline.
type Table struct {
	opt    Options
	seed   maphash.Seed
	shards [shards]shard
	counts [7]atomic.Int64 // sessions, in the order of Platforms
	saver  *saver

	sweeps    sync.WaitGroup
	endSweeps context.CancelFunc
}

type shard struct {
	mu       sync.Mutex
	accounts map[key]*entry
}

type key struct {
	app account.SDKAppID
	id  account.UserID
}

// New returns a Table that remembers nothing yet: see Load. Its owner calls Stop.
func New(o Options) (*Table, error) {
	if o.Store == nil || o.Logger == nil || o.Now == nil {
		return nil, errors.New("presence: new: Store, Logger and Now must be given")
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	t := &Table{opt: o, seed: maphash.MakeSeed(), saver: newSaver(o.Store, o.Logger)}
	for i := range t.shards {
		t.shards[i].accounts = make(map[key]*entry)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.endSweeps = cancel
	t.sweeps.Go(func() { t.sweepEvery(ctx, sweepInterval) })
	return t, nil
}

type nobody struct{}

func (nobody) Changed(Change) {}

func (t *Table) shard(k key) *shard {
	h := maphash.String(t.seed, string(k.id)) + uint64(k.app)*0x9e3779b97f4a7c15
	return &t.shards[h%shards]
}

// lock locks the account's shard and returns its entry, nil if it is Offline.
func (t *Table) lock(k key) (*shard, *entry) {
	s := t.shard(k)
	s.mu.Lock()
	return s, s.accounts[k]
}

// settle stores or forgets the entry, and unlocks its shard.
func (s *shard) settle(k key, e *entry) {
	switch {
	case e == nil:
	case len(e.sessions) == 0 && len(e.push) == 0:
		delete(s.accounts, k)
	default:
		if len(e.sessions) == 0 {
			e.custom = ""
		}
		s.accounts[k] = e
	}
	s.mu.Unlock()
}

func (t *Table) changed(c Change) {
	c.At = t.opt.Now().UnixMilli()
	t.opt.Observer.Changed(c)
}

// Login enters a session, unless current returns false. It puts out, and closes, the
// devices that cannot stand beside it under the policy, with an older session of the very
// same device among them.
//
// current is called with the account's lock held. A session that ends by End is found by it
// if current returned true before; so if current says whether the UserSig has been revoked,
// and whoever revokes it calls End afterwards, no session outlives a revocation.
func (t *Table) Login(s *Session, p app.LoginPolicy, current func() bool) bool {
	k := key{s.SDKAppID, s.UserID}
	sh, e := t.lock(k)
	if !current() {
		sh.mu.Unlock()
		return false
	}
	if e == nil {
		e = new(entry)
	}
	sessions, push := e.makeRoom(s, p)
	for _, d := range push {
		t.saver.remove(d.PushKey)
	}
	for _, other := range sessions {
		t.forget(other)
	}
	e.sessions = append(e.sessions, s)
	t.counts[s.Platform.index()].Add(1)
	if s.pushable() {
		s.saved = t.opt.Now().Unix()
		t.saver.put(PushDevice{PushKey: s.pushKey(), Seen: s.saved})
	}
	t.changed(Change{SDKAppID: s.SDKAppID, UserID: s.UserID, Action: Login, Session: s, PutOut: putOut(s, sessions, push)})
	sh.settle(k, e)
	for _, other := range sessions {
		other.Conn.End(PutOut)
	}
	return true
}

// putOut lists what a login put out, an older session of the same device apart.
func putOut(s *Session, sessions []*Session, push []PushDevice) []Device {
	var out []Device
	for _, d := range push {
		if d.Platform != s.Platform || d.InstanceID != s.InstanceID {
			out = append(out, Device{Platform: d.Platform, InstanceID: d.InstanceID, State: PushOnline})
		}
	}
	for _, other := range sessions {
		if other.Platform != s.Platform || other.InstanceID != s.InstanceID {
			out = append(out, other.device())
		}
	}
	return out
}

// forget accounts for a session that is no more and is not PushOnline.
func (t *Table) forget(s *Session) {
	t.counts[s.Platform.index()].Add(-1)
	if s.pushable() {
		t.saver.remove(s.pushKey())
	}
}

// Leave ends a session for a cause of its own or of its device's, and reports whether it was
// there; one that the Table ended is not. The connection is left to the caller.
func (t *Table) Leave(s *Session, cause Cause) bool {
	k := key{s.SDKAppID, s.UserID}
	sh, e := t.lock(k)
	if e == nil {
		sh.mu.Unlock()
		return false
	}
	at := slices.Index(e.sessions, s)
	if at < 0 {
		sh.mu.Unlock()
		return false
	}
	t.drop(e, at, cause)
	sh.settle(k, e)
	return true
}

// drop removes one session of an entry, whose device may stay PushOnline.
func (t *Table) drop(e *entry, at int, cause Cause) {
	s := e.sessions[at]
	e.sessions = slices.Delete(e.sessions, at, at+1)
	if s.pushable() && cause.lost() {
		d := PushDevice{PushKey: s.pushKey(), Seen: t.opt.Now().Unix()}
		e.push = append(e.push, d)
		t.counts[s.Platform.index()].Add(-1)
		t.saver.put(d)
	} else {
		t.forget(s)
	}
	t.changed(Change{SDKAppID: s.SDKAppID, UserID: s.UserID, Action: Leave, Session: s, Cause: cause})
}

// End ends and closes every session of an account, because it was Kicked or Deleted, and
// returns how many there were. Its devices are not PushOnline either.
func (t *Table) End(app account.SDKAppID, id account.UserID, cause Cause) int {
	k := key{app, id}
	sh, e := t.lock(k)
	if e == nil {
		sh.mu.Unlock()
		return 0
	}
	for _, s := range e.sessions {
		t.forget(s)
	}
	for _, d := range e.push {
		t.saver.remove(d.PushKey)
	}
	t.changed(Change{SDKAppID: app, UserID: id, Action: Kick, Cause: cause})
	ended := e.sessions
	sh.settle(k, &entry{})
	for _, s := range ended {
		s.Conn.End(cause)
	}
	return len(ended)
}

// EndApp ends and closes every session of an App because its settings changed, and returns
// how many there were.
func (t *Table) EndApp(app account.SDKAppID) int {
	n := 0
	for i := range t.shards {
		ended := t.endAppIn(&t.shards[i], app)
		for _, s := range ended {
			s.Conn.End(AppChanged)
		}
		n += len(ended)
	}
	return n
}

func (t *Table) endAppIn(sh *shard, app account.SDKAppID) []*Session {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var ended []*Session
	for k, e := range sh.accounts {
		if k.app != app {
			continue
		}
		ended = append(ended, e.sessions...)
		for len(e.sessions) > 0 {
			t.drop(e, 0, AppChanged)
		}
		e.custom = ""
		if len(e.push) == 0 {
			delete(sh.accounts, k)
		}
	}
	return ended
}

// SetCustomStatus sets what the account of a session says of itself, and reports whether the
// session is still there.
func (t *Table) SetCustomStatus(s *Session, custom string) bool {
	k := key{s.SDKAppID, s.UserID}
	sh, e := t.lock(k)
	if e == nil || !slices.Contains(e.sessions, s) {
		sh.mu.Unlock()
		return false
	}
	e.custom = custom
	t.changed(Change{SDKAppID: s.SDKAppID, UserID: s.UserID, Action: SetCustomStatus, Session: s, CustomStatus: custom})
	sh.settle(k, e)
	return true
}

// Status returns the presence of each account, aligned with ids; names that were never
// imported are Offline. It is what this node knows, and never fails.
func (t *Table) Status(_ context.Context, app account.SDKAppID, ids []account.UserID) ([]Status, error) {
	out := make([]Status, len(ids))
	since := t.since()
	for i, id := range ids {
		sh, e := t.lock(key{app, id})
		if e == nil {
			out[i].State = Offline
		} else {
			out[i] = e.status(since)
		}
		sh.mu.Unlock()
	}
	return out, nil
}

// since is the second from which on a lost device is PushOnline.
func (t *Table) since() int64 { return t.opt.Now().Add(-PushTTL).Unix() }

// Sessions returns the sessions of an account, the longest logged in first, and its devices
// that are PushOnline.
func (t *Table) Sessions(app account.SDKAppID, id account.UserID) ([]*Session, []PushDevice) {
	sh, e := t.lock(key{app, id})
	defer sh.mu.Unlock()
	if e == nil {
		return nil, nil
	}
	since := t.since()
	push := slices.DeleteFunc(slices.Clone(e.push), func(d PushDevice) bool { return d.Seen < since })
	return slices.Clone(e.sessions), push
}

// Count returns how many sessions there are on a platform.
func (t *Table) Count(p Platform) int64 { return t.counts[p.index()].Load() }

// Total returns how many sessions there are.
func (t *Table) Total() int64 {
	var n int64
	for i := range t.counts {
		n += t.counts[i].Load()
	}
	return n
}

// Flush returns once everything that changed so far is in the Store, or with ctx's error.
func (t *Table) Flush(ctx context.Context) error {
	if err := t.saver.flush(ctx); err != nil {
		return fmt.Errorf("presence: flush: %w", err)
	}
	return nil
}

// Stop writes what is left to write and ends the Table's goroutines. Nothing may change
// afterwards.
func (t *Table) Stop(ctx context.Context) error {
	t.endSweeps()
	t.sweeps.Wait()
	if err := t.saver.stop(ctx); err != nil {
		return fmt.Errorf("presence: stop: %w", err)
	}
	return nil
}
