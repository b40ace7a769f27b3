package conn

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"

	"nubo/amqp"
)

// phase is how far the handshake got: what the server waits for.
type phase int

const (
	wantHeader phase = iota
	wantStartOk
	wantTuneOk
	wantOpen
	open
)

// enter goes on to the next phase. Snapshots see it, and what TLS agreed on.
func (c *Conn) enter(p phase) {
	c.phase = p
	c.setInfo(func(i *Info) {
		i.phase = p
		if t, ok := c.nc.(*tls.Conn); ok && i.TLS == nil {
			s := t.ConnectionState()
			i.TLS = &s
		}
	})
}

func (c *Conn) sendStart() {
	c.enter(wantStartOk)
	c.send(0, &amqp.ConnectionStart{
		VersionMajor: 0, VersionMinor: 9, ServerProperties: c.env.ServerProperties,
		Mechanisms: "PLAIN AMQPLAIN", Locales: "en_US",
	})
}

// handshake handles the frames of the handshake.
func (c *Conn) handshake(f amqp.Frame) (*amqp.Error, error) {
	if f.Channel != 0 || f.Type != amqp.FrameMethod {
		return amqp.Errorf(amqp.ChannelError, "frame of type %d on channel %d before connection.open", f.Type, f.Channel), nil
	}
	m, fail := amqp.ParseMethod(f.Payload)
	if fail != nil {
		return fail, nil
	}
	switch m := m.(type) {
	case *amqp.ConnectionStartOk:
		if c.phase == wantStartOk {
			return c.startOk(m)
		}
	case *amqp.ConnectionTuneOk:
		if c.phase == wantTuneOk {
			return c.tuneOk(m), nil
		}
	case *amqp.ConnectionOpen:
		if c.phase == wantOpen {
			return c.open(m), nil
		}
	case *amqp.ConnectionClose:
		c.out.last(&amqp.ConnectionCloseOk{})
		return nil, errDone
	}
	return amqp.Errorf(amqp.CommandInvalid, "unexpected %s in the handshake", m.ID()).In(m.ID()), nil
}

// startOk authenticates.
func (c *Conn) startOk(m *amqp.ConnectionStartOk) (*amqp.Error, error) {
	caps, _ := m.ClientProperties["capabilities"].(amqp.Table)
	has := func(name string) bool { v, _ := caps[name].(bool); return v }
	c.caps = capabilities{
		cancelNotify: has("consumer_cancel_notify"), blocked: has("connection.blocked"), authClose: has("authentication_failure_close"),
	}
	name, password, ok := credentials(m)
	if !ok && m.Mechanism != "PLAIN" && m.Mechanism != "AMQPLAIN" {
		return amqp.Errorf(amqp.CommandInvalid, "no authentication mechanism '%s'", m.Mechanism), nil
	}
	if !ok || c.env.Users.Authenticate(name, password) != nil || name == guest && !c.loopback() {
		c.env.Totals.Refused.Add(1)
		c.env.Log.Warn("login refused", "connection", c.Info().Name, "user", name, "mechanism", m.Mechanism)
		if !c.caps.authClose {
			return nil, errDone
		}
		return amqp.Errorf(amqp.AccessRefused, "Login was refused using authentication mechanism %s. For details see the broker logfile.", m.Mechanism), nil
	}
	c.env.Totals.Admitted.Add(1)
	c.setInfo(func(i *Info) { i.User, i.Mechanism, i.ClientProperties = name, m.Mechanism, m.ClientProperties })
	c.enter(wantTuneOk)
	c.send(0, &amqp.ConnectionTune{ChannelMax: c.env.ChannelMax, FrameMax: c.env.FrameMax, Heartbeat: c.env.Heartbeat})
	return nil, nil
}

// guest may log in only from this machine, as its password is known.
const guest = "guest"

func (c *Conn) loopback() bool {
	a, ok := c.nc.RemoteAddr().(*net.TCPAddr)
	return !ok || a.IP.IsLoopback()
}

// credentials reads the response of PLAIN or AMQPLAIN.
func credentials(m *amqp.ConnectionStartOk) (name, password string, ok bool) {
	switch m.Mechanism {
	case "PLAIN":
		_, rest, ok := strings.Cut(m.Response, "\x00")
		if !ok {
			return "", "", false
		}
		return strings.Cut(rest, "\x00")
	case "AMQPLAIN":
		// The response is a table without its length.
		raw := make([]byte, 4, 4+len(m.Response))
		raw[0], raw[1] = byte(len(m.Response)>>24), byte(len(m.Response)>>16)
		raw[2], raw[3] = byte(len(m.Response)>>8), byte(len(m.Response))
		t, _, err := amqp.ParseTable(append(raw, m.Response...))
		if err != nil {
			return "", "", false
		}
		name, okName := text(t["LOGIN"])
		password, okPassword := text(t["PASSWORD"])
		return name, password, okName && okPassword
	}
	return "", "", false
}

func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(bytes.Clone(v)), true
	}
	return "", false
}

// tuneOk takes over the client's limits.
func (c *Conn) tuneOk(m *amqp.ConnectionTuneOk) *amqp.Error {
	for _, l := range []struct {
		name          string
		got, max, min uint32
	}{
		{"frame_max", m.FrameMax, c.env.FrameMax, amqp.FrameMinSize},
		{"channel_max", uint32(m.ChannelMax), uint32(c.env.ChannelMax), 0},
	} {
		if l.got != 0 && l.got < l.min {
			return amqp.Errorf(amqp.NotAllowed, "negotiated %s = %d is lower than the minimum allowed value (%d)", l.name, l.got, l.min).In(m.ID())
		}
		if l.got > l.max {
			return amqp.Errorf(amqp.NotAllowed, "negotiated %s = %d is higher than the maximum allowed value (%d)", l.name, l.got, l.max).In(m.ID())
		}
	}
	if m.FrameMax == 0 {
		m.FrameMax = c.env.FrameMax
	}
	if m.ChannelMax == 0 {
		m.ChannelMax = c.env.ChannelMax
	}
	c.frameMax = m.FrameMax
	c.heartbeat.Store(int64(m.Heartbeat))
	c.setInfo(func(i *Info) { i.FrameMax, i.ChannelMax, i.Heartbeat = m.FrameMax, m.ChannelMax, m.Heartbeat })
	c.enter(wantOpen)
	return nil
}

// open enters the virtual host.
func (c *Conn) open(m *amqp.ConnectionOpen) *amqp.Error {
	vh := c.env.VHost(m.VirtualHost)
	if vh == nil {
		return amqp.Errorf(amqp.NotAllowed, "vhost %s not found", m.VirtualHost).In(m.ID())
	}
	if _, ok := c.env.Users.Permissions(c.info.User, m.VirtualHost); !ok {
		return amqp.Errorf(amqp.NotAllowed, "access to vhost '%s' refused for user '%s'", m.VirtualHost, c.info.User).In(m.ID())
	}
	if n, ok := vh.Enter(); !ok {
		return amqp.Errorf(amqp.NotAllowed, "access to vhost '%s' refused for user '%s': connection limit (%d) is reached", m.VirtualHost, c.info.User, n).In(m.ID())
	}
	if err := c.env.Users.Connect(c.info.User); err != nil {
		vh.Leave()
		return err.In(m.ID())
	}
	c.vh = vh
	c.setInfo(func(i *Info) { i.VHost = m.VirtualHost })
	c.enter(open)
	c.env.Totals.opened(c)
	c.deadline.Store(0)
	c.send(0, &amqp.ConnectionOpenOk{})
	return nil
}
