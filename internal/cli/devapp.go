package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/app"
)

// devFile, in the directory of muster dev and beside its store, keeps the App.
const devFile = "dev.json"

// The App that muster dev makes.
const (
	devSDKAppID = 1400000001
	devAdmin    = "administrator"
)

// devApp is the App of muster dev, as devFile keeps it. Key is a plain text so that it
// can be written; it must not be printed.
type devApp struct {
	SDKAppID account.SDKAppID `json:"sdkappid"`
	Admin    string           `json:"admin"`
	Key      string           `json:"key"`
}

func (d devApp) app() app.App {
	return app.App{
		SDKAppID: d.SDKAppID,
		Keys:     []app.Key{app.Key(d.Key)},
		Admins:   []account.UserID{account.UserID(d.Admin)},
		Edition:  app.Pro,
		Rate:     app.DefaultRate,
	}
}

func (d devApp) client(base string) (*imclient.Client, error) {
	return imclient.New(imclient.Options{
		BaseURL: base, SDKAppID: uint64(d.SDKAppID), Key: imclient.Key(d.Key), Admin: d.Admin,
	})
}

// loadDevApp returns the App that dir keeps; the first time it makes both.
func loadDevApp(dir string) (devApp, error) {
	path := filepath.Join(dir, devFile)
	text, err := os.ReadFile(path) // #nosec G304 -- the caller names the directory
	if errors.Is(err, fs.ErrNotExist) {
		return makeDevApp(dir, path)
	}
	if err != nil {
		return devApp{}, fmt.Errorf("read the App: %w", err)
	}
	d, err := parseDevApp(text)
	if err != nil {
		return devApp{}, fmt.Errorf("read the App: %s: %w; remove the file to get a new Key", path, err)
	}
	return d, nil
}

func parseDevApp(text []byte) (devApp, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var d devApp
	// What the decoder says might repeat a piece of the Key.
	if err := decoder.Decode(&d); err != nil || decoder.Decode(new(json.RawMessage)) != io.EOF {
		return devApp{}, errors.New("it is not what muster dev wrote")
	}
	spec := app.Spec{SDKAppID: uint64(d.SDKAppID), Keys: d.app().Keys, Admins: d.app().Admins}
	if _, err := spec.App(); err != nil {
		return devApp{}, err
	}
	return d, nil
}

func makeDevApp(dir, path string) (devApp, error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	d := devApp{SDKAppID: devSDKAppID, Admin: devAdmin, Key: hex.EncodeToString(random[:])}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return devApp{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return devApp{}, fmt.Errorf("keep the App: %w", err)
	}
	// Under another name first, so that whoever is interrupted leaves no half of a file.
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, append(text, '\n'), 0o600); err != nil {
		return devApp{}, fmt.Errorf("keep the App: %w", err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return devApp{}, fmt.Errorf("keep the App: %w", err)
	}
	return d, nil
}
