package compute

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"time"

	"nubo/internal/fault"
)

// The types of remote consoles, as Nova calls them.
const (
	ConsoleNoVNC  = "novnc"
	ConsoleSerial = "serial"
)

// consoleTypes are those that are known by protocol; of them only the two
// above are served.
var consoleTypes = map[string][]string{
	"vnc": {ConsoleNoVNC, "xvpvnc"}, "serial": {ConsoleSerial}, "spice": {"spice-html5"}, "rdp": {"rdp-html5"}, "mks": {"webmks"},
}

// ConsoleToken lets whoever has it use one console of one server for a while.
type ConsoleToken struct {
	// Hash is of the token, which itself is kept nowhere.
	Hash     string
	ServerID string
	Type     string // ConsoleNoVNC or ConsoleSerial
	ConsoleAddress
	Expires time.Time
}

// ConsoleAddress is where a server's host serves a console: at Host and Port,
// to whoever asks for the path by the method CONNECT.
type ConsoleAddress struct {
	Host               string `json:"host"`
	Port               int    `json:"port"`
	InternalAccessPath string `json:"internal_access_path"`
}

// ConsoleStore keeps the tokens of remote consoles.
type ConsoleStore interface {
	// SaveConsoleToken adds a token, and forgets those that have expired.
	SaveConsoleToken(ctx context.Context, now time.Time, t *ConsoleToken) error
	// ConsoleToken gives the token of a hash, if it has not expired. Those of
	// a deleted server are gone with it.
	ConsoleToken(ctx context.Context, now time.Time, hash string) (*ConsoleToken, error)
}

// VNC is the section [vnc].
type VNC struct {
	Enabled                  bool   `default:"true" help:"Serve the servers' screens."`
	ServerListen             string `default:"" help:"Address at which a compute host serves its consoles to the proxy; empty for the listen address."`
	ServerPort               int    `default:"0" help:"Port of that address; 0 is any that is free."`
	ServerProxyclientAddress string `default:"" help:"Address at which the proxy reaches this compute host; empty for the one it listens on."`
	NovncproxyPort           int    `default:"6080" help:"Port the console proxy listens on, before the port offset."`
	NovncproxyBaseURL        string `default:"" help:"Where users find the console proxy's page; empty for vnc_auto.html at the proxy's own address."`
}

// SerialConsole is the section [serial_console].
type SerialConsole struct {
	Enabled bool   `default:"true" help:"Serve the servers' serial ports."`
	BaseURL string `default:"" help:"Where users find the proxy for serial consoles; empty for the console proxy's own address."`
}

// ConsoleAuth is the section [consoleauth].
type ConsoleAuth struct {
	TokenTTL time.Duration `default:"600s" help:"How long the address of a remote console can be used."`
}

// Console is the section [console].
type Console struct {
	AllowedOrigins []string `default:"" help:"Hosts whose pages may open consoles, besides the console proxy's own and the dashboard's."`
}

// RemoteConsole gives the address at which the server's console can be used
// for a while by whoever knows it.
func (s *Service) RemoteConsole(ctx context.Context, server *Server, protocol, kind string) (string, error) {
	switch {
	case !slices.Contains(consoleTypes[protocol], kind):
		return "", fault.Invalidf("Invalid console type %s", kind).WithType("ConsoleTypeInvalid")
	case kind == ConsoleNoVNC && s.cfg.VNC.Enabled, kind == ConsoleSerial && s.cfg.Serial.Enabled:
	default:
		return "", fault.Invalidf("Unavailable console type %s.", kind).WithType("ConsoleTypeUnavailable")
	}
	if server.Host == "" {
		return "", NotReady(server.ID)
	}
	ttl := cmp.Or(s.cfg.ConsoleAuth.TokenTTL, DefaultConfig().ConsoleAuth.TokenTTL)
	limited, cancel := context.WithTimeout(ctx, s.cfg.Default.ConsoleTimeout)
	defer cancel()
	at, err := s.agent.RemoteConsole(limited, server.Host, RemoteConsoleArgs{Server: server, Type: kind, TTL: ttl})
	if err != nil {
		return "", err
	}
	token, now := newConsoleToken(), s.clock.Now()
	err = s.store.SaveConsoleToken(ctx, now, &ConsoleToken{
		Hash: HashConsoleToken(token), ServerID: server.ID, Type: kind, ConsoleAddress: at, Expires: now.Add(ttl),
	})
	if err != nil {
		return "", err
	}
	if kind == ConsoleSerial {
		return s.cfg.Serial.BaseURL + "?" + url.Values{"token": {token}}.Encode(), nil
	}
	return s.cfg.VNC.NovncproxyBaseURL + "?" + url.Values{"path": {"?token=" + token}}.Encode(), nil
}

// ConsoleOf gives what a token is for.
func (s *Service) ConsoleOf(ctx context.Context, token string) (*ConsoleToken, error) {
	return s.store.ConsoleToken(ctx, s.clock.Now(), HashConsoleToken(token))
}

// NotReady is what Nova says of a server that has no console now.
func NotReady(id string) *fault.Error {
	return fault.Conflictf("Instance %s is not ready", id).WithType("InstanceNotReady")
}

// newConsoleToken makes a token nobody guesses.
func newConsoleToken() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(b)
}

// HashConsoleToken is what is kept of a token.
func HashConsoleToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
