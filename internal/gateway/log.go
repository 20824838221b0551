package gateway

import (
	"context"
	"log/slog"

	"github.com/centrifugal/centrifuge"
)

// logged are the fields of centrifuge's log entries that are passed on. Others may hold what
// a device sent, and so a UserSig.
var logged = map[string]bool{"error": true, "client": true, "transport": true, "code": true, "reason": true}

// logHandler passes centrifuge's warnings and errors on.
func logHandler(log *slog.Logger) centrifuge.LogHandler {
	return func(e centrifuge.LogEntry) {
		level := slog.LevelWarn
		if e.Level == centrifuge.LogLevelError {
			level = slog.LevelError
		}
		attrs := []slog.Attr{slog.String("what", e.Message)}
		for name, value := range e.Fields {
			if logged[name] {
				attrs = append(attrs, slog.Any(name, value))
			}
		}
		log.LogAttrs(context.Background(), level, "centrifuge", attrs...)
	}
}
