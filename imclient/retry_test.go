package imclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-im/muster/imclient"
)

// answer is what a script says to one request.
type answer struct {
	status int // 200 if zero
	header map[string]string
	reply  string
	err    error // instead of an answer
	after  time.Duration
}

// script gives each request the next of its answers, the last one for ever, and notes
// when the requests came and with which UserSig.
type script struct {
	answers []answer
	at      []time.Time
	sigs    []string
	bodies  []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.answers[min(len(s.at), len(s.answers)-1)]
	s.at = append(s.at, time.Now())
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	s.sigs = append(s.sigs, r.URL.Query().Get("usersig"))
	if a.after > 0 {
		select {
		case <-time.After(a.after):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	for k, v := range a.header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: max(a.status, http.StatusOK), Header: h, Body: io.NopCloser(strings.NewReader(a.reply))}, nil
}

// client returns a Client of the script by the clock of the bubble.
func (s *script) client(t *testing.T, change func(*imclient.Options)) *imclient.Client {
	t.Helper()
	o := imclient.Options{
		BaseURL: "http://im.example", SDKAppID: testApp, Key: testKey, Admin: testAdmin,
		HTTPClient: &http.Client{Transport: s, Timeout: 15 * time.Second},
	}
	if change != nil {
		change(&o)
	}
	return newClient(t, o)
}

// pauses are the times between the requests.
func (s *script) pauses() []time.Duration {
	var out []time.Duration
	for i := range s.at[1:] {
		out = append(out, s.at[i+1].Sub(s.at[i]))
	}
	return out
}

func refusal(code int) answer {
	return answer{reply: fmt.Sprintf(`{"ActionStatus":"FAIL","ErrorCode":%d,"ErrorInfo":"no"}`, code)}
}

func opError(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }

// failures has every class of failure, with what becomes of a call that is safe to
// repeat and of one that may not be.
var failures = []struct {
	name         string
	answer       answer
	again, other bool // is repeated: a command with a method, any other one
}{
	{"60007 rate", refusal(60007), true, true},
	{"60008 time-out", refusal(60008), true, false},
	{"70169 store time-out", refusal(70169), true, false},
	{"70202 busy", refusal(70202), true, true},
	{"70500 internal", refusal(70500), true, false},
	{"90057 too many recipients", refusal(90057), true, true},
	{"91000 internal", refusal(91000), true, false},
	{"429", answer{status: 429}, true, true},
	{"502", answer{status: 502}, true, false},
	{"503", answer{status: 503}, true, false},
	{"504", answer{status: 504}, true, false},
	{"time-out", answer{after: time.Hour}, true, false},
	{"reset", answer{err: opError("read", syscall.ECONNRESET)}, true, false},
	{"broken pipe", answer{err: opError("write", syscall.EPIPE)}, true, false},
	{"end of file", answer{err: io.EOF}, true, false},
	{"HTTP/2", answer{err: errors.New("http2: client connection lost")}, true, false},
	{"nobody listens", answer{err: opError("dial", syscall.ECONNREFUSED)}, true, true},
	{"no way", answer{err: opError("dial", syscall.EHOSTUNREACH)}, true, true},
	{"no proxy", answer{err: opError("proxyconnect", io.EOF)}, true, true},
	{"no answer of DNS", answer{err: opError("dial", &net.DNSError{IsTimeout: true})}, true, true},

	{"no such name", answer{err: opError("dial", &net.DNSError{IsNotFound: true})}, false, false},
	{"a wrong certificate", answer{err: &tls.CertificateVerificationError{}}, false, false},
	{"a TLS alert", answer{err: opError("remote error", errors.New("tls: bad certificate"))}, false, false},
	{"HTTP for HTTPS", answer{err: http.ErrSchemeMismatch}, false, false},
	{"60009 unknown command", refusal(60009), false, false},
	{"70009 bad UserSig", refusal(70009), false, false},
	{"70050 locked out", refusal(70050), false, false},
	{"70107 no account", refusal(70107), false, false},
	{"70398 quota", refusal(70398), false, false},
	{"70402 bad parameter", refusal(70402), false, false},
	{"400", answer{status: 400}, false, false},
	{"401", answer{status: 401}, false, false},
	{"404", answer{status: 404}, false, false},
	{"500", answer{status: 500}, false, false},
	{"a redirect", answer{status: 307}, false, false},
	{"no reply", answer{reply: `<html>`}, false, false},
	{"an empty reply", answer{}, false, false},
}

func TestWhatIsRepeated(t *testing.T) {
	for _, tc := range failures {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				checkRepeated(t, tc.answer, tc.again, func(c *imclient.Client) error { return c.Kick(t.Context(), "a") })
				checkRepeated(t, tc.answer, tc.other, func(c *imclient.Client) error {
					_, err := c.Call(t.Context(), "openim/sendmsg", nil)
					return err
				})
				checkRepeated(t, tc.answer, tc.again, func(c *imclient.Client) error {
					_, err := c.Call(t.Context(), "im_open_login_svc/kick", nil)
					return err
				})
			})
		})
	}
}

// checkRepeated holds that a call which meets the failure once or always is repeated, or
// that it is not.
func checkRepeated(t *testing.T, failure answer, repeated bool, call func(*imclient.Client) error) {
	t.Helper()
	once := &script{answers: []answer{failure, {reply: okReply}}}
	err := call(once.client(t, nil))
	if repeated != (err == nil) || len(once.at) != map[bool]int{true: 2, false: 1}[repeated] {
		t.Errorf("met once: %d requests, error %v", len(once.at), err)
	}
	always := &script{answers: []answer{failure}}
	err = call(always.client(t, nil))
	if err == nil || len(always.at) != map[bool]int{true: 4, false: 1}[repeated] {
		t.Errorf("met always: %d requests, error %v", len(always.at), err)
	}
	single := &script{answers: []answer{failure}}
	want := call(single.client(t, func(o *imclient.Options) { o.Attempts = 1 }))
	if len(single.at) != 1 {
		t.Errorf("one attempt: %d requests", len(single.at))
	}
	// which of two timers is first is for net/http to know
	text := func(err error) string {
		return strings.TrimSuffix(err.Error(), " (Client.Timeout exceeded while awaiting headers)")
	}
	if diff := cmp.Diff(text(want), text(err)); diff != "" {
		t.Errorf("the error of one attempt and of the last of many (-one +many):\n%s", diff)
	}
}

// TestEveryCommandIsRepeated holds that the methods of all commands repeat, and that
// their last answer is the one that counts.
func TestEveryCommandIsRepeated(t *testing.T) {
	for _, tc := range slices.Concat(accountCommands, messageCommands, otherCommands) {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []answer{refusal(70500), {reply: tc.reply}}}
				got, err := tc.call(t.Context(), s.client(t, nil))
				if err != nil || len(s.at) != 2 {
					t.Fatalf("%d requests, error %v", len(s.at), err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestNothingStaysOfAnEarlierAnswer holds that what one answer had is not missed in the
// next one, which has it not.
func TestNothingStaysOfAnEarlierAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{
			{reply: `{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorList":[{"To_Account":"old","ErrorCode":70107}]}`},
			{reply: `{"ActionStatus":"OK","QueryResult":[]}`},
		}}
		got, err := s.client(t, nil).QueryState(t.Context(), []string{"a"}, false)
		if _, ok := errors.AsType[*imclient.ReplyError](err); !ok || len(got.Errors) != 0 {
			t.Errorf("%+v, error %v", got, err)
		}
	})
}

func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{refusal(70202)}}
		err := s.client(t, func(o *imclient.Options) { o.Attempts = 40 }).Kick(t.Context(), "a")
		want := &imclient.Error{Command: "im_open_login_svc/kick", Code: 70202, Info: "no"}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		pauses := s.pauses()
		if len(pauses) != 39 {
			t.Fatalf("%d pauses", len(pauses))
		}
		least := 100 * time.Millisecond
		for i, p := range pauses {
			if p < least || p >= 2*least {
				t.Errorf("pause %d is %v, want %v to %v", i+1, p, least, 2*least)
			}
			least = min(2*least, 5*time.Second)
		}
		if slices.Equal(pauses[10:20], pauses[20:30]) {
			t.Error("the pauses have no jitter")
		}
	})
}

func TestRetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tc := range []struct {
		name       string
		retryAfter func() string
		date       func() string // of the answer
		want       time.Duration // 0: not repeated
	}{
		{name: "seconds", retryAfter: func() string { return "7" }, want: 7 * time.Second},
		{name: "zero", retryAfter: func() string { return "0" }, want: 100 * time.Millisecond},
		{name: "a minute", retryAfter: func() string { return "60" }, want: time.Minute},
		{name: "more than a minute", retryAfter: func() string { return "61" }},
		{name: "a date", retryAfter: func() string { return date(9 * time.Second) }, want: 9 * time.Second},
		{
			name: "a date by another clock", retryAfter: func() string { return date(time.Hour + 9*time.Second) },
			date: func() string { return date(time.Hour) }, want: 9 * time.Second,
		},
		{name: "a date that is past", retryAfter: func() string { return date(-time.Hour) }, want: 100 * time.Millisecond},
		{name: "a date far away", retryAfter: func() string { return date(time.Hour) }},
		{name: "nonsense", retryAfter: func() string { return "soon" }, want: 100 * time.Millisecond},
		{name: "a negative number", retryAfter: func() string { return "-1" }, want: 100 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, a := range []answer{{status: 503}, refusal(60007)} {
					a.header = map[string]string{"Retry-After": tc.retryAfter()}
					if tc.date != nil {
						a.header["Date"] = tc.date()
					}
					s := &script{answers: []answer{a, {reply: okReply}}}
					err := s.client(t, nil).Kick(t.Context(), "a")
					if tc.want == 0 {
						if err == nil || len(s.at) != 1 {
							t.Errorf("%d requests, error %v", len(s.at), err)
						}
						continue
					}
					least, most := tc.want, tc.want+200*time.Millisecond
					if strings.HasSuffix(a.header["Retry-After"], "GMT") { // and has whole seconds
						least = max(least-time.Second, 100*time.Millisecond)
					}
					if p := s.pauses(); err != nil || len(p) != 1 || p[0] < least || p[0] > most {
						t.Errorf("pauses %v, want %v to %v; error %v", p, least, most, err)
					}
				}
			})
		})
	}
}

func TestContextEndsDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{reply: refusal(70202).reply, header: map[string]string{"Retry-After": "10"}}}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		err := s.client(t, nil).Kick(ctx, "a")
		e, refused := errors.AsType[*imclient.Error](err)
		if !errors.Is(err, context.Canceled) || !refused || e.Code != 70202 {
			t.Errorf("error %v", err)
		}
		if len(s.at) != 1 || time.Since(begin) != time.Second {
			t.Errorf("%d requests, took %v", len(s.at), time.Since(begin))
		}
	})
}

func TestDeadlineDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{reply: refusal(70202).reply, header: map[string]string{"Retry-After": "10"}}}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		err := s.client(t, nil).Kick(ctx, "a")
		want := &imclient.Error{Command: "im_open_login_svc/kick", Code: 70202, Info: "no"}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		if len(s.at) != 1 || time.Since(begin) != 0 {
			t.Errorf("%d requests, took %v", len(s.at), time.Since(begin))
		}
	})
}

// TestEndedContextIsNotRepeated holds that a request which ctx ended is the last one.
func TestEndedContextIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{after: time.Hour}}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.client(t, nil).Kick(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || len(s.at) != 1 {
			t.Errorf("%d requests, error %v", len(s.at), err)
		}
		if err := s.client(t, nil).Kick(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || len(s.at) != 1 {
			t.Errorf("%d requests after the end, error %v", len(s.at), err)
		}
	})
}

func TestFreshUserSig(t *testing.T) {
	for _, tc := range []struct {
		name     string
		age      time.Duration // of the UserSig
		answers  []answer
		requests int
		code     int
	}{
		{"expired", time.Minute, []answer{refusal(70001), {reply: okReply}}, 2, 0},
		{"kicked", time.Second, []answer{refusal(70052), {reply: okReply}}, 2, 0},
		{"made just now", 0, []answer{refusal(70001), {reply: okReply}}, 1, 70001},
		{"not once more", time.Minute, []answer{refusal(70052)}, 2, 70052},
		{"then busy", time.Minute, []answer{refusal(70001), refusal(70202), {reply: okReply}}, 3, 0},
		{"after busy", time.Minute, []answer{refusal(70202), refusal(70001), {reply: okReply}}, 3, 0},
		{"too late", time.Minute, []answer{refusal(70202), refusal(70202), refusal(70202), refusal(70001), {reply: okReply}}, 4, 70001},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tc.answers}
				c := s.client(t, nil)
				<-time.After(tc.age)
				_, err := c.Call(t.Context(), "openim/sendmsg", nil)
				code := 0
				if e, ok := errors.AsType[*imclient.Error](err); ok {
					code = e.Code
				}
				if len(s.at) != tc.requests || code != tc.code || (err == nil) != (code == 0) {
					t.Errorf("%d requests, error %v", len(s.at), err)
				}
				if tc.requests == 2 && (s.sigs[0] == s.sigs[1] || s.pauses()[0] != 0) {
					t.Errorf("not at once or not with a new UserSig: %v", s.pauses())
				}
			})
		})
	}
}

// TestRepeatedErrorShowsNoSecret holds that an error which tells of two does not either.
func TestRepeatedErrorShowsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		s.answers = []answer{{err: &url.Error{Op: "Post", URL: "http://im.example?usersig=" + testKey, Err: io.EOF}}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		err := s.client(t, nil).Kick(ctx, "a")
		if !errors.Is(err, context.Canceled) || !errors.Is(err, io.EOF) {
			t.Errorf("error %v", err)
		}
		checkNoSecret(t, err)
	})
}

func TestAttemptsAndRateAreChecked(t *testing.T) {
	for name, change := range map[string]func(*imclient.Options){
		"Attempts": func(o *imclient.Options) { o.Attempts = -1 },
		"Rate":     func(o *imclient.Options) { o.Rate = -1 },
	} {
		o := (&fake{}).options()
		change(&o)
		if _, err := imclient.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
