package store_test

import (
	"testing"

	"github.com/muster-im/muster/internal/store"
)

func TestParseDSN(t *testing.T) {
	for _, tt := range []struct {
		text string
		want store.DSN // zero: refused
	}{
		{"mem:", store.DSN{Backend: store.Memory}},
		{"pebble:./muster-data", store.DSN{Backend: store.Pebble, Dir: "./muster-data"}},
		{"pebble:/var/lib/a:b", store.DSN{Backend: store.Pebble, Dir: "/var/lib/a:b"}},
		{"", store.DSN{}},
		{"mem", store.DSN{}},
		{"mem:x", store.DSN{}},
		{"pebble", store.DSN{}},
		{"pebble:", store.DSN{}},
		{"postgres://localhost/muster", store.DSN{}},
		{"./muster-data", store.DSN{}},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := store.ParseDSN(tt.text)
			if got != tt.want || (err == nil) != (tt.want != store.DSN{}) {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
			if err == nil && got.String() != tt.text {
				t.Errorf("String() = %q", got)
			}
		})
	}
}
