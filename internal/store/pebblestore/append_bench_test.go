package pebblestore_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// BenchmarkAppendMessages appends messages of 200 bytes with two copies, one a call, between
// 10,000 accounts; the time is of one message.
func BenchmarkAppendMessages(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkAppend(b, callers) })
	}
}

func benchmarkAppend(b *testing.B, callers int) {
	s, err := pebblestore.Open(b.TempDir(), pebblestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	names := make([]account.UserID, 10_000)
	for i := range names {
		names[i] = account.UserID(fmt.Sprintf("user_%08d", i))
	}
	body := make([]byte, 200)
	for i := range body {
		body[i] = byte('a' + rand.IntN(26))
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		workers.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				at := 1_700_000_000 + n/50_000
				from, to := rand.IntN(len(names)), rand.IntN(len(names))
				m := message.Message{
					Key: message.Key{Time: at, Seq: rand.Uint32(), Random: rand.Uint32()}, From: names[from], To: names[to],
					Body: body, Expires: at + 7*24*3600,
				}
				a := message.Append{Message: m, Sum: rand.Uint32(), Since: at - 120, ToBox: true, FromBox: true}
				if _, err := s.AppendMessages(b.Context(), 1, []message.Append{a}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	workers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
