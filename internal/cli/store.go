package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/muster-im/muster/internal/store"
	"github.com/muster-im/muster/internal/store/backend"
)

// devStore is where muster dev keeps its store, below its directory.
const devStore = "store"

// withStoreHint adds to the error that a directory holds no store where there is one.
func withStoreHint(err error, dsn store.DSN) error {
	if !backend.IsNotAStore(err) {
		return err
	}
	below := filepath.Join(dsn.Dir, devStore)
	if _, statErr := os.Stat(filepath.Join(dsn.Dir, devFile)); statErr != nil {
		return err
	}
	return fmt.Errorf("%w\nthe directory is one of muster dev, whose store is pebble:%s", err, below)
}
