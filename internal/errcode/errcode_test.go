package errcode_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/muster-im/muster/internal/errcode"
)

func TestTableIsSortedAndComplete(t *testing.T) {
	table := errcode.Table()
	if !slices.IsSortedFunc(table, func(a, b errcode.Entry) int { return int(a.Code - b.Code) }) {
		t.Fatal("the table is not sorted by code; Lookup needs it so")
	}
	for _, e := range table {
		if e.Meaning == "" || (e.Info == "" && e.Code != errcode.OK) {
			t.Errorf("%d has no sentence", e.Code)
		}
		if e.Code.Info() != e.Info {
			t.Errorf("Info(%d) = %q, want %q", e.Code, e.Code.Info(), e.Info)
		}
	}
}

func TestFromFindsTheCodeUnderWraps(t *testing.T) {
	base := errcode.Wrap(errcode.StoreTimeout, io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("rest: import: %w", base)
	if got := errcode.Of(wrapped); got != errcode.StoreTimeout {
		t.Errorf("Of = %d, want %d", got, errcode.StoreTimeout)
	}
	if !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Error("the private cause is lost")
	}
	if got := errcode.Of(io.EOF); got != errcode.Internal {
		t.Errorf("Of(foreign) = %d, want %d", got, errcode.Internal)
	}
	if errcode.Of(nil) != errcode.OK || errcode.From(nil) != nil {
		t.Error("nil must be OK")
	}
}
