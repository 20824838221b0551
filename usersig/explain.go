package usersig

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict sums an Explanation up.
type Verdict string

// The verdicts.
const (
	Valid      Verdict = "valid"      // a server with these expectations accepts the UserSig
	Invalid    Verdict = "invalid"    // it refuses the UserSig
	Unverified Verdict = "unverified" // nothing failed, but a check was skipped for want of an expectation
)

// Result says what became of one stage.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	Skipped Result = "skipped" // not reached, or nothing was given to check against
)

// Explanation is what a person needs who wonders about a UserSig. As it shows all of the
// UserSig it is as secret as that; it never holds a key.
type Explanation struct {
	Verdict  Verdict  `json:"verdict"`
	FailedAt Stage    `json:"failed_at,omitempty"` // where a server stops: the first stage that failed
	Reason   string   `json:"reason"`              // the verdict in a sentence
	Advice   string   `json:"advice,omitempty"`    // what to do about it
	Checks   []Report `json:"checks"`              // every stage in order

	Encoding Encoding `json:"encoding"`
	Fields   []Field  `json:"fields"`           // the JSON as it was written, unknown fields too; empty if it was not reached
	Claims   *Claims  `json:"claims,omitempty"` // nil if decoding failed
	UserBuf  *UserBuf `json:"userbuf,omitempty"`

	Signed  string `json:"signed,omitempty"`      // the time in RFC 3339, UTC
	Expires string `json:"expires,omitempty"`     // the last valid second in RFC 3339, UTC
	Left    *int64 `json:"left,omitempty"`        // seconds until it expires, negative once it has; nil without Now
	Skew    int64  `json:"clock_skew,omitempty"`  // seconds by which the time lies in the future of Now: the signer's clock is ahead
	Key     int    `json:"matched_key,omitempty"` // which of the keys signed it, counted from 1; 0 for none
}

// Report is the result of one stage.
type Report struct {
	Stage  Stage  `json:"stage"`
	Result Result `json:"result"`
	Reason string `json:"reason,omitempty"` // why it failed or was skipped
}

// Encoding describes the packing of a UserSig, by which its generator can be told.
// Whatever was not reached is zero.
type Encoding struct {
	Chars      int    `json:"chars"`      // bytes of the UserSig
	Compressed int    `json:"compressed"` // bytes of the zlib stream
	Level      string `json:"level"`      // what the zlib header says of the effort: fastest, fast, default or best
	Stored     bool   `json:"stored"`     // the first block is not compressed at all
	JSON       int    `json:"json"`       // bytes of the JSON text
}

// Explain takes a UserSig apart and goes on after a failed check where it can. An
// expectation that is not given is not checked: an SDKAppID of 0, an empty Identifier,
// no keys, a Now of 0, a ValidFrom of 0.
func Explain(s string, keys [][]byte, want Expect) Explanation {
	d, err := decode(s)
	e := Explanation{Encoding: describe(s, &d), Fields: slices.Clone(d.fields)}
	if e.Fields == nil {
		e.Fields = []Field{}
	}
	e.reportDecoding(err)
	if err == nil {
		e.reportClaims(&d.sig, keys, want.Now)
	}
	for _, c := range checks {
		e.Checks = append(e.Checks, c.report(&d.sig, err != nil, keys, &want))
	}
	e.conclude()
	if e.FailedAt == StageMAC {
		e.Advice += keyMistake(&d.sig, keys)
	}
	return e
}

func describe(s string, d *decoding) Encoding {
	enc := Encoding{Chars: len(s), Compressed: len(d.compressed), JSON: len(d.json)}
	if d.json == nil { // not known to be a zlib stream
		return enc
	}
	// RFC 1950: the level is in the two upper bits of the second byte; RFC 1951: the type
	// of a block in the second and third bit of its first byte.
	levels := [...]string{"fastest", "fast", "default", "best"}
	enc.Level = levels[d.compressed[1]>>6]
	enc.Stored = d.compressed[2]>>1&3 == 0
	return enc
}

// reportDecoding adds the stages of decoding, of which at most one failed.
func (e *Explanation) reportDecoding(err *Error) {
	result := Passed
	for _, stage := range [...]Stage{StageBase64, StageZlib, StageJSON, StageFields} {
		r := Report{Stage: stage, Result: result}
		switch {
		case err != nil && stage == err.Stage:
			r.Result, r.Reason = Failed, err.Reason
			result = Skipped
		case result == Skipped:
			r.Reason = "not reached"
		}
		e.Checks = append(e.Checks, r)
	}
}

func (e *Explanation) reportClaims(s *Sig, keys [][]byte, now int64) {
	e.Claims = &s.Claims
	if u, err := ParseUserBuf(s.UserBuf); err == nil {
		e.UserBuf = &u
	}
	e.Signed, e.Expires = rfc3339(s.Time), rfc3339(s.ExpiresAt())
	if now != 0 {
		left := s.ExpiresAt() - now
		e.Left = &left
		e.Skew = max(0, s.Time-now)
	}
	e.Key = 1 + slices.IndexFunc(keys, s.VerifyMAC)
}

// rfc3339 returns the time of Unix seconds that are not negative, or "" for one after
// the year 9999, which the format does not have.
func rfc3339(seconds int64) string {
	const lastSecond = 253402300799
	if seconds > lastSecond {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// report runs the check if there is something to compare.
func (c check) report(s *Sig, undecoded bool, keys [][]byte, want *Expect) Report {
	r := Report{Stage: c.stage, Result: Skipped}
	if undecoded {
		r.Reason = "not reached"
		return r
	}
	if r.Reason = missing(c.stage, keys, want); r.Reason != "" {
		return r
	}
	if err := c.run(s, keys, want); err != nil {
		r.Result, r.Reason = Failed, err.Reason
		return r
	}
	r.Result = Passed
	return r
}

// missing says what a check would need that was not given, or "".
func missing(stage Stage, keys [][]byte, want *Expect) string {
	switch {
	case stage == StageSDKAppID && want.SDKAppID == 0:
		return "no SDKAppID was given"
	case stage == StageIdentifier && want.Identifier == "":
		return "no identifier was given"
	case stage == StageMAC && len(keys) == 0:
		return "no key was given"
	case stage == StageValidFrom && want.ValidFrom == 0:
		return "no valid-from was given"
	case stage == StageExpiry && want.Now == 0:
		return "no present time was given"
	default:
		return ""
	}
}

// conclude draws the verdict from the reports.
func (e *Explanation) conclude() {
	var skipped []string
	for _, r := range e.Checks {
		if r.Result == Failed {
			e.Verdict, e.FailedAt, e.Reason, e.Advice = Invalid, r.Stage, r.Reason, advice(r.Stage)
			return
		}
		// Most accounts were never kicked and have no valid-from to check.
		if r.Result == Skipped && r.Stage != StageValidFrom {
			skipped = append(skipped, string(r.Stage))
		}
	}
	if len(skipped) > 0 {
		e.Verdict = Unverified
		e.Reason = "nothing is wrong as far as was checked; not checked: " + strings.Join(skipped, ", ")
	} else {
		e.Verdict = Valid
		e.Reason = fmt.Sprintf("the UserSig is valid for another %d s", *e.Left)
	}
	if e.Skew > 0 {
		e.Reason += fmt.Sprintf("; its time is %d s in the future", e.Skew)
		e.Advice = "set the signer's clock back: a kick before that time does not invalidate this UserSig"
	}
}

// advice says what to do about a UserSig that failed at stage.
func advice(stage Stage) string {
	switch stage {
	case StageBase64, StageZlib:
		return "pass the UserSig on exactly as the generator returned it, whole and encoded once"
	case StageJSON, StageFields:
		return "make the UserSig with a generator of version 2.0"
	case StageSDKAppID:
		return "use the UserSig of this App, or the sdkappid that it was made for"
	case StageIdentifier:
		return "use the UserSig of this account, or the identifier that it was made for; case matters"
	case StageMAC:
		return "sign with the Key of this App, as text and exactly as configured"
	case StageValidFrom:
		return "make a new UserSig: the account was kicked or deleted after this one was made"
	case StageExpiry:
		return "make a new UserSig; if it is new, set the signer's clock"
	default:
		return ""
	}
}

// keyMistake names the known slip that explains a wrong MAC, or is "".
func keyMistake(s *Sig, keys [][]byte) string {
	for _, key := range keys {
		text := bytes.TrimSpace(key)
		if raw, err := hex.DecodeString(string(text)); err == nil && s.VerifyMAC(raw) {
			return "; the signer decoded the hexadecimal digits of the Key"
		}
		if s.VerifyMAC(text) {
			return "; the Key given here has white space around it"
		}
		if s.VerifyMAC(append(bytes.Clone(text), '\n')) {
			return "; the signer's Key ends with a line break"
		}
	}
	return ""
}
