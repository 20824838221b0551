package wire_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

func names(n int) []account.UserID {
	ids := make([]account.UserID, n)
	for i := range ids {
		ids[i] = account.UserID(fmt.Sprintf("user_%016x", uint64(i)*0x9e3779b97f4a7c15))
	}
	return ids
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func decodeBodies(tb testing.TB) map[string]func() error {
	accounts := marshal(tb, object{"Accounts": names(100)})
	check := marshal(tb, object{"CheckItem": users(names(100))})
	return map[string]func() error{
		"import": func() error { _, err := wire.DecodeMultiImport(accounts); return err },
		"check":  func() error { _, err := wire.DecodeCheck(check); return err },
	}
}

// TestDecodeAllocations holds the hot path to a few allocations per call, not per
// account: the copy of the body and the list.
func TestDecodeAllocations(t *testing.T) {
	for name, decode := range decodeBodies(t) {
		n := testing.AllocsPerRun(100, func() {
			if err := decode(); err != nil {
				t.Fatal(err)
			}
		})
		if n > 4 {
			t.Errorf("%s: %v allocations for 100 accounts", name, n)
		}
	}
}

func BenchmarkDecodeImport100(b *testing.B) { benchmarkDecode(b, "import") }
func BenchmarkDecodeCheck100(b *testing.B)  { benchmarkDecode(b, "check") }

func benchmarkDecode(b *testing.B, name string) {
	decode := decodeBodies(b)[name]
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeImport100(b *testing.B) {
	out := make([]account.Outcome, 100)
	for i, id := range names(100) {
		out[i] = account.Outcome{UserID: id, Status: account.Created, TinyID: 1}
	}
	benchmarkEncode(b, wire.ImportReply{Outcomes: out})
}

func BenchmarkEncodeImportDetail100(b *testing.B) {
	out := make([]account.Outcome, 100)
	for i, id := range names(100) {
		out[i] = account.Outcome{UserID: id, Status: account.Created, TinyID: account.FirstTinyID}
	}
	benchmarkEncode(b, wire.ImportReply{Outcomes: out, Detail: true})
}

func BenchmarkEncodeCheck100(b *testing.B) {
	out := make(wire.CheckReply, 100)
	for i, id := range names(100) {
		out[i] = account.Checked{UserID: id, Imported: true}
	}
	benchmarkEncode(b, out)
}

func benchmarkEncode(b *testing.B, r wire.Reply) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = wire.AppendReply(buf[:0], wire.Envelope{}, r)
	}
}
