package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// cleanups is a stack of what must be undone. A start that fails half-way and a normal
// stop run the same steps.
type cleanups struct {
	mu    sync.Mutex
	steps []cleanup
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// push adds a step, which runs before those pushed earlier.
func (c *cleanups) push(name string, run func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, cleanup{name, run})
}

// run runs all steps, the last first, each of them also if another failed, and forgets
// them. The error joins all of theirs.
func (c *cleanups) run(ctx context.Context, log *slog.Logger) error {
	c.mu.Lock()
	steps := c.steps
	c.steps = nil
	c.mu.Unlock()
	var errs []error
	for _, step := range slices.Backward(steps) {
		begin := time.Now()
		err := step.run(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
		}
		log.DebugContext(ctx, "stopped", slog.String("step", step.name), slog.Duration("dur", time.Since(begin)))
	}
	return errors.Join(errs...)
}
