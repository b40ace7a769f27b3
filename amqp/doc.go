// Package amqp is a codec for AMQP 0-9-1 with RabbitMQ's extensions: frames,
// methods, content headers and field tables.
//
// It owns no connection and does no I/O: everything is parsed in place from a
// byte slice and appended to one. Nothing read from a peer is trusted; every
// length is checked, and malformed input yields an *Error that carries the
// reply code the protocol wants for it.
//
// The methods, one struct each, are generated from gen/methods.txt. A server's
// hot path uses their concrete Decode and Append, and View types that refer to
// the input instead of copying it.
package amqp

//go:generate go run ./gen
