package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// indexTimeout bounds how long a server may take to build its index of names.
const indexTimeout = 5 * time.Minute

// awaitIndex waits until the server says that its index of names is complete, so that it
// works at full speed.
func (c *child) awaitIndex(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		loading, err := indexLoading(ctx, "http://"+c.ops+"/readyz")
		if err != nil {
			return fmt.Errorf("bench: %s: is the index complete?: %w", c.name, err)
		}
		if !loading {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return fmt.Errorf("bench: %s: it ended before its index was complete", c.name)
		case <-ctx.Done():
			return fmt.Errorf("bench: %s: its index is not complete: %w", c.name, ctx.Err())
		}
	}
}

func indexLoading(ctx context.Context, url string) (_ bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	var state struct {
		NameIndex string `json:"name_index"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&state); err != nil {
		return false, err
	}
	return state.NameIndex == "loading", nil
}
