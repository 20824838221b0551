package imclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Exported is an account as BulkExport shows it.
type Exported struct {
	UserID    string
	TinyID    uint64 // the internal ID
	Created   int64  // Unix seconds
	ValidFrom int64  // Unix seconds; UserSigs made before are worthless; 0 if there is no such time
	Nick      string
	FaceURL   string
}

// DecodeExported reads a line of BulkExport. It does not keep the line.
func DecodeExported(line []byte) (Exported, error) {
	if e, ok := matchExported(line); ok && e.UserID != "" {
		return e, nil
	}
	var w struct {
		UserID, Nick       string
		FaceURL            string      `json:"FaceUrl"`
		TinyID             json.Number // quoted or not
		Created, ValidFrom int64
	}
	if err := json.Unmarshal(line, &w); err != nil {
		return Exported{}, fmt.Errorf("imclient: decode an exported account: %w", err)
	}
	if w.UserID == "" {
		return Exported{}, errors.New("imclient: decode an exported account: it has no UserID")
	}
	tinyID, err := strconv.ParseUint(w.TinyID.String(), 10, 64)
	if err != nil {
		return Exported{}, errors.New("imclient: decode an exported account: its TinyID is not a number")
	}
	return Exported{
		UserID: w.UserID, TinyID: tinyID, Created: w.Created, ValidFrom: w.ValidFrom, Nick: w.Nick, FaceURL: w.FaceURL,
	}, nil
}
