package usersig_test

import (
	"errors"
	"fmt"

	"github.com/muster-im/muster/usersig"
)

// exampleKey stands for an App's Key; it is used as text, not decoded.
var exampleKey = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func ExampleSign() {
	s, err := usersig.Sign(exampleKey, usersig.Claims{
		Identifier: "administrator",
		SDKAppID:   1400000000,
		Time:       1700000000, // time.Now().Unix()
		Expire:     86400,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s)
	// Output: eAEBrgBR-3siVExTLnZlciI6IjIuMCIsIlRMUy5pZGVudGlmaWVyIjoiYWRtaW5pc3RyYXRvciIsIlRMUy5zZGthcHBpZCI6MTQwMDAwMDAwMCwiVExTLmV4cGlyZSI6ODY0MDAsIlRMUy50aW1lIjoxNzAwMDAwMDAwLCJUTFMuc2lnIjoiOWF3V2VVTDhNeHhiQm44ZGhCMEp2dW8wSktJaDRkTkNMa0dJWDRuNWZkMD0ifcUvM9U_
}

func ExampleVerify() {
	s, err := usersig.Sign(exampleKey, usersig.Claims{
		Identifier: "user_01", SDKAppID: 1400000000, Time: 1700000000, Expire: 86400,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	want := usersig.Expect{SDKAppID: 1400000000, Identifier: "user_01", Now: 1700000060}
	keys := [][]byte{exampleKey}

	claims, err := usersig.Verify(s, keys, want)
	fmt.Println(claims.Identifier, claims.ExpiresAt(), err)

	want.Now = 1700090000
	_, err = usersig.Verify(s, keys, want)
	if e, ok := errors.AsType[*usersig.Error](err); ok {
		fmt.Println(e.Stage)
		fmt.Println(e.Reason)
	}
	// Output:
	// user_01 1700086400 <nil>
	// expiry
	// the UserSig expired 3600 s ago: it was made at 1700000000 for 86400 s; if it was made just now, the signer's clock is 90000 s behind the server's
}

func ExampleExplain() {
	s, err := usersig.Sign([]byte("the key of another App"), usersig.Claims{
		Identifier: "user_01", SDKAppID: 1400000000, Time: 1700000000, Expire: 86400,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := usersig.Explain(s, [][]byte{exampleKey}, usersig.Expect{SDKAppID: 1400000000, Now: 1700000060})
	fmt.Println(e.Verdict, "at", e.FailedAt)
	fmt.Println(e.Reason)
	fmt.Println(e.Advice)
	for _, c := range e.Checks {
		fmt.Println("-", c.Stage, c.Result)
	}
	// Output:
	// invalid at mac
	// the UserSig was not signed with a key of SDKAppID 1400000000
	// sign with the Key of this App, as text and exactly as configured
	// - base64 passed
	// - zlib passed
	// - json passed
	// - fields passed
	// - sdkappid passed
	// - identifier skipped
	// - mac failed
	// - valid-from skipped
	// - expiry passed
}
