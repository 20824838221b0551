package bulk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/bulk"
)

// TestDryRun counts what random inputs would do, and then what is in them.
func TestDryRun(t *testing.T) {
	dir := t.TempDir()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		format := []bulk.Format{bulk.Names, bulk.CSV, bulk.NDJSON}[seed%3]
		text := inputOf(format, rng.IntN(1000), rng)
		text = strings.ReplaceAll(text, strings.Repeat("x", maxNick+1), "x") // of which a check knows nothing
		t.Run(fmt.Sprint(format, seed), func(t *testing.T) { dryRun(t, text, format, dir, int(seed%5)) })
	}
	checkEmpty(t, dir)
}

func dryRun(t *testing.T, text string, format bulk.Format, dir string, concurrency int) {
	t.Helper()
	s := newService()
	for n := range 20 {
		s.put(imclient.Account{UserID: "user_" + itoa(int64(n))})
	}
	var rejects []bulk.Reject
	line := int64(0)
	got, err := bulk.TryImport(t.Context(), newReader(t, text, bulk.ReaderOptions{Format: format}), bulk.DryRunOptions{
		Service: s, Concurrency: concurrency, TempDir: dir,
		OnReject:   func(r bulk.Reject) { rejects = append(rejects, r) },
		OnProgress: func(l int64) { line = max(line, l) },
	})
	if err != nil || len(s.accounts) != 20 {
		t.Fatalf("error %v, %d accounts", err, len(s.accounts))
	}
	slices.SortFunc(rejects, func(x, y bulk.Reject) int { return cmp.Compare(x.Line, y.Line) })
	m := modelOf(t, text, bulk.ReaderOptions{Format: format})
	if diff := gocmp.Diff(m.rejects, rejects, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
	want := bulk.DryRun{Invalid: int64(len(m.rejects)), Line: line}
	for name := range m.accounts {
		if _, there := s.accounts[name]; there {
			want.Existing++
		} else {
			want.New++
		}
	}
	if want.Repeated = m.rows - want.Rows(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// checker is a Checker of one function.
type checker func(ctx context.Context, userIDs []string) ([]imclient.Checked, error)

func (c checker) AccountCheck(ctx context.Context, userIDs []string) ([]imclient.Checked, error) {
	return c(ctx, userIDs)
}

func TestDryRunFails(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	many := strings.Repeat("ann\n", 10_000)
	for _, tt := range []struct {
		name    string
		service checker
		want    string
	}{
		{"refused", func(context.Context, []string) ([]imclient.Checked, error) { return nil, errRefused }, "bulk: dry run: imclient: fake: 70403 no admin"},
		{"short answer", func(context.Context, []string) ([]imclient.Checked, error) { return nil, nil }, "bulk: dry run: the service answered for 0 of 100 accounts"},
		{"interrupted", func(ctx context.Context, _ []string) ([]imclient.Checked, error) {
			cancel()
			return nil, ctx.Err()
		}, "bulk: dry run: context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bulk.TryImport(ctx, newReader(t, many, bulk.ReaderOptions{}), bulk.DryRunOptions{Service: tt.service, Concurrency: 3, TempDir: dir})
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	s := newService()
	broken := errors.New("the disk is gone")
	r, err := bulk.NewReader("in", io.MultiReader(strings.NewReader("ann\nbob\n"), readerFunc(func([]byte) (int, error) { return 0, broken })), bulk.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bulk.TryImport(t.Context(), r, bulk.DryRunOptions{Service: s, TempDir: dir}); !errors.Is(err, broken) || got.Line != 2 {
		t.Errorf("%+v, error %v", got, err)
	}
	if _, err := bulk.TryImport(t.Context(), newReader(t, many, bulk.ReaderOptions{}), bulk.DryRunOptions{Service: s, TempDir: dir + "/none"}); err == nil {
		t.Error("no error without a directory")
	}
	checkEmpty(t, dir)
}
