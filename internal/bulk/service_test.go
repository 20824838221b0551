package bulk_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
	"github.com/muster-im/muster/internal/wire"
)

// TestMain holds that nothing of this package leaves a goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The service below takes no Nick that is longer, and no name that begins so.
const (
	maxNick = 40
	badName = "bad"
)

// account is an account of the service below.
type account struct{ nick, face string }

// service is a Service in memory. It does what the contract says of Muster, or less where a
// switch says so, and fails as chance wants.
type service struct {
	noCount, noDetail, noStream bool
	refuses                     bool // a whole call because of one bad row

	// A call fails if chance is not nil and returns true. Streams break so as well, at any
	// byte. It is called with mu held.
	rand   *rand.Rand
	chance func() bool
	// event, if set, is called before anything happens, without mu held.
	event func()

	mu       sync.Mutex
	accounts map[string]account
	calls    int
	dead     bool // nothing happens any more
}

func newService() *service {
	return &service{accounts: make(map[string]account), rand: rand.New(rand.NewPCG(1, 2))}
}

// judge says why a row cannot be imported; the code is 0 if it can.
func judge(a imclient.Account) (code int, info string) {
	switch {
	case strings.HasPrefix(a.UserID, badName):
		return 70402, "the name " + a.UserID + " is bad"
	case len(a.Nick) > maxNick:
		return 40601, fmt.Sprintf("Nick has %d bytes", len(a.Nick))
	default:
		return 0, ""
	}
}

var errLost = fmt.Errorf("fake: %w", io.ErrUnexpectedEOF)

// begin counts a call and says how it fails. After it mu is held.
func (s *service) begin() (before, after error) {
	if s.event != nil {
		s.event()
	}
	s.mu.Lock()
	s.calls++
	switch {
	case s.dead:
		return errLost, nil
	case s.chance == nil || !s.chance():
		return nil, nil
	}
	switch s.rand.IntN(4) {
	case 0:
		return &imclient.Error{Command: "fake", Code: 70202, Info: "busy"}, nil
	case 1:
		return &imclient.Error{Command: "fake", Code: 70500, Info: "broken"}, errLost
	case 2:
		return errLost, nil
	default:
		return nil, errLost
	}
}

// put imports one account.
func (s *service) put(a imclient.Account) (status string) {
	old, found := s.accounts[a.UserID]
	now := account{cmp.Or(a.Nick, old.nick), cmp.Or(a.FaceURL, old.face)}
	s.accounts[a.UserID] = now
	switch {
	case !found:
		return "Created"
	case now != old:
		return "Updated"
	default:
		return "Existed"
	}
}

func (s *service) MultiAccountImport(_ context.Context, r imclient.ImportRequest) (reply imclient.ImportReply, err error) {
	before, after := s.begin()
	defer s.mu.Unlock()
	accounts := r.Accounts
	for _, name := range r.Names {
		accounts = append(accounts, imclient.Account{UserID: name})
	}
	if before != nil {
		return reply, before
	}
	if n := len(accounts); n == 0 || n > 100 || len(r.Names) > 0 && len(r.Accounts) > 0 {
		return reply, &imclient.Error{Code: 60015, Info: fmt.Sprintf("%d accounts in one call", n)}
	}
	if s.refuses {
		for _, a := range accounts {
			if code, info := judge(a); code != 0 {
				return reply, &imclient.Error{Command: "fake", Code: code, Info: info}
			}
		}
	}
	count := make(map[string]int)
	seen := make(map[string]bool)
	for _, a := range accounts {
		item := imclient.ImportItem{Result: imclient.Result{UserID: a.UserID}}
		item.Code, item.Info = judge(a)
		switch {
		case item.Code != 0:
			item.Status = "Failed"
			reply.FailAccounts = append(reply.FailAccounts, a.UserID)
		case seen[a.UserID]:
			item.Status = "Duplicate"
			s.put(a)
		default:
			item.Status = s.put(a)
			seen[a.UserID] = true
		}
		count[item.Status]++
		if r.Detail && !s.noDetail {
			reply.Items = append(reply.Items, item)
		}
	}
	if r.Count && !s.noCount {
		reply.Count = &imclient.ImportCount{
			Created: count["Created"], Existed: count["Existed"], Updated: count["Updated"],
			Duplicate: count["Duplicate"], Failed: count["Failed"],
		}
	}
	return reply, after
}

func (s *service) AccountImport(_ context.Context, a imclient.Account) error {
	before, after := s.begin()
	defer s.mu.Unlock()
	if before != nil {
		return before
	}
	if code, info := judge(a); code != 0 {
		return &imclient.Error{Command: "fake", Code: code, Info: info}
	}
	s.put(a)
	return after
}

func (s *service) AccountCheck(ctx context.Context, userIDs []string) ([]imclient.Checked, error) {
	before, _ := s.begin()
	defer s.mu.Unlock()
	if err := cmp.Or(before, ctx.Err()); err != nil {
		return nil, err
	}
	checked := make([]imclient.Checked, len(userIDs))
	for i, id := range userIDs {
		checked[i].UserID = id
		checked[i].Code, checked[i].Info = judge(imclient.Account{UserID: id})
		_, checked[i].Imported = s.accounts[id]
	}
	return checked, nil
}

// BulkImport reads the body in another goroutine, as the client does, and not any more when
// it has returned.
func (s *service) BulkImport(ctx context.Context, body io.Reader, o imclient.BulkImportOptions) (imclient.BulkResult, error) {
	if err := ctx.Err(); err != nil {
		return imclient.BulkResult{}, err
	}
	if s.noStream {
		return imclient.BulkResult{}, &imclient.Error{Command: "fake", Code: 60009, Info: "no such command"}
	}
	before, after := s.begin()
	up := &upload{s: s, o: o, left: -1}
	if after != nil {
		up.left, up.end = s.rand.IntN(1<<s.rand.IntN(17)), s.rand.IntN(3)
	}
	s.mu.Unlock()
	if before != nil {
		return imclient.BulkResult{}, before
	}
	pieces := make(chan piece)
	quit := make(chan struct{})
	go func() {
		defer close(pieces)
		buf := make([]byte, 1+s.number(3000))
		for {
			n, err := body.Read(buf)
			select {
			case pieces <- piece{bytes.Clone(buf[:n]), err}:
			case <-quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	err := up.run(pieces)
	close(quit)
	if c, ok := body.(io.Closer); ok {
		c.Close()
	}
	for range pieces {
	}
	return up.told, err
}

func (s *service) number(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

type piece struct {
	text []byte
	err  error
}

// upload is one bulk_import.
type upload struct {
	s    *service
	o    imclient.BulkImportOptions
	left int // bytes that are read before the stream breaks; negative: it does not
	end  int // how it breaks

	text []byte
	seen map[string]bool
	now  imclient.BulkResult // what was done
	old  imclient.BulkResult // what was done some rows ago
	told imclient.BulkResult
	bad  []imclient.BulkFailure // not told yet
}

func (u *upload) run(pieces <-chan piece) error {
	u.seen = make(map[string]bool)
	for p := range pieces {
		if broken := u.left >= 0 && len(p.text) >= u.left; broken {
			u.rows(p.text[:u.left])
			return u.breaks()
		}
		u.left -= len(p.text)
		u.rows(p.text)
		switch {
		case errors.Is(p.err, io.EOF):
			if len(u.text) > 0 {
				u.rows([]byte{'\n'})
			}
			return u.finish(nil)
		case p.err != nil:
			return p.err
		}
	}
	return errors.New("fake: the body ended without an error")
}

// breaks ends a stream as chance wanted.
func (u *upload) breaks() error {
	switch u.end {
	case 0:
		return u.finish(&imclient.Error{Command: "fake", Code: 70202, Info: "stopping"})
	case 1:
		u.fail(len(u.bad)) // told of what no progress comes after
	}
	return errLost
}

// finish tells everything, in the envelope at last.
func (u *upload) finish(err error) error {
	if u.s.isDead() {
		return errLost
	}
	u.fail(len(u.bad))
	u.told = u.now
	return err
}

func (s *service) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

func (u *upload) fail(n int) {
	for _, f := range u.bad[:n] {
		u.o.OnFailure(f)
	}
	u.bad = u.bad[n:]
}

// rows imports what is whole of the body, and tells of it at times.
func (u *upload) rows(text []byte) {
	u.text = append(u.text, text...)
	for {
		line, rest, ok := bytes.Cut(u.text, []byte{'\n'})
		if !ok {
			return
		}
		u.text = rest
		u.row(string(line))
		switch u.s.number(64) {
		case 0:
			u.fail(len(u.bad))
			u.progress(u.now)
		case 1: // which is behind what was told of failures
			u.fail(len(u.bad))
			u.progress(u.old)
		case 2:
			u.old = u.now
		case 3: // of rows that no progress has come to
			u.fail(u.s.number(len(u.bad) + 1))
		}
	}
}

func (u *upload) progress(r imclient.BulkResult) {
	if r.Rows > u.told.Rows {
		u.told = r
		u.o.OnProgress(r)
	}
}

func (u *upload) row(line string) {
	if u.s.event != nil {
		u.s.event()
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if u.s.dead {
		return
	}
	u.now.Rows++
	if line == "" {
		return
	}
	var row wire.Row
	if err := wire.DecodeRow(line, u.o.KeepTinyIDs, &row); err != nil {
		u.bad = append(u.bad, imclient.BulkFailure{Row: u.now.Rows, Result: imclient.Result{Code: 60003, Info: err.Error()}})
		u.now.Failed++
		return
	}
	a := imclient.Account{UserID: row.UserID, Nick: row.Nick, FaceURL: row.FaceURL}
	if code, info := judge(a); code != 0 {
		u.bad = append(u.bad, imclient.BulkFailure{Row: u.now.Rows, Result: imclient.Result{UserID: row.UserID, Code: code, Info: info}})
		u.now.Failed++
		return
	}
	status := u.s.put(a)
	switch {
	case u.seen[row.UserID]:
		u.now.Repeated++
	case status == "Created":
		u.now.Created++
	case status == "Updated":
		u.now.Updated++
	default:
		u.now.Existed++
	}
	u.seen[row.UserID] = true
}

// model is what has to become of an input.
type model struct {
	accounts map[string]account
	rejects  []bulk.Reject
	rows     int64
}

// modelOf reads an input, and judges its rows as the service does.
func modelOf(tb failer, text string, o bulk.ReaderOptions) *model {
	tb.Helper()
	r, err := bulk.NewReader("in", strings.NewReader(text), o)
	if err != nil {
		tb.Fatal(err)
	}
	got := drain(tb, r, bulk.Position{}, 1000)
	s := newService()
	m := &model{accounts: s.accounts, rejects: got.Rejects, rows: int64(len(got.Rows) + len(got.Rejects))}
	for _, row := range got.Rows {
		a := imclient.Account{UserID: row.UserID, Nick: row.Nick, FaceURL: row.FaceURL}
		if code, info := judge(a); code != 0 {
			m.rejects = append(m.rejects, bulk.Reject{Line: row.Line, UserID: row.UserID, Code: code, Reason: info})
			continue
		}
		s.put(a)
	}
	slices.SortStableFunc(m.rejects, func(x, y bulk.Reject) int { return cmp.Compare(x.Line, y.Line) })
	return m
}

// noWait is for Options.Wait and ExportOptions.Wait.
func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }
