package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is what the Go toolchain has noted of this build.
type version struct {
	Version  string `json:"version"`            // of the module; (devel) for a working copy
	Commit   string `json:"commit,omitempty"`   // of the working copy it was built from
	Time     string `json:"time,omitempty"`     // of that commit, RFC 3339
	Modified bool   `json:"modified,omitempty"` // the working copy differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readVersion() version {
	v := version{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// versionCmd is muster version.
type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version.
func (c *versionCmd) Run(streams Streams) error {
	v := readVersion()
	if c.JSON {
		return printJSON(streams.Out, v)
	}
	text := fmt.Sprintf("muster %s %s %s", v.Version, v.Go, v.Platform)
	if v.Commit != "" {
		text += " commit " + v.Commit
	}
	if v.Modified {
		text += " with changes"
	}
	_, err := fmt.Fprintln(streams.Out, text)
	return err
}
