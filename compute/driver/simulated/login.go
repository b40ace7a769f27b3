package simulated

import (
	"fmt"
	"strings"
)

// bootLines are what a guest prints at its n-th boot, counted from 0. The
// last line is its login prompt.
func (g *guest) bootLines(n int) []string {
	return []string{
		fmt.Sprintf("[    0.000000] simulated guest %s, boot %d", g.Name, n+1),
		fmt.Sprintf("[    0.010000] memory: %d MiB, processors: %d", g.MemoryMB, g.VCPUs),
		fmt.Sprintf("[    0.020000] interfaces: %d, volumes: %d", len(g.Ports), len(g.Volumes)),
		g.prompt(),
	}
}

func (g *guest) prompt() string { return g.Hostname + " login: " }

// login is a guest's login prompt, to which nobody has the password.
type login struct {
	prompt string
	name   []byte
	secret bool // the password is being typed
}

// maxName bounds what is typed at the prompt.
const maxName = 64

// typed gives what a terminal shows for a typed byte.
func (l *login) typed(b byte) string {
	switch {
	case b == '\r' && l.secret:
		l.secret = false
		return "\r\nLogin incorrect\r\n" + l.prompt
	case b == '\r' && len(l.name) > 0:
		l.name, l.secret = l.name[:0], true
		return "\r\nPassword: "
	case b == '\r':
		return "\r\n" + l.prompt
	case l.secret:
		return ""
	case (b == 0x7f || b == '\b') && len(l.name) > 0:
		l.name = l.name[:len(l.name)-1]
		return "\b \b"
	case b >= ' ' && b < 0x7f && len(l.name) < maxName:
		l.name = append(l.name, b)
		return string(rune(b))
	}
	return ""
}

// greeting is what is there to see for one who connects: the last boot, and
// the prompt.
func (g *guest) greeting() string { return strings.Join(g.bootLines(max(g.Boots, 1)-1), "\r\n") }
