package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/muster-im/muster/internal/bulk"
	"github.com/muster-im/muster/internal/errcode"
)

// chunkRows is how many names are read at a time. It is a multiple of how many any
// command puts into a call.
const chunkRows = 500

// naming says which accounts a command is about.
type naming struct {
	UserIDs []rawText `arg:"" optional:"" name:"userid" help:"The accounts; behind -- they may begin with a dash."`
	File    string    `name:"file" placeholder:"FILE|-" help:"Read the accounts from a file, or from standard input: a name in each line, CSV with a column UserID, or NDJSON; gzip and zstd are unpacked."`
}

// rawText is text of the command line as it was given; kong would replace what is not
// UTF-8.
type rawText string

// Decode implements kong.MapperValue.
func (r *rawText) Decode(c *kong.DecodeContext) error {
	token, err := c.Scan.PopValue("text")
	if err != nil {
		return err
	}
	*r = rawText(token.String())
	return nil
}

// source gives out names batch by batch.
type source struct {
	file   string // for messages; empty if the names are arguments
	size   int64  // of the file in bytes, 0 if that is not known
	chunks func() (bulk.Chunk, error)
	read   func() int64
	close  func()
}

// open returns the source of the names.
func (n *naming) open(ctx context.Context, in io.Reader) (*source, error) {
	switch {
	case n.File != "" && len(n.UserIDs) > 0:
		return nil, &usage{errors.New("accounts are named twice, as arguments and with --file"), ""}
	case n.File != "":
		return awaitNames(ctx, n.File, in)
	case len(n.UserIDs) == 0:
		return nil, &usage{errors.New("no account is named"), "name accounts as arguments, or with --file FILE a file that has them, - for standard input"}
	}
	rest := judgeArguments(n.UserIDs)
	return &source{
		chunks: func() (bulk.Chunk, error) {
			if len(rest.Rows)+len(rest.Rejects) == 0 {
				return rest, io.EOF
			}
			chunk := rest
			rest = bulk.Chunk{}
			return chunk, nil
		},
		read:  func() int64 { return 0 },
		close: func() {},
	}, nil
}

// judgeArguments keeps from the service what would not reach it as it was given, just as
// the reader of files does.
func judgeArguments(userIDs []rawText) bulk.Chunk {
	var c bulk.Chunk
	for i, raw := range userIDs {
		id := string(raw)
		reject := bulk.Reject{Line: int64(i + 1), UserID: id, Code: int(errcode.BadParam)}
		switch {
		case id == "":
			reject.Reason = "the UserID is empty"
		case !utf8.ValidString(id):
			reject.Reason = "the UserID is not UTF-8"
		default:
			c.Rows = append(c.Rows, bulk.Row{Line: int64(i + 1), UserID: id})
			continue
		}
		c.Rejects = append(c.Rejects, reject)
	}
	return c
}

// awaitNames is openNames for as long as ctx lasts: the beginning of a pipe may never come.
func awaitNames(ctx context.Context, path string, stdin io.Reader) (*source, error) {
	type opened struct {
		s   *source
		err error
	}
	done := make(chan opened, 1)
	go func() {
		s, err := openNames(path, stdin)
		done <- opened{s, err}
	}()
	select {
	case o := <-done:
		return o.s, o.err
	case <-ctx.Done():
		return nil, errInterrupted
	}
}

func openNames(path string, stdin io.Reader) (*source, error) {
	in, err := bulk.OpenInput(path, stdin)
	if err != nil {
		return nil, &usage{err, ""}
	}
	reader, err := bulk.NewReader(in.Name(), in, bulk.ReaderOptions{})
	if err != nil {
		_ = in.Close() // only read
		return nil, &usage{err, ""}
	}
	var chunk bulk.Chunk
	return &source{
		file: in.Name(),
		size: in.Size(),
		chunks: func() (bulk.Chunk, error) {
			chunk.Rejects = nil // a batch keeps those of before
			err := reader.Next(&chunk, chunkRows)
			return chunk, err
		},
		read:  in.Consumed,
		close: func() { _ = in.Close() }, // only read
	}, nil
}

// batches sends the names, up to limit at a time, and closes the channel once there are no
// more; if ctx ends before, which whoever receives has to know by itself, it only stops. It
// closes the source. If it is stuck in a read that never ends, so is its goroutine.
func (s *source) batches(ctx context.Context, limit int) <-chan batch {
	out := make(chan batch)
	go func() {
		defer s.close()
		for {
			chunk, err := s.chunks()
			if errors.Is(err, io.EOF) {
				close(out)
				return
			}
			for _, b := range cut(chunk, limit, s.read(), err) {
				select {
				case out <- b:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				close(out)
				return
			}
		}
	}()
	return out
}

// place says where a row or an argument stands.
func (s *source) place(line int64) string {
	if s.file == "" {
		return fmt.Sprintf("argument %d", line)
	}
	return fmt.Sprintf("%s:%d", s.file, line)
}
