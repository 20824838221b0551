package usersig_test

import (
	"testing"

	"github.com/muster-im/muster/usersig"
)

func BenchmarkVerify(b *testing.B) {
	for _, v := range loadVectors(b) {
		b.Run(v.Generator, func(b *testing.B) {
			keys := keys(v.Key)
			want := usersig.Expect{SDKAppID: v.SDKAppID, Identifier: v.Identifier, Now: v.Time}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := usersig.Verify(v.UserSig, keys, want); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	key, c := []byte(specKey), specClaims("administrator")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := usersig.Sign(key, c); err != nil {
			b.Fatal(err)
		}
	}
}
