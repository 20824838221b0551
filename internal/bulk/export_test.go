package bulk

import "io"

// NewReaderLimit is NewReader with small blocks and rows, so that tests reach the limits.
func NewReaderLimit(name string, r io.Reader, o ReaderOptions, row int) (*Reader, error) {
	return newReader(name, r, o, 0, row)
}
