package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// Fault is one thing that is wrong with a setting.
type Fault struct {
	// Where is the place that the value comes from: "muster.yaml:3", "MUSTER_LISTEN" or
	// "--listen"; "" if it is not known.
	Where string `json:"where,omitempty"`
	// Path names the setting, such as listen or app[1].keys; "" if the fault is one of
	// the whole place.
	Path string `json:"path,omitempty"`
	// Problem says what is wrong, such as "must be HOST:PORT". It repeats no value.
	Problem string `json:"problem"`
}

// Error implements error: where, path and problem.
func (f *Fault) Error() string {
	if f.Where == "--"+f.Path {
		return f.Where + ": " + f.Problem
	}
	parts := slices.DeleteFunc([]string{f.Where, f.Path, f.Problem}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Faults is everything that is wrong. As an error it has at least one.
type Faults []*Fault

// Error implements error, one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

func (fs *Faults) add(where, path, format string, args ...any) {
	*fs = append(*fs, &Fault{Where: where, Path: path, Problem: fmt.Sprintf(format, args...)})
}

// err returns fs, or nil if there are none.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// Validate returns nil if a server can run with c, else Faults that list all that is
// wrong. Whether files can be read and addresses are free only a start can tell. That
// each App is sound in itself is the business of whoever made it.
func (c *Config) Validate() error {
	var faults Faults
	for s, field := range c.fields() {
		if err := inRange(field, s.Min, s.Max); err != nil {
			faults.add("", s.Name, "%v", err)
		}
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		faults.add("", "log-format", "must be text or json")
	}
	if !slices.Contains([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}, c.LogLevel) {
		faults.add("", "log-level", "must be debug, info, warn or error")
	}
	c.checkAddresses(&faults)
	if (c.TLSCert == "") != (c.TLSKey == "") {
		given, missing := "tls-cert", "tls-key"
		if c.TLSCert == "" {
			given, missing = missing, given
		}
		faults.add("", missing, "is missing, but %s is given; HTTPS needs both", given)
	}
	if c.Store.Backend == "" {
		faults.add("", "store", "must be mem: or pebble:DIR")
	}
	if c.PongTimeout >= c.PingInterval {
		faults.add("", "pong-timeout", "must be shorter than ping-interval")
	}
	checkOrigins(c.AllowedOrigins, &faults)
	checkApps(c.Apps, &faults)
	return faults.err()
}

func (c *Config) checkAddresses(faults *Faults) {
	usable := true
	for _, a := range []struct{ name, address string }{{"listen", c.Listen}, {"ops-listen", c.OpsListen}} {
		if err := checkAddress(a.address); err != nil {
			faults.add("", a.name, "%v", err)
			usable = false
		}
	}
	if usable && c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0") {
		faults.add("", "ops-listen", "is the same address as listen")
	}
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be HOST:PORT, such as 127.0.0.1:8080, or :8080 for every address of this machine")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("must have a port from 0 to 65535")
	}
	return nil
}

func checkApps(apps []app.App, faults *Faults) {
	first := make(map[account.SDKAppID]int, len(apps))
	for i, a := range apps {
		if j, twice := first[a.SDKAppID]; twice {
			faults.add("", fmt.Sprintf("app[%d].sdkappid", i), "%d is the SDKAppID of app[%d] too", a.SDKAppID, j)
			continue
		}
		first[a.SDKAppID] = i
	}
}
