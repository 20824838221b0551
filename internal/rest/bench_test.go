package rest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-im/muster/internal/limit"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

// benchmark serves the same request over and over: the handler and all behind it, on
// memstore, with a real log line that goes nowhere.
func benchmark(b *testing.B, path, body string) { benchmarkIn(b, newWorld(b), path, body) }

func benchmarkIn(b *testing.B, w *world, path, body string) {
	w.options.Gate = limit.NewGate(0)
	w.options.NewRequestID = nil
	w.options.Logger = slog.New(slog.NewJSONHandler(&nowhere{}, nil))
	w.open(b)
	reader := strings.NewReader(body)
	request := &http.Request{
		Method:        http.MethodPost,
		URL:           &url.URL{Path: path, RawQuery: w.query(b)},
		Body:          struct{ nopCloser }{nopCloser{reader}},
		ContentLength: int64(len(body)),
		RemoteAddr:    "192.0.2.1:4321",
	}
	request = request.WithContext(b.Context())
	out := &sink{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(out.header)
		w.handler.ServeHTTP(out, request)
	}
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

type nowhere struct{}

func (*nowhere) Write(b []byte) (int, error) { return len(b), nil }

func items(format string) string { return someItems(100, format) }

func someItems(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(list, ",")
}

func BenchmarkRESTImport100(b *testing.B) {
	benchmark(b, "/v4/im_open_login_svc/multiaccount_import", `{"Accounts":[`+items(`"user_%016d"`)+`]}`)
}

func BenchmarkRESTCheck100(b *testing.B) {
	benchmark(b, "/v4/im_open_login_svc/account_check", `{"CheckItem":[`+items(`{"UserID":"user_%016d"}`)+`]}`)
}

// BenchmarkRESTStatus500 asks about as many accounts as a query may name, a third of whom
// are online on two devices.
func BenchmarkRESTStatus500(b *testing.B) {
	for name, flags := range map[string]string{"detail": "", "all": `,"IsReturnInstid":1,"IsReturnCustomStatus":1`} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			for i := range 500 {
				id := fmt.Sprintf("user_%016d", i)
				w.importAccounts(b, id)
				if i%3 == 0 {
					w.presence.set(b, id, "busy", "iPhone/5b1f6e0a/PushOnline", "Web/90c1d2e3/Online")
				}
			}
			body := `{"To_Account":[` + someItems(500, `"user_%016d"`) + `],"IsNeedDetail":1` + flags + `}`
			benchmarkIn(b, w, "/v4/openim/query_online_status", body)
		})
	}
}

func BenchmarkRESTUnknown(b *testing.B) { benchmark(b, "/v4/no/where", `{}`) }
