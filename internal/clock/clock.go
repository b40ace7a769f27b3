// Package clock is where behaviour that depends on time, randomness or fresh
// ids gets them, so that tests can run it in virtual time.
//
// Tests that only need time to pass use testing/synctest and the real clock;
// Fixed and Clock are for code that compares times it stored.
package clock

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Func makes a Clock of a function.
type Func func() time.Time

// Now calls the function.
func (f Func) Now() time.Time { return f() }

// System is the machine's clock, in UTC.
var System Clock = Func(func() time.Time { return time.Now().UTC() })

// NewID returns a random UUID (RFC 9562 version 4) with dashes, the form of
// most OpenStack ids.
func NewID() string {
	b := random16()
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	out[8] = '-'
	hex.Encode(out[9:13], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:18], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:23], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:36], b[10:16])
	return string(out[:])
}

// NewHexID returns 32 random hex digits, the form of Keystone's ids and of
// oslo.messaging's message ids.
func NewHexID() string {
	b := random16()
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// NewRequestID returns a request id in OpenStack's form.
func NewRequestID() string { return "req-" + NewID() }

func random16() [16]byte {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return b
}
