package pebblestore

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-im/muster/internal/account"
)

func TestIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newNameIndex(rapid.Uint64().Draw(t, "k0"), rapid.Uint64().Draw(t, "k1"))
		model := map[string]existence{}
		name := rapid.StringMatching(`[a-c]{1,4}`)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				n, p := name.Draw(t, "name"), rapid.SampledFrom([]existence{alive, deleted}).Draw(t, "existence")
				x.put(p, x.fingerprint(1, account.UserID(n)))
				model[n] = p
			},
			"putIfAbsent": func(t *rapid.T) {
				n, p := name.Draw(t, "name"), rapid.SampledFrom([]existence{alive, deleted}).Draw(t, "existence")
				x.putIfAbsent(p, x.fingerprint(1, account.UserID(n)))
				if model[n] == absent {
					model[n] = p
				}
			},
			"find": func(t *rapid.T) {
				n := name.Draw(t, "name")
				if got := lookup(x, x.fingerprint(1, account.UserID(n))); got != model[n] {
					t.Fatalf("%q is %d, want %d", n, got, model[n])
				}
				if got := lookup(x, x.fingerprint(2, account.UserID(n))); got != absent {
					t.Fatalf("%q of another App is %d, want absent", n, got)
				}
			},
		})
	})
}

func TestIndexGrows(t *testing.T) {
	x := newNameIndex(1, 2)
	const n = 200_000
	id := func(i int) fingerprint { return x.fingerprint(7, account.UserID(fmt.Sprint("user", i))) }
	for i := range n {
		x.put(alive, id(i))
	}
	for i := range n {
		if i%3 == 0 {
			x.put(deleted, id(i))
		}
	}
	slots := 0
	for i := range x.shards {
		slots += len(x.shards[i].entries)
	}
	for i := range 2 * n {
		want := alive
		switch {
		case i >= n:
			want = absent
		case i%3 == 0:
			want = deleted
		}
		if got := lookup(x, id(i)); got != want {
			t.Fatalf("name %d is %d, want %d", i, got, want)
		}
	}
	if perName := float64(slots) * 12 / n; perName > 33 {
		t.Errorf("the index takes %.1f bytes a name, want 33 at most while it is small", perName)
	}
}

func lookup(x *nameIndex, f fingerprint) existence {
	var p [1]existence
	x.find([]fingerprint{f}, p[:])
	return p[0]
}

// BenchmarkIndexFind looks up calls of 100 names in an index of four million.
func BenchmarkIndexFind(b *testing.B) {
	x := newNameIndex(1, 2)
	const n = 4 << 20
	prints := make([]fingerprint, n)
	for i := range prints {
		prints[i] = x.fingerprint(7, account.UserID(fmt.Sprintf("user%016d", i)))
		x.put(alive, prints[i])
	}
	b.ReportAllocs()
	i := 0
	var known [100]existence
	for b.Loop() {
		x.find(prints[i:i+100], known[:])
		if i += 100; i+100 > n {
			i = 0
		}
	}
}
