package imclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxLine is how long a line of a bulk call's answer may be.
const maxLine = 1 << 20

// maxFinish is how long to wait for the end of an answer that has nothing more to say.
const maxFinish = time.Second

const ndjson = "application/x-ndjson"

// stream is a bulk call whose answer is read line by line while its body may still be
// sent.
type stream struct {
	client  *Client
	x       exchange
	upload  *upload // nil if the body is not the caller's
	silence *silence
	cancel  context.CancelCauseFunc
	ended   func() error // why it was ended from this side; nil if it was not

	resp *http.Response // nil if there is none
	in   *bufio.Reader
	long []byte // room for a line that in has no room for
}

// open makes the request that build returns and leaves the stream where the lines of the
// answer begin. The error is an *Error if the service refused.
func (c *Client) open(ctx context.Context, command string, up *upload, build func(signature) *http.Request) (*stream, error) {
	if err := c.pace(ctx); err != nil {
		return nil, fmt.Errorf("imclient: %s: %w", command, err)
	}
	sig, err := c.creds.get()
	if err != nil {
		return nil, fmt.Errorf("imclient: %s: %w", command, err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	s := &stream{
		client: c, x: exchange{command: command, sig: sig}, upload: up, cancel: cancel,
		silence: newSilence(func() { cancel(errSilent) }),
		ended: func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return context.Cause(inner)
		},
	}
	if up != nil {
		up.silence = s.silence
		context.AfterFunc(inner, up.interrupt)
	}
	if err := s.begin(build(sig).WithContext(inner)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin makes the request and looks at the head of the answer.
func (s *stream) begin(req *http.Request) (err error) {
	s.silence.await()
	s.resp, err = s.client.bulk.Do(req) //nolint:bodyclose // close does it, whatever comes
	s.silence.heard(true)
	if err != nil {
		return s.broken(err)
	}
	s.resp.Body = listener{s.resp.Body, s.silence}
	if status := s.resp.StatusCode; status != http.StatusOK {
		return &ReplyError{Command: s.x.command, Status: status, Reason: statusReason(status)}
	}
	if strings.HasPrefix(s.resp.Header.Get("Content-Type"), ndjson) {
		s.in = bufio.NewReaderSize(s.resp.Body, 64<<10)
		return nil
	}
	if s.x.reply, err = readReply(s.resp); err != nil {
		return s.broken(err)
	}
	if err := s.client.decode(s.x, new(envelope)); err != nil {
		return err
	}
	return s.x.malformed("the answer is not " + ndjson)
}

// close ends the request if it has not ended, and lets go of the answer.
func (s *stream) close() {
	s.cancel(errEnded)
	s.silence.heard(false)
	if s.resp != nil {
		_ = s.resp.Body.Close() // it was only read
	}
}

// next returns the next line without its end; it is valid until the call after. What
// stands behind the last newline is a line only if it is an envelope: any other may have
// been cut off.
func (s *stream) next() ([]byte, error) {
	line, err := s.read()
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, s.x.malformed(fmt.Sprintf("a line has more than %d bytes", maxLine))
	case !errors.Is(err, io.EOF):
		return nil, s.broken(err)
	case isEnvelope(line):
		return line, nil
	}
	return nil, s.broken(io.ErrUnexpectedEOF)
}

// read returns the next line with its end, or what there is of it and an error.
func (s *stream) read() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	s.long = append(s.long[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) && len(s.long) <= maxLine {
		line, err = s.in.ReadSlice('\n')
		s.long = append(s.long, line...)
	}
	return s.long, err
}

// isEnvelope reports whether a line is the one that ends an answer.
func isEnvelope(line []byte) bool {
	var e envelope
	return json.Unmarshal(line, &e) == nil && e.ErrorCode != nil
}

// broken is the error of an exchange that err ended. If it was ended from this side, or
// because of the caller's rows, that is the reason and err is what came of it.
func (s *stream) broken(err error) error {
	if ended := s.ended(); ended != nil {
		return fmt.Errorf("imclient: %s: %w", s.x.command, ended)
	}
	if s.upload != nil && s.upload.failure() != nil {
		return fmt.Errorf("imclient: %s: read the rows: %w", s.x.command, s.client.creds.hide(s.x.sig, s.upload.failure()))
	}
	err = s.client.creds.hide(s.x.sig, err)
	if s.in != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the answer was cut off, however it was
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return fmt.Errorf("imclient: %s: %w", s.x.command, err)
}

// finish reads on to the end of an answer whose envelope came, so that the connection
// can be used again. A service that takes long to end it loses the connection.
func (s *stream) finish() {
	timer := time.AfterFunc(maxFinish, func() { s.cancel(errEnded) })
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, s.in, maxDrain) // for the connection's sake only
}
