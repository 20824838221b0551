package app

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-im/muster/internal/account"
)

// Syntax is the form of an App in one line, for help texts.
const Syntax = "sdkappid=N,key=K[,key=K2],admin=A[,admin=B][,edition=trial|pro][,rate=200][,disabled][,delete-locked][,delete-hold=720h]" +
	"[,login-mode=single|dual|triple|multi][,web-instances=1][,platform-instances=1][,webhook=URL[,webhook-token=T]" +
	"[,no-webhook-state][,webhook-before-send[,webhook-fail-closed]][,webhook-after-send]]"

// Parse returns the App that a line in the form of Syntax describes. A value cannot hold
// a comma; in the config file it can.
//
// The error joins all faults at once. It never shows a part of the line, neither a value
// nor the name of a field it does not know, because either may be a piece of a Key.
func Parse(line string) (App, error) {
	var p parser
	for i, part := range strings.Split(line, ",") {
		p.field(i+1, part)
	}
	// A field that could not be read has its fault already; that it then looks missing or
	// wrong is no second one.
	for _, err := range p.spec.Validate() {
		if f, ok := errors.AsType[*FieldError](err); !ok || !p.failed(f.Field) {
			p.faults = append(p.faults, err)
		}
	}
	if len(p.faults) > 0 {
		return App{}, fmt.Errorf("app: %w", errors.Join(p.faults...))
	}
	return p.spec.App()
}

// parser fills a Spec field by field.
type parser struct {
	spec   Spec
	faults []error
	seen   []string // the fields that may stand once
}

func (p *parser) fail(field, problem string) {
	p.faults = append(p.faults, &FieldError{Field: field, Problem: problem})
}

func (p *parser) failed(field string) bool {
	return slices.ContainsFunc(p.faults, func(err error) bool {
		f, ok := errors.AsType[*FieldError](err)
		return ok && f.Field == field
	})
}

// field reads the nth part of the line.
func (p *parser) field(n int, part string) {
	name, value, hasValue := strings.Cut(part, "=")
	name = strings.TrimSpace(name)
	switch name {
	case "key":
		p.spec.Keys = append(p.spec.Keys, Key(value))
	case "admin":
		p.spec.Admins = append(p.spec.Admins, account.UserID(value))
	case "sdkappid", "rate", "delete-hold", "web-instances", "platform-instances":
		if p.once(name) && p.need(name, hasValue) {
			p.number(name, value)
		}
	case "edition", "login-mode", "webhook", "webhook-token":
		if p.once(name) && p.need(name, hasValue) {
			p.text(name, value)
		}
	case "disabled", "delete-locked", "no-webhook-state", "webhook-before-send", "webhook-after-send", "webhook-fail-closed":
		if p.once(name) {
			p.flag(name, value, hasValue)
		}
	default:
		p.fail("field "+strconv.Itoa(n), "is none of "+Syntax)
	}
}

// once notes a field that may stand only once and reports whether it did so far.
func (p *parser) once(name string) bool {
	if slices.Contains(p.seen, name) {
		p.fail(name, "stands twice")
		return false
	}
	p.seen = append(p.seen, name)
	return true
}

func (p *parser) need(name string, hasValue bool) bool {
	if !hasValue {
		p.fail(name, "has no value; write "+name+"=…")
	}
	return hasValue
}

// number reads a field that has one number or time. What strconv and time say of a bad one
// is dropped, since it repeats the value.
func (p *parser) number(name, value string) {
	var err error
	switch name {
	case "sdkappid":
		if p.spec.SDKAppID, err = strconv.ParseUint(value, 10, 64); err != nil {
			p.fail(name, notSDKAppID)
		}
	case "rate":
		p.spec.Rate = p.integer(name, value, notRate)
	case "web-instances":
		p.spec.WebInstances = p.integer(name, value, notWebInstances)
	case "platform-instances":
		p.spec.PlatformInstances = p.integer(name, value, notPlatformInstances)
	case "delete-hold":
		var hold time.Duration
		if hold, err = time.ParseDuration(value); err != nil {
			p.fail(name, errNotDuration.Error())
		}
		p.spec.DeleteHold = Duration(hold)
	}
}

func (p *parser) integer(name, value, problem string) *int {
	n, err := strconv.Atoi(value)
	if err != nil {
		p.fail(name, problem)
	}
	return &n
}

// text reads a field that has one text.
func (p *parser) text(name, value string) {
	if value == "" {
		p.fail(name, "is empty")
	}
	switch name {
	case "edition":
		p.spec.Edition = Edition(value)
	case "login-mode":
		p.spec.LoginMode = LoginMode(value)
	case "webhook":
		p.spec.Webhook = value
	case "webhook-token":
		p.spec.WebhookToken = Key(value)
	}
}

// flag reads a field that may stand alone.
func (p *parser) flag(name, value string, hasValue bool) {
	on := true
	if hasValue {
		var err error
		if on, err = strconv.ParseBool(value); err != nil {
			p.fail(name, "is neither true nor false")
		}
	}
	switch name {
	case "disabled":
		p.spec.Disabled = on
	case "delete-locked":
		p.spec.DeleteLocked = on
	case "no-webhook-state":
		p.spec.NoWebhookState = on
	case "webhook-before-send":
		p.spec.WebhookBeforeSend = on
	case "webhook-after-send":
		p.spec.WebhookAfterSend = on
	case "webhook-fail-closed":
		p.spec.WebhookFailClosed = on
	}
}
