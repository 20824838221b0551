package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/muster-im/muster/internal/config"
)

// configCmd is muster config.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"List everything that is wrong with the settings, at once."`
	Print configPrintCmd `cmd:"" help:"Print the settings that hold, without Keys, and where each comes from."`
}

// configCheckCmd is muster config check.
type configCheckCmd struct {
	settings

	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the faults of the settings.
func (c *configCheckCmd) Run(streams Streams) error {
	loaded, err := config.Load(c.sources())
	if c.JSON {
		faults, _ := errors.AsType[config.Faults](err)
		if faults == nil {
			faults = config.Faults{} // [] in JSON
		}
		result := struct {
			Valid  bool          `json:"valid"`
			Faults config.Faults `json:"faults"`
		}{err == nil, faults}
		return errors.Join(printJSON(streams.Out, result), err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "the configuration is good: %d Apps\n", len(loaded.Config.Apps))
	return err
}

// configPrintCmd is muster config print.
type configPrintCmd struct {
	settings

	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the settings.
func (c *configPrintCmd) Run(streams Streams) error {
	loaded, err := config.Load(c.sources())
	if err != nil {
		return err
	}
	render := loaded.YAML
	if c.JSON {
		render = loaded.JSON
	}
	text, err := render()
	if err != nil {
		return err
	}
	_, err = streams.Out.Write(text)
	return err
}

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
