package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/muster-im/muster/internal/errcode"
)

// reporter prints what became of the accounts, and counts.
type reporter struct {
	task    *task
	names   *source
	printer answerPrinter
	notes   io.Writer // where complaints go
	meter   meter

	accounts, failed, rejected, unanswered int64
	states                                 map[string]int64 // accounts by state, the failed not among them
	codes                                  map[int]int64    // those that failed, by code
	upTo                                   int64            // the line up to which everything was done
	gap                                    bool             // something before the current batch was not done
}

// emit takes one call of the pipeline.
func (r *reporter) emit(c *call) error {
	for _, reject := range c.rejects {
		r.rejected++
		complain(r.notes, "%s: %d %s", r.names.place(reject.Line), reject.Code, printable(reject.Reason))
	}
	switch {
	case errors.Is(c.err, errNotCalled):
		r.gap = true
		return nil
	case c.err != nil:
		r.gap = true
		r.unanswered += int64(len(c.userIDs))
		return nil //nolint:nilerr // the pipeline tells it
	}
	for _, a := range c.answers {
		r.count(a)
	}
	if !r.gap && c.last > 0 {
		r.upTo = c.last
	}
	r.meter.set(c.read, r.accounts)
	return r.printer.print(c.answers)
}

func (r *reporter) count(a answer) {
	if r.states == nil {
		r.states, r.codes = make(map[string]int64), make(map[int]int64)
	}
	r.accounts++
	if code := a.head().ResultCode; code != 0 {
		r.failed++
		r.codes[code]++
		return
	}
	r.states[a.state()]++
}

// finish prints the summary, as an error if anything went wrong.
func (r *reporter) finish(ctx context.Context, w io.Writer, complete bool, err error) error {
	var faults []error
	if err != nil {
		faults = append(faults, err)
	}
	for _, code := range slices.SortedFunc(maps.Keys(r.codes), cmp.Compare[int]) {
		if m := accountMeaning(code); m != "" {
			faults = append(faults, fmt.Errorf("%d (%d of the accounts): %s", code, r.codes[code], m))
		}
	}
	if !complete && ctx.Err() != nil {
		faults = append(faults, errInterrupted)
	}
	if !complete && r.upTo > 0 && r.names.file != "" {
		faults = append(faults, fmt.Errorf("%s is done up to line %d", r.names.file, r.upTo))
	}
	if len(faults)+int(r.rejected) == 0 {
		_, err := fmt.Fprintln(w, r.summary())
		return err
	}
	return errors.Join(append(faults, errors.New(r.summary()))...)
}

// accountMeaning is meaning for the code of a single account.
func accountMeaning(code int) string {
	switch errcode.Code(code) {
	case errcode.NoAccount:
		return "the account is not imported" // the table's advice is to import it
	case errcode.BadParam:
		return "" // the account's own line says it better
	default:
		return meaning(code)
	}
}

// plural writes a number of things.
func plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// summary is one sentence.
func (r *reporter) summary() string {
	var parts []string
	add := func(n int64, what string, always bool) {
		if n > 0 || always {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	for _, s := range r.task.states {
		add(r.states[s], s, true)
	}
	add(r.failed, "failed", false)
	add(r.rejected, "rejected", false)
	add(r.unanswered, "not answered", false)
	return fmt.Sprintf("%s: %s", plural(r.accounts, "account"), strings.Join(parts, ", "))
}
