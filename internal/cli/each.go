package cli

import (
	"context"
	"fmt"
	"math"

	"github.com/muster-im/muster/imclient"
)

// each are the flags of the commands that do one thing to each of the accounts that they
// are given.
type each struct {
	remote
	naming

	Concurrency int  `name:"concurrency" default:"16" placeholder:"N" help:"Calls under way at a time."`
	JSON        bool `name:"json" help:"Print a JSON object in a line for each account."`
}

// task is what a command does to each account.
type task struct {
	header []string // of the table
	states []string // what accounts are counted as, in the order of the summary
	limit  int      // accounts in a call
	call   func(ctx context.Context, c *imclient.Client, userIDs []string) ([]answer, error)
	// prepare, if set, may change the task to what the service is able to do.
	prepare func(ctx context.Context, c *imclient.Client, t *task) error
}

// maxConcurrency bounds how many calls may be under way at a time.
const maxConcurrency = 4096

// run does the task.
func (e *each) run(ctx context.Context, streams Streams, t task) error {
	client, concurrency, err := e.connect()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	names, err := e.open(ctx, streams.In)
	if err != nil {
		return err
	}
	if t.prepare != nil {
		if err := t.prepare(ctx, client, &t); err != nil {
			names.close()
			return e.advise(err)
		}
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	meter := newMeter(streams, names)
	r := &reporter{task: &t, names: names, notes: meter.notes, meter: meter}
	r.printer = newAnswerPrinter(streams.Out, e.JSON, t.header)
	p := &pipeline{concurrency: concurrency, grace: e.Timeout, emit: r.emit}
	p.do = func(ctx context.Context, userIDs []string) ([]answer, error) {
		answers, err := t.call(ctx, client, userIDs)
		if err != nil {
			return nil, e.advise(err)
		}
		return align(answers, userIDs)
	}
	complete, err := p.run(ctx, names.batches(reading, t.limit))
	meter.stop()
	return r.finish(ctx, streams.Err, complete, err)
}

// connect returns a client and how many calls may be under way at a time.
func (e *each) connect() (client *imclient.Client, concurrency int, err error) {
	if e.Concurrency < 1 || e.Concurrency > maxConcurrency {
		return nil, 0, &usage{fmt.Errorf("--concurrency must be 1 to %d", maxConcurrency), ""}
	}
	concurrency = e.Concurrency
	if e.Rate > 0 { // more would only wait for their turn, and an interrupt for them
		concurrency = int(min(float64(concurrency), math.Ceil(e.Rate)))
	}
	client, err = e.client(concurrency, 0)
	return client, concurrency, err
}

// align returns the answers in the order of the names.
func align(answers []answer, userIDs []string) ([]answer, error) {
	inOrder := func() bool {
		for i, id := range userIDs {
			if answers[i].head().UserID != id {
				return false
			}
		}
		return true
	}
	if len(answers) == len(userIDs) && inOrder() {
		return answers, nil
	}
	byName := make(map[string]answer, len(answers))
	for _, a := range answers {
		byName[a.head().UserID] = a
	}
	aligned := make([]answer, len(userIDs))
	for i, id := range userIDs {
		if aligned[i] = byName[id]; aligned[i] == nil {
			return nil, fmt.Errorf("the service's reply does not have %s", printable(id))
		}
	}
	return aligned, nil
}
