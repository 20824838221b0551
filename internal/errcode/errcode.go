// Package errcode holds the public result numbers of the REST API and the one
// error type that carries them.
//
// A number is part of the wire contract: clients act on it, so it never changes
// its meaning. The sentence beside it is for people and may be improved. The
// source of every number is shared/spec/error_codes.csv; Table is the subset that
// Muster can answer, and docs, the console and the tests read it from here.
package errcode

import (
	"errors"
	"fmt"
)

// Code is a public result number of the REST API; 0 is success.
type Code int

// The codes that Muster answers. The name says what went wrong, the comment when.
const (
	OK Code = 0

	BadHTTP         Code = 60002 // the request is not a POST of /v4/service/command
	BadJSON         Code = 60003 // im_open_login_svc: the body is not JSON
	CommandRate     Code = 60007 // the command's rate for this App is used up
	UnknownCommand  Code = 60009 // no such service or command
	NotAdmin        Code = 60010 // other services: the identifier is not an admin
	NoSDKAppID      Code = 60012 // sdkappid is missing
	UserIDNotString Code = 60015 // an account name in the body is not a JSON string
	AppDisabled     Code = 60016 // the App is disabled
	BadURLParam     Code = 60025 // sdkappid is not a number

	SigExpired      Code = 70001 // the UserSig is past time+expire
	SigUndecodable  Code = 70003 // the UserSig is empty or cannot be decoded
	SigBadMAC       Code = 70009 // the UserSig was not signed with a key of this App
	SigOtherUser    Code = 70013 // the UserSig belongs to another identifier
	SigOtherApp     Code = 70014 // the UserSig belongs to another SDKAppID
	UnknownApp      Code = 70020 // no App has this SDKAppID
	TooManyBadSigs  Code = 70050 // locked out for a minute after many bad UserSigs
	SigKicked       Code = 70052 // the UserSig was made before the account was kicked
	NoAccount       Code = 70107 // the account is not imported
	StoreTimeout    Code = 70169 // the store took too long; the call's fate is unknown
	Busy            Code = 70202 // a queue is full; nothing was done
	QuotaExceeded   Code = 70398 // the edition's number of accounts is used up
	DeletedRecently Code = 70399 // the name is on hold after its deletion
	BadParam        Code = 70402 // a field is missing or breaks the protocol
	AccountNotAdmin Code = 70403 // im_open_login_svc: the identifier is not an admin
	Internal        Code = 70500 // an internal error; safe to retry
	DeleteLocked    Code = 71000 // the App does not allow deleting accounts

	ProfileBadParam    Code = 40001 // profile: the body is not JSON, or a field is of the wrong shape
	ProfileNoTarget    Code = 40002 // profile: To_Account is missing or empty
	ProfileNoAccount   Code = 40003 // profile: the account is not imported
	ProfileNotAdmin    Code = 40004 // profile: the identifier is not an admin
	ProfileInternal    Code = 40006 // profile: an internal error
	ProfileReadOnlyTag Code = 40008 // profile: the tag may not be written
	ProfileUnknownTag  Code = 40009 // profile: no such tag
	ProfileTooLong     Code = 40601 // a profile value is over 500 bytes
	ProfileBadValue    Code = 40605 // a standard tag's value is not one of those allowed
	ProfileBadType     Code = 40610 // a profile value has the wrong JSON type

	OpenIMBadJSON   Code = 90001 // openim: the body is not JSON, or To_Account is empty
	OpenIMBadFormat Code = 90003 // openim: To_Account is missing or has the wrong type
	OpenIMNotAdmin  Code = 90009 // openim: the identifier is not an admin
	OpenIMTooMany   Code = 90011 // openim: more than 500 accounts
	OpenIMInternal  Code = 91000 // openim: an internal error

	OpenIMForbidden     Code = 20006 // message: the App's backend forbids it
	OpenIMRecallLate    Code = 20016 // message: a device may no longer recall it
	OpenIMNoMessage     Code = 20022 // message: there is none to recall
	OpenIMRecalled      Code = 20023 // message: it has been recalled already
	OpenIMHook          Code = 80003 // message: the App's backend did not say whether it may be sent
	OpenIMBadBody       Code = 90002 // message: MsgBody is missing or empty
	OpenIMBadSeq        Code = 90004 // message: MsgSeq is no unsigned 32-bit integer
	OpenIMBadRandom     Code = 90005 // message: MsgRandom is missing or no unsigned 32-bit integer
	OpenIMBadTime       Code = 90006 // message: MsgTimeStamp is missing or no integer
	OpenIMBodyNotArray  Code = 90007 // message: MsgBody is no array
	OpenIMNoSender      Code = 90008 // message: From_Account is missing, no string or not imported
	OpenIMBadElement    Code = 90010 // message: an element of MsgBody has the wrong shape
	OpenIMNoRecipient   Code = 90012 // message: To_Account is not imported
	OpenIMBatchNotArray Code = 90028 // message: To_Account of many is no array
	OpenIMBatchEmpty    Code = 90029 // message: To_Account of many is empty
	OpenIMBadOrigin     Code = 90030 // message: SyncFromOldSystem is missing or none of its values
	OpenIMBadSync       Code = 90031 // message: SyncOtherMachine is none of its values
	OpenIMBadPush       Code = 90043 // message: OfflinePushInfo has the wrong shape
	OpenIMBadLife       Code = 90044 // message: MsgLifeTime is no integer from 0
	OpenIMNoAccount     Code = 90048 // message: one of the accounts of a conversation is not imported
	OpenIMBadKey        Code = 90054 // message: MsgKey is none
	OpenIMBatchTooLong  Code = 90055 // message: to many, over 12,000 bytes
	OpenIMBatchRate     Code = 90057 // message: too many recipients within a minute
	OpenIMTooLong       Code = 93000 // message: over 12,000 bytes

	// An App's backend may refuse a message with a code of its own from HookCodeMin to
	// HookCodeMax; they are in no table.
	HookCodeMin Code = 120001
	HookCodeMax Code = 130000
)

// Entry is one row of Table.
type Entry struct {
	Code    Code
	Info    string // the default ErrorInfo
	Meaning string // what happened and what to do, for docs and tools
}

// Error is a failure with a public face and a private cause. Code and Info go to
// the caller; Err goes to the operator's log and is never sent.
type Error struct {
	Code Code
	Info string
	Err  error
}

// New returns an error with the code's default sentence.
func New(code Code) *Error { return &Error{Code: code, Info: code.Info()} }

// Newf returns an error whose sentence is formatted for this very case.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Info: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with the code's default sentence and a private cause.
func Wrap(code Code, err error) *Error {
	return &Error{Code: code, Info: code.Info(), Err: err}
}

// Error implements error; it names the code, the sentence and the private cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%d %s", e.Code, e.Info)
	}
	return fmt.Sprintf("%d %s: %v", e.Code, e.Info, e.Err)
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Err }

// From returns the *Error inside err, or an Internal one that wraps it; nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(Internal, err)
}

// Of returns the code inside err: OK for nil, Internal for a foreign error.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	return From(err).Code
}
