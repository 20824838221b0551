package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const checkpointVersion = 1

// checkpoint is what a file says about an import that is not finished.
type checkpoint struct {
	Version     int    `json:"version"`
	SDKAppID    uint64 `json:"sdkappid"`
	Format      Format `json:"format"`
	KeepTinyIDs bool   `json:"keep_tinyids"`

	// Position is where to read on; rows up to Line, which is there or behind it, are done.
	Position    Position  `json:"position"`
	Line        int64     `json:"line"`
	Counts      Counts    `json:"counts"`
	RejectsSize int64     `json:"rejects_size"` // bytes of the file of rejects that belong to it
	Saved       time.Time `json:"saved"`
}

// maxCheckpoint is far more than any checkpoint has.
const maxCheckpoint = 64 << 10

// readCheckpoint reads a checkpoint; nil if there is no such file.
func readCheckpoint(path string) (*checkpoint, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCheckpoint {
		return nil, fmt.Errorf("%s: it has %d bytes and is no checkpoint", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c checkpoint
	if err := json.Unmarshal(text, &c); err != nil || c.Version < 1 {
		return nil, fmt.Errorf("%s: it is no checkpoint of muster import", path)
	}
	if c.Version > checkpointVersion {
		return nil, fmt.Errorf("%s: it was written by a newer version of Muster", path)
	}
	return &c, nil
}

// fits returns why an import that is like want cannot go on from c, nil if it can.
func (c *checkpoint) fits(want *checkpoint) error {
	switch {
	case c.SDKAppID != want.SDKAppID:
		return fmt.Errorf("the checkpoint is of App %d, the import is into App %d", c.SDKAppID, want.SDKAppID)
	case c.Format != want.Format:
		return fmt.Errorf("the checkpoint is of a file that was read as %s, this one is read as %s", c.Format, want.Format)
	case c.KeepTinyIDs != want.KeepTinyIDs:
		return errors.New("the checkpoint is of an import with another choice of --keep-tinyids")
	default:
		return nil
	}
}

// write writes the checkpoint so that the file is the old one or the new one, whole, at any
// moment.
func (c *checkpoint) write(path string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if err := writeAtomically(path, append(text, '\n')); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}

func writeAtomically(path string, text []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Some file systems cannot sync a directory; the file is there all the same.
	_ = d.Sync()
	return d.Close()
}

// removeCheckpoint removes a checkpoint, if there is one.
func removeCheckpoint(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the checkpoint: %w", err)
	}
	return nil
}
