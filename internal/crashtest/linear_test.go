package crashtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/errcode"
	"github.com/muster-im/muster/internal/store/storetest"
)

// TestLinearizableAcrossKills records what clients of the REST API see of accounts that
// they all import, check, delete and kick, while the server is killed and started again,
// and has Porcupine look for an order that explains it. MUSTER_HISTORIES sets how many
// histories are recorded at once, 8 if it is not set.
func TestLinearizableAcrossKills(t *testing.T) {
	n := 8
	if v := os.Getenv("MUSTER_HISTORIES"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 {
			t.Fatalf("MUSTER_HISTORIES=%q is not a number of histories", v)
		}
	}
	seed := rand.Uint64N(1 << 40)
	t.Logf("seed %d", seed)
	exe, dir := buildServer(t), filepath.Join(t.TempDir(), "store")
	histories := make([]*storetest.History, n)
	for i := range histories {
		histories[i] = storetest.NewHistory(storetest.Workload{
			Seed: seed + uint64(i), Clients: 6, Calls: 12, Accounts: 6, Batch: 3,
			Mix: []storetest.Op{
				storetest.OpImport, storetest.OpImport, storetest.OpImport, storetest.OpCheck, storetest.OpCheck,
				storetest.OpCheck, storetest.OpDelete, storetest.OpDelete, storetest.OpKick,
			},
			Blind: storetest.Blind{ValidFrom: true},
		})
	}
	const kills = 2
	for round := range kills + 1 {
		s := start(t, exe, dir)
		target := &httpTarget{client: s.client(t)}
		var wg sync.WaitGroup
		for _, h := range histories {
			wg.Go(func() { h.Record(t.Context(), target) })
		}
		if round < kills {
			timer := time.NewTimer(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
			<-timer.C
			s.kill()
		}
		wg.Wait()
		if round == kills {
			s.stop(t)
		}
	}
	var total storetest.Counts
	for i, h := range histories {
		if err := h.Verify(); err != nil {
			t.Errorf("history %d: %v", i, err)
		}
		c := h.Counts()
		total.Answered, total.Refused, total.Unknown = total.Answered+c.Answered, total.Refused+c.Refused, total.Unknown+c.Unknown
	}
	t.Logf("%d histories, %d kills: %d calls answered, %d found no server, %d of unknown fate",
		n, kills, total.Answered, total.Refused, total.Unknown)
	if total.Answered < 20*n {
		t.Errorf("only %d calls were answered: the histories say nothing", total.Answered)
	}
}

// httpTarget is a server as a storetest.Target.
type httpTarget struct{ client *imclient.Client }

func text(ids []account.UserID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// fate says of an error that nothing was done where that is certain: nobody listened.
func fate(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", account.ErrBusy, err)
	}
	return err
}

func (h *httpTarget) Import(ctx context.Context, ids []account.UserID, _ int64, _ bool) ([]account.Imported, error) {
	reply, err := h.client.MultiAccountImport(ctx, imclient.ImportRequest{Names: text(ids), Detail: true})
	if err != nil {
		return nil, fate(err)
	}
	out := make([]account.Imported, len(ids))
	for i, item := range reply.Items {
		id, err := strconv.ParseUint(item.TinyID, 10, 64)
		if err != nil || item.UserID != string(ids[i]) {
			return nil, fmt.Errorf("item %d is %+v", i, item)
		}
		out[i].TinyID = account.TinyID(id)
		switch item.Status {
		case account.Created.String():
			out[i].Status = account.Created
		case account.Existed.String():
			out[i].Status = account.Existed
		default:
			return nil, fmt.Errorf("item %d is %+v", i, item)
		}
	}
	return out, nil
}

func (h *httpTarget) Check(ctx context.Context, ids []account.UserID) ([]bool, error) {
	checked, err := h.client.AccountCheck(ctx, text(ids))
	if err != nil {
		return nil, fate(err)
	}
	out := make([]bool, len(ids))
	for i, c := range checked {
		out[i] = c.Imported
	}
	return out, nil
}

func (h *httpTarget) Get(context.Context, []account.UserID) ([]account.Account, error) {
	return nil, errors.New("the API has no such command")
}

func (h *httpTarget) Delete(ctx context.Context, ids []account.UserID, _ int64) ([]bool, error) {
	results, err := h.client.AccountDelete(ctx, text(ids))
	if err != nil {
		return nil, fate(err)
	}
	out := make([]bool, len(ids))
	for i, r := range results {
		if out[i] = r.Code == 0; r.Code != 0 && errcode.Code(r.Code) != errcode.NoAccount {
			return nil, fmt.Errorf("item %d is %+v", i, r)
		}
	}
	return out, nil
}

// Kick kicks one name after the other: the histories are judged by account.
func (h *httpTarget) Kick(ctx context.Context, ids []account.UserID, _ int64) ([]bool, error) {
	out := make([]bool, len(ids))
	for i, id := range ids {
		err := h.client.Kick(ctx, string(id))
		if refused, ok := errors.AsType[*imclient.Error](err); ok && errcode.Code(refused.Code) == errcode.NoAccount {
			continue
		}
		if err != nil && i == 0 {
			return nil, fate(err)
		}
		if err != nil {
			return nil, err // not fate's: the names before are kicked
		}
		out[i] = true
	}
	return out, nil
}
