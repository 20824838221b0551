package cli

import (
	"context"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
)

// samples are the sample accounts of muster dev: a header and then UserID, Nick, FaceUrl.
//
//go:embed accounts.csv
var samples string

// sampleBatch is how many accounts go into one call: fewer than could, so that there is
// progress to see.
const sampleBatch = 10

func sampleAccounts() ([]imclient.Account, error) {
	r := csv.NewReader(strings.NewReader(samples))
	r.Comment, r.FieldsPerRecord = '#', 3
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the sample accounts: %w", err)
	}
	accounts := make([]imclient.Account, 0, len(rows))
	for _, row := range rows[1:] {
		accounts = append(accounts, imclient.Account{UserID: row[0], Nick: row[1], FaceURL: row[2]})
	}
	return accounts, nil
}

// summary counts what became of the sample accounts.
type summary struct {
	count    map[string]int // by status, as the wire spells it
	failures []imclient.ImportItem
}

// importSamples imports the accounts call by call, and tells progress how many are done.
func importSamples(ctx context.Context, c *imclient.Client, accounts []imclient.Account, progress func(done int64)) (summary, error) {
	sum := summary{count: make(map[string]int)}
	for done := 0; done < len(accounts); {
		batch := accounts[done:min(done+sampleBatch, len(accounts))]
		reply, err := c.MultiAccountImport(ctx, imclient.ImportRequest{Accounts: batch, Detail: true})
		if err != nil {
			return sum, err
		}
		for _, item := range reply.Items {
			sum.count[item.Status]++
			if item.Status == account.Failed.String() {
				sum.failures = append(sum.failures, item)
			}
		}
		done += len(batch)
		progress(int64(done))
	}
	return sum, nil
}

// print writes how many accounts were created, existed and failed, and why.
func (s *summary) print(w io.Writer, took time.Duration) error {
	n := func(status account.Status) int { return s.count[status.String()] }
	_, err := fmt.Fprintf(w, "sample accounts imported through the REST API in %v: created %d, existed %d, updated %d, repeated %d, failed %d\n",
		took.Round(time.Millisecond), n(account.Created), n(account.Existed), n(account.Updated), n(account.Duplicate), n(account.Failed))
	for _, f := range s.failures {
		if err == nil {
			_, err = fmt.Fprintf(w, "  failed  %-36q %d %s\n", f.UserID, f.Code, f.Info)
		}
	}
	return err
}
