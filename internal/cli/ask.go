package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// terminalOf returns the terminal that an input is, if it is one.
func terminalOf(in io.Reader) (*os.File, bool) {
	file, ok := in.(*os.File)
	return file, ok && isTerminal(file)
}

// ask asks on a terminal whether something may be done. Unless the answer is yes it returns
// an error that says refusal.
func ask(ctx context.Context, terminal io.ReadWriter, question, refusal string) error {
	if _, err := fmt.Fprint(terminal, question+" Type yes: "); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	typed := make(chan string, 1)
	go func() { // which stays behind if ctx ends first
		line, _ := bufio.NewReader(io.LimitReader(terminal, 1<<10)).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case line := <-typed:
		if strings.EqualFold(line, "yes") {
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New(refusal)
}
