package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/config"
)

// settings are the flags of a command that works with the settings of a server.
type settings struct {
	File         string `name:"config" placeholder:"FILE" env:"MUSTER_CONFIG" help:"Config file (YAML) with the settings below, without their dashes."`
	kong.Plugins        // the result of newSettingFlags
}

// newSettingFlags returns a pointer to a struct that has one flag for each setting of
// package config, all of them text, so that every fault in them is found and told there
// together with those of the file and the environment.
func newSettingFlags() any {
	all := config.Settings()
	fields := make([]reflect.StructField, len(all))
	for i, s := range all {
		fields[i] = reflect.StructField{
			Name: "Setting" + strconv.Itoa(i),
			Type: flagType(s),
			Tag:  reflect.StructTag(fmt.Sprintf("name:%q placeholder:%q help:%q sep:%q", s.Name, s.Form, flagHelp(s), "none")),
		}
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

func flagType(s config.Setting) reflect.Type {
	if s.Switch() {
		return reflect.TypeFor[*bool]() // a pointer, to tell --pprof=false from nothing
	}
	return reflect.TypeFor[[]string]()
}

func flagHelp(s config.Setting) string {
	help := strings.TrimSuffix(s.Help, ".")
	if s.Name == "app" {
		help += ": " + app.Syntax
	}
	if s.Default != "" && !s.Switch() {
		return fmt.Sprintf("%s (default %s, $%s).", help, s.Default, s.Env)
	}
	return fmt.Sprintf("%s ($%s).", help, s.Env)
}

// sources says where the settings are to be looked for.
func (c *settings) sources() config.Sources {
	flags := make(map[string][]string)
	v := reflect.ValueOf(c.Plugins[0]).Elem()
	for i, s := range config.Settings() {
		switch given := v.Field(i).Interface().(type) {
		case *bool:
			if given != nil {
				flags[s.Name] = []string{strconv.FormatBool(*given)}
			}
		case []string:
			flags[s.Name] = given
		}
	}
	return config.Sources{File: c.File, Env: os.LookupEnv, Flags: flags}
}

// newLogger returns the logger that the settings ask for.
func newLogger(w io.Writer, c *config.Config) *slog.Logger {
	return slog.New(newLogHandler(w, c.LogFormat, c.LogLevel))
}

func newLogHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	if format == "json" {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	return shortErrors{slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})}
}

// shortErrors has an error logged as its sentence. The text handler would ask for all
// details, which for the errors of Pebble is a page with their stack. It is no ReplaceAttr,
// since that would slow down every line for the few that have an error.
type shortErrors struct{ slog.Handler }

// Handle implements slog.Handler.
func (h shortErrors) Handle(ctx context.Context, r slog.Record) error {
	if !hasError(r) {
		return h.Handler.Handle(ctx, r)
	}
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
		short.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, short)
}

// WithAttrs implements slog.Handler.
func (h shortErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	return shortErrors{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h shortErrors) WithGroup(name string) slog.Handler {
	return shortErrors{h.Handler.WithGroup(name)}
}

func hasError(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindAny {
			_, found = a.Value.Any().(error)
		}
		return !found
	})
	return found
}
