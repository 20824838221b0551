package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/muster-im/muster/internal/app"
)

// maxAnswer bounds the body of an answer, in bytes.
const maxAnswer = 64 << 10

// finalError is a failure that another attempt would not change, although the receiver
// may be well.
type finalError struct{ problem string }

func (e *finalError) Error() string { return e.problem }

func isFinal(err error) bool {
	_, ok := errors.AsType[*finalError](err)
	return ok
}

// send sends e to the URL of a and judges the answer.
func (s *Sender) send(a *app.App, e event) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.options.Timeout)
	defer cancel()
	body, err := s.post(ctx, a, e)
	if err != nil {
		return err
	}
	return judge(body)
}

// post sends e to the URL of a, which ctx must end within the time-out, and returns the body
// of an answer with the status 200.
func (s *Sender) post(ctx context.Context, a *app.App, e event) ([]byte, error) {
	r, err := s.request(ctx, a, e)
	if err != nil {
		return nil, err
	}
	begin := s.options.Now()
	body, err := s.exchange(r)
	s.metrics.seconds[e.command()].Observe(s.options.Now().Sub(begin).Seconds())
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer within %s", s.options.Timeout)
	}
	return body, err
}

// exchange sends r past http.Client, which would follow redirects, and whose errors show
// the URL. The body that it returns is no longer than maxAnswer.
func (s *Sender) exchange(r *http.Request) ([]byte, error) {
	answer, err := s.options.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	// Read to its end, so that the connection can be kept.
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if answer.StatusCode != http.StatusOK {
		return nil, statusError(answer.StatusCode)
	}
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return body, err
}

func statusError(status int) error {
	problem := fmt.Sprintf("the receiver answered with the status %d", status)
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return errors.New(problem)
	default:
		return &finalError{problem}
	}
}

// judge returns nil if body, which came with status 200, says that all is well.
func judge(body []byte) error {
	var answer struct {
		ActionStatus *string
		ErrorCode    *json.Number
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return errNotJSON
	}
	switch status, code := answer.ActionStatus, answer.ErrorCode; {
	case status == nil && code == nil:
		return errNeither
	case code != nil && *code != "0":
		return fmt.Errorf("the receiver answered with the ErrorCode %.20s", code.String())
	case status != nil && !strings.EqualFold(*status, "OK"):
		return fmt.Errorf("the receiver answered with the ActionStatus %.20q", *status)
	}
	return nil
}

// request returns the request that tells the App a of e.
func (s *Sender) request(ctx context.Context, a *app.App, e event) (*http.Request, error) {
	body, err := e.body()
	if err != nil {
		return nil, &finalError{"the event cannot be written as JSON"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Webhook.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &finalError{"the App's URL is none"} // err would show it
	}
	r.URL.RawQuery = s.query(r.URL.RawQuery, a, e)
	if u := r.URL.User; u != nil {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "muster")
	// Without a value it is not sent. It tells the transport that it may send the request
	// again if the receiver has just closed the connection that was kept.
	r.Header["Idempotency-Key"] = nil
	return r, nil
}

// query returns the query of a request: that of the URL, then ours, in the documented
// order.
func (s *Sender) query(own string, a *app.App, e event) string {
	platform, address := e.origin()
	var b strings.Builder
	b.Grow(len(own) + 256)
	if own != "" {
		b.WriteString(own)
		b.WriteByte('&')
	}
	b.WriteString("SdkAppid=")
	b.WriteString(strconv.FormatUint(uint64(a.SDKAppID), 10))
	b.WriteString("&CallbackCommand=" + e.command().String() + "&contenttype=json&ClientIP=")
	b.WriteString(url.QueryEscape(address))
	b.WriteString("&OptPlatform=")
	b.WriteString(url.QueryEscape(platform))
	if a.Webhook.Token != "" {
		at := strconv.FormatInt(s.options.Now().Unix(), 10)
		b.WriteString("&RequestTime=" + at + "&Sign=" + sign(a.Webhook.Token, at))
	}
	return b.String()
}

// sign returns what proves that a request knows the Token.
func sign(token app.Key, at string) string {
	sum := sha256.Sum256([]byte(token.Reveal() + at))
	return hex.EncodeToString(sum[:])
}
