// Package cli is the command line: one file for each command, and here what they share.
//
// The rules of its user interface: results go to standard output, everything else to
// standard error; an error is one line that starts with "muster: ", in lower case and
// without a full stop, and further such lines may say what to do about it. A secret is
// never printed, except a UserSig that was asked for.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/muster-im/muster/internal/config"
	"github.com/muster-im/muster/internal/store/backend"
)

// The exit statuses.
const (
	ExitOK      = 0
	ExitFailure = 1 // the command could not do what it was asked, or found something wrong
	ExitUsage   = 2 // the command line or the configuration is wrong
	ExitStopped = 3 // it was stopped, or had to stop, and can be gone on with where it was
	ExitStore   = 4 // the store cannot be used: in use, damaged, from a newer version, or it failed
)

const description = `Muster is a self-hosted account service for instant messaging that speaks Tencent Cloud IM's server REST API.

Exit status: 0 success; 1 failure, or something wrong was found; 2 the command line or the configuration is wrong;
3 an import, an export or kick --all stopped and can be gone on with; 4 the store cannot be used: in use, damaged, from a newer version, or it failed while in use.`

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// commands is the command line.
type commands struct {
	Serve   serveCmd   `cmd:"" help:"Serve the REST API."`
	Dev     devCmd     `cmd:"" help:"Serve with an App and sample accounts made ready, to try things out."`
	Config  configCmd  `cmd:"" help:"Check or print the settings of a server."`
	Import  importCmd  `cmd:"" help:"Import the accounts of a file."`
	Export  exportCmd  `cmd:"" help:"Write all accounts of an App to a file."`
	Check   checkCmd   `cmd:"" help:"Ask which accounts are imported."`
	Delete  deleteCmd  `cmd:"" help:"Delete accounts."`
	Kick    kickCmd    `cmd:"" help:"End the sessions and the UserSigs of accounts."`
	Status  statusCmd  `cmd:"" help:"Ask for the online status of accounts."`
	Send    sendCmd    `cmd:"" help:"Send a message to accounts."`
	Usersig usersigCmd `cmd:"" help:"Sign, verify or explain a UserSig."`
	Fsck    fsckCmd    `cmd:"" help:"Check a store that no server has open."`
	Bench   benchCmd   `cmd:"" help:"Measure a running server, or this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Help helpFlag `short:"h" help:"Show help and exit."`
}

// helpFlag prints the help of the command it is given to.
type helpFlag bool

// errHelped says that help was asked for and printed.
var errHelped = errors.New("help was printed")

// BeforeReset is called by kong as soon as the flag is seen.
func (helpFlag) BeforeReset(c *kong.Context) error {
	if err := c.PrintUsage(false); err != nil {
		return err
	}
	return errHelped
}

// Run carries out the command that args, without the program's name, ask for, until it
// is done or ctx ends, and returns the exit status.
func Run(ctx context.Context, args []string, streams Streams) int {
	parser, err := newParser(streams)
	if err != nil {
		return report(streams.Err, err)
	}
	if len(args) == 0 {
		return report(streams.Err, &usage{errors.New("no command is given"), "run muster --help"})
	}
	command, err := parser.Parse(args)
	if err != nil {
		return report(streams.Err, usageError(err))
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return report(streams.Err, command.Run(streams))
}

func newParser(streams Streams) (*kong.Kong, error) {
	root := &commands{}
	root.Serve.Plugins = kong.Plugins{newSettingFlags()}
	root.Config.Check.Plugins = kong.Plugins{newSettingFlags()}
	root.Config.Print.Plugins = kong.Plugins{newSettingFlags()}
	return kong.New(root,
		kong.Name("muster"),
		kong.Description(description),
		kong.NoDefaultHelp(),
		kong.Writers(streams.Out, streams.Err),
		kong.ValueFormatter(formatHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 120}),
	)
}

// formatHelp adds to the help of a flag its default and its environment variable.
func formatHelp(v *kong.Value) string {
	var more []string
	if v.HasDefault && v.Default != "" && v.Default != "0" {
		more = append(more, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		more = append(more, "$"+name)
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(more, ", ") + ")."
}

// usage is an error in how a command was called.
type usage struct {
	err  error
	hint string // what to do about it; may be empty
}

func (u *usage) Error() string { return u.err.Error() }

func (u *usage) Unwrap() error { return u.err }

// stoppedError says that a command stopped and can be gone on with.
type stoppedError struct{ err error }

func (s *stoppedError) Error() string { return s.err.Error() }

func (s *stoppedError) Unwrap() error { return s.err }

// keyText finds what an argument that went astray may have of a Key.
var keyText = regexp.MustCompile(`(?i)(key)=[^,\s"]+`)

// usageError returns what kong says of the command line, as an error of ours.
func usageError(err error) error {
	if errors.Is(err, errHelped) {
		return err
	}
	hint := "run muster --help"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			hint = "run " + node.FullPath() + " --help"
		}
	}
	return &usage{errors.New(keyText.ReplaceAllString(err.Error(), "$1=[redacted]")), hint}
}

// report writes err, if it is one, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil || errors.Is(err, errHelped) {
		return ExitOK
	}
	if faults, ok := errors.AsType[config.Faults](err); ok {
		reportFaults(w, faults)
		return ExitUsage
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		complain(w, "%s", line)
	}
	wrong, isUsage := errors.AsType[*usage](err)
	switch {
	case isUsage && wrong.hint != "":
		complain(w, "%s", wrong.hint)
	case errors.Is(err, syscall.EADDRINUSE):
		complain(w, "another program, perhaps another muster, has this address; choose others with --listen and --ops-listen")
	}
	if isUsage {
		return ExitUsage
	}
	if _, ok := errors.AsType[*stoppedError](err); ok {
		return ExitStopped
	}
	if _, ok := errors.AsType[*backend.Fault](err); ok {
		return ExitStore
	}
	return ExitFailure
}

func reportFaults(w io.Writer, faults config.Faults) {
	if len(faults) == 1 {
		complain(w, "%v", faults[0])
		return
	}
	complain(w, "the configuration has %d faults", len(faults))
	for _, f := range faults {
		complain(w, "%v", f)
	}
}

// complain writes one line to standard error. There is nobody to tell if that fails.
func complain(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, "muster: "+format+"\n", args...)
}
