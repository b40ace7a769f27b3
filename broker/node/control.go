package node

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"nubo/broker"
	"nubo/broker/ctl"
)

// Name implements ctl.Node.
func (n *Node) Name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name
}

// Broker implements ctl.Node.
func (n *Node) Broker() *broker.Broker { return n.current.Load() }

// stopDelay lets the answer to a command that ends the process out first.
const stopDelay = 50 * time.Millisecond

// Stop implements ctl.Node.
func (n *Node) Stop() error {
	if n.opts.Stop == nil {
		return errors.New("the broker is part of a cloud: nubo down stops them together")
	}
	time.AfterFunc(stopDelay, n.opts.Stop)
	return nil
}

// MemoryLimit implements ctl.Node.
func (n *Node) MemoryLimit() (setting string, octets int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.limitText, n.limit
}

// SetMemoryLimit implements ctl.Node.
func (n *Node) SetMemoryLimit(setting string, octets int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limitText, n.limit = setting, octets
	if n.app != nil {
		n.app.broker.SetMemoryWatermark(n.watermark(n.app.broker.Stats().MemoryUsed))
	}
}

// parseLimit reads a limit of memory: a fraction of the machine's, or an amount.
func parseLimit(s string) (int64, error) {
	if fraction, err := strconv.ParseFloat(s, 64); err == nil && fraction >= 0 && fraction <= 1 {
		return int64(fraction * float64(ctl.TotalMemory())), nil
	}
	octets, err := ctl.ParseOctets(s)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a fraction of the memory, such as 0.4, nor an amount, such as 2GB", s)
	}
	return octets, nil
}

// SetLogLevel implements ctl.Node.
func (n *Node) SetLogLevel(l slog.Level) error {
	if n.opts.Level == nil {
		return errors.New("the broker is part of a cloud: [DEFAULT] debug in its configuration says what is logged")
	}
	n.opts.Level.Set(l)
	return nil
}

// Facts implements ctl.Node.
func (n *Node) Facts() ctl.Facts {
	return ctl.Facts{
		DataDir: n.storeDir(), ConfigFile: n.opts.ConfigFile, LogFile: n.opts.LogFile,
		PluginsFile: ctl.PluginsFile(n.opts.Dir), Version: n.opts.Version, Settings: n.opts.Settings,
	}
}
