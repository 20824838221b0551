package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// Sizes of the database. Memory at rest is the index, the cache and one memtable; under
// load there are up to maxMemTables.
const (
	memTableSize = 8 << 20
	maxMemTables = 8
	cacheSize    = 32 << 20
)

// pebbleOptions are the options of every Muster database; DESIGN.md has the measurements
// behind them.
func pebbleOptions(o Options, lock *pebble.Lock, f *failure) *pebble.Options {
	logger := &pebbleLogger{log: o.Logger, failure: f}
	po := &pebble.Options{
		FS:                          guardedFS{FS: o.FS, failure: f},
		Lock:                        lock,
		Logger:                      logger,
		EventListener:               logger.events(),
		ReadOnly:                    o.readOnly,
		FormatMajorVersion:          pebble.FormatNewest,
		Cache:                       pebble.NewCache(cacheSize),
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: maxMemTables,
		L0CompactionThreshold:       128,
		L0StopWritesThreshold:       400,
		LBaseMaxBytes:               128 << 20,
		MaxOpenFiles:                512,
		BytesPerSync:                1 << 20,
	}
	po.TargetFileSizes[0] = 8 << 20
	// No compactions because something was read: the loader reads everything once, and then
	// nobody reads much.
	po.Experimental.ReadSamplingMultiplier = -1
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range po.Levels {
		po.Levels[i].BlockSize = 16 << 10
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	po.Levels[len(po.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	return po
}

// pebbleLogger carries Pebble's messages to our log and owns what happens on a fatal one.
//
// Pebble calls Fatalf when a write to its log or manifest failed, and counts on it not to
// return. The goroutine is parked with the locks it holds, every call on the store returns
// ErrFailed, and the owner is told through OnFailure and ends the process; what was
// acknowledged is in the log already.
type pebbleLogger struct {
	log     *slog.Logger
	failure *failure
}

// Infof implements pebble.Logger.
func (l *pebbleLogger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "event", fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger.
func (l *pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble", "event", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. It does not return.
func (l *pebbleLogger) Fatalf(format string, args ...any) {
	l.failure.park(fmt.Errorf(format, args...))
}

// events passes on what an operator should know; Pebble's default would log every flush.
//
// A flush that failed is a failure of the store: Pebble would try again at once and for
// ever, and a disk that is full or broken for tables soon is so for the log.
func (l *pebbleLogger) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, pebble.ErrCancelledCompaction) {
				l.failure.set(fmt.Errorf("background work: %w", err))
			}
		},
		CompactionEnd: func(i pebble.CompactionInfo) {
			l.log.Debug("pebble: compacted", "reason", i.Reason, "out", i.Output.Level, "dur", i.Duration, "event", i.String())
		},
		DiskSlow:        func(i pebble.DiskSlowInfo) { l.log.Warn("pebble: the disk is slow", "event", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { l.log.Warn("pebble: writes wait for the disk", "reason", i.Reason) },
		WriteStallEnd:   func() { l.log.Info("pebble: writes go on") },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { l.log.Error("pebble: damaged data", "event", i.String()) },
	}
}
