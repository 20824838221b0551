package memstore_test

import (
	"testing"

	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/memstore"
	"github.com/muster-im/muster/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) storetest.Instance { return instance{memstore.New()} },
		Unsupported: storetest.Unsupported{
			Reopen: "accounts in memory end with the store",
			Crash:  "accounts in memory end with the process",
		},
	})
}

// instance is a store that cannot be opened again.
type instance struct{ st *memstore.Store }

func (i instance) Store() store.Store { return i.st }

func (instance) Reopen(tb testing.TB) { tb.Fatal("Reopen is declared unsupported") }

func (instance) Crash(tb testing.TB) { tb.Fatal("Crash is declared unsupported") }
