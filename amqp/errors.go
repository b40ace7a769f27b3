package amqp

import "fmt"

// Error is a protocol error: a reply code and the text that goes with it.
type Error struct {
	Code uint16
	// Text explains, without the code's name: "no queue 'x' in vhost '/'".
	Text string
	// Method is the one that failed; zero if it was none in particular.
	Method MethodID
}

// Errorf makes an Error.
func Errorf(code uint16, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Error is the reply text.
func (e *Error) Error() string { return e.ReplyText() }

// ReplyText is the text as RabbitMQ sends it, "NOT_FOUND - no queue 'x' in
// vhost '/'", cut to what a short string holds.
func (e *Error) ReplyText() string {
	s := replyName(e.Code) + " - " + e.Text
	if len(s) > 255 {
		s = s[:252] + "..."
	}
	return s
}

// Hard tells whether the error closes the connection and not only the channel.
func (e *Error) Hard() bool { return isHard(e.Code) }

// In returns e with the method it happened in, unless it has one.
func (e *Error) In(id MethodID) *Error {
	if e.Method != 0 {
		return e
	}
	c := *e
	c.Method = id
	return &c
}
