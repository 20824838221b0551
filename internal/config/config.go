// Package config holds the settings of a server: one struct, whose tags say all there is
// to say of each setting, and one way to fill it. A setting is looked for, from the
// weakest to the strongest, in its default, the config file, the environment and the
// flags; its name is the same everywhere, in the spelling of the place: read-timeout in
// the file, MUSTER_READ_TIMEOUT in the environment, --read-timeout on the command line.
//
// Whatever is wrong is reported at once, each fault with the place it comes from. A
// fault never repeats a value, which may be a Key that slipped into the wrong place.
package config

import (
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/app"
	"github.com/muster-im/muster/internal/store"
)

// Config is every setting of a server. The tags of a field are:
//
//	name     its name; see Setting
//	default  the value if nothing else is said, as it would be written
//	form     what stands for the value in help texts
//	enum     the only values allowed
//	min max  the smallest and the largest value allowed
//	help     what it is for, in one sentence
type Config struct {
	Listen    string    `name:"listen" default:"127.0.0.1:8080" form:"HOST:PORT" help:"Address of the REST API and of the gateway for devices. Port 0 takes any free port."`
	OpsListen string    `name:"ops-listen" default:"127.0.0.1:8081" form:"HOST:PORT" help:"Address of /metrics, /healthz and /readyz, which ask for no credentials."`
	Store     store.DSN `name:"store" default:"pebble:./muster-data" form:"mem:|pebble:DIR" help:"Where the accounts are kept: in memory, or durably in a directory."`
	Apps      []app.App `name:"app" form:"APP" help:"An App. May stand several times."`

	TLSCert string `name:"tls-cert" form:"FILE" help:"Certificate chain (PEM) for HTTPS on the REST API. Read again when it changes."`
	TLSKey  string `name:"tls-key" form:"FILE" help:"Private key (PEM) of the certificate. Read again when it changes."`

	LogLevel  slog.Level `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"The least important messages that are logged."`
	LogFormat string     `name:"log-format" default:"text" enum:"text,json" help:"How log lines are written."`
	Pprof     bool       `name:"pprof" default:"false" help:"Serve /debug/pprof/ on the ops address."`

	MaxInFlight    int  `name:"max-in-flight" default:"1024" min:"0" max:"1000000" form:"N" help:"Requests served at a time; more are answered with 70202. 0 means no limit."`
	MaxBody        Size `name:"max-body" default:"1MiB" min:"1KiB" max:"64MiB" form:"SIZE" help:"Bytes of a request's body."`
	MaxHeaderBytes Size `name:"max-header-bytes" default:"32KiB" min:"8KiB" max:"1MiB" form:"SIZE" help:"Bytes of a request's first line, where the UserSig is, and headers."`

	ReadHeaderTimeout time.Duration `name:"read-header-timeout" default:"5s" min:"10ms" max:"1h" form:"TIME" help:"How long a client may take to send the headers."`
	ReadTimeout       time.Duration `name:"read-timeout" default:"30s" min:"10ms" max:"1h" form:"TIME" help:"How long a client may take to send the whole request."`
	WriteTimeout      time.Duration `name:"write-timeout" default:"30s" min:"5s" max:"1h" form:"TIME" help:"How long a request may take from its headers to the end of the answer."`
	IdleTimeout       time.Duration `name:"idle-timeout" default:"2m" min:"10ms" max:"24h" form:"TIME" help:"How long an idle connection is kept."`
	ShutdownTimeout   time.Duration `name:"shutdown-timeout" default:"10s" min:"0s" max:"1h" form:"TIME" help:"How long requests that are under way may take once the server is told to stop."`

	BulkStreams int `name:"bulk-streams" default:"4" min:"0" max:"1000" form:"N" help:"Bulk imports and exports served at a time; more are answered with 70202. Each needs up to 100 MB of memory. 0 means no limit."`

	AllowedOrigins     []string      `name:"allowed-origins" form:"ORIGIN" help:"Web origins whose pages may log in devices, such as https://app.example.com; * is any. May stand several times. Without one, only pages from the server's own host may."`
	MaxSessions        int           `name:"max-sessions" default:"100000" min:"0" max:"10000000" form:"N" help:"Devices logged in at a time; more are told to try again later. 0 means no limit."`
	SessionsPerAddress int           `name:"sessions-per-address" default:"1000" min:"0" max:"10000000" form:"N" help:"Connections of devices from one address at a time; more are answered with HTTP 429. Behind a proxy all come from one address: set 0, no limit, or a high number there."`
	PingInterval       time.Duration `name:"ping-interval" default:"25s" min:"10ms" max:"1h" form:"TIME" help:"How often a device is asked whether it is still there."`
	PongTimeout        time.Duration `name:"pong-timeout" default:"8s" min:"5ms" max:"1h" form:"TIME" help:"How long a device may take to answer that; must be shorter than ping-interval."`
	MaxMessage         Size          `name:"max-message" default:"64KiB" min:"1KiB" max:"1MiB" form:"SIZE" help:"Bytes of one message from a device; one that sends more is disconnected."`
	SessionQueue       Size          `name:"session-queue" default:"256KiB" min:"4KiB" max:"64MiB" form:"SIZE" help:"Bytes that may wait for a slow device before it is disconnected."`

	BadSigLimit int `name:"bad-sig-limit" default:"20" min:"0" max:"1000000" form:"N" help:"UserSigs with a wrong signature that one source may send an App within a minute before it is locked out for one. 0 means no limit."`
	SigCache    int `name:"sig-cache" default:"8192" min:"1" max:"1000000" form:"N" help:"Verified UserSigs that are remembered."`
	StoreQueue  int `name:"store-queue" default:"1024" min:"1" max:"1000000" form:"N" help:"Writes that may wait for the store; more are answered with 70202."`
}

// Setting describes one field of Config.
type Setting struct {
	Name    string // the key in the config file and, after two dashes, the flag
	Env     string // the environment variable
	Default string // as it would be written; "" for none
	Form    string // what stands for the value in help texts
	Enum    string // the only values, between commas; "" if there are more
	Min     string // the smallest value; "" for none
	Max     string // the largest value; "" for none
	Help    string // one or more sentences

	index int
}

// Settings returns all settings, in the order in which they should be shown.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	out := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		s := Setting{
			Name:    tag.Get("name"),
			Default: tag.Get("default"),
			Form:    tag.Get("form"),
			Enum:    tag.Get("enum"),
			Min:     tag.Get("min"),
			Max:     tag.Get("max"),
			Help:    tag.Get("help"),
			index:   i,
		}
		s.Env = "MUSTER_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		if s.Form == "" {
			s.Form = strings.ReplaceAll(s.Enum, ",", "|")
		}
		out = append(out, s)
	}
	return out
}

// Repeats reports whether the setting is a list.
func (s Setting) Repeats() bool { return s.kind() == reflect.Slice }

// Switch reports whether the setting is on or off, so that its flag needs no value.
func (s Setting) Switch() bool { return s.kind() == reflect.Bool }

func (s Setting) kind() reflect.Kind { return reflect.TypeFor[Config]().Field(s.index).Type.Kind() }

// Default returns the settings that hold if nothing is said.
func Default() Config {
	var c Config
	for s, field := range c.fields() {
		if s.Default == "" {
			continue
		}
		if err := parse(field, s.Default); err != nil {
			panic(fmt.Sprintf("config: the default of %s %v", s.Name, err)) //nolint:forbidigo // a slip in the tags above
		}
	}
	return c
}

// fields yields each setting with a pointer to its field of c.
func (c *Config) fields() iter.Seq2[Setting, any] {
	v := reflect.ValueOf(c).Elem()
	return func(yield func(Setting, any) bool) {
		for _, s := range Settings() {
			if !yield(s, v.Field(s.index).Addr().Interface()) {
				return
			}
		}
	}
}
