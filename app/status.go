package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"nubo/sdk/identity"
	"nubo/sdk/rest"
)

type statusCommand struct {
	options `embed:""`
}

// row is a line of the table.
type row struct {
	service, host, state, age string
}

// statusLimit bounds each question to a service.
const statusLimit = 5 * time.Second

// Run asks every service how it is.
func (s statusCommand) Run(ctx context.Context, o output) error {
	set, err := load(s.options)
	if err != nil {
		return err
	}
	if state, err := readRun(set.path("nubo.run")); err == nil {
		if s.Config == "" {
			s.Config = state.Config
		}
		flags := state.Flags
		for k, v := range s.overrides() {
			flags[k] = v
		}
		if set, err = loadWith(s.Config, flags); err != nil {
			return err
		}
	}
	sec, err := readSecrets(set.path("secrets.json"))
	if err != nil {
		return fmt.Errorf("there is no cloud with data directory %s: %w", set.def.DataDir, err)
	}
	rows := statusRows(ctx, set, sec)
	w := tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tHOST\tSTATE\tHEARTBEAT") //nolint:errcheck // Flush tells
	down := 0
	for _, r := range rows {
		if r.state != "up" {
			down++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.service, r.host, r.state, r.age) //nolint:errcheck // Flush tells
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if down > 0 {
		return failure{fmt.Errorf("%d of %d services are down; the log is %s", down, len(rows), set.logFile())}
	}
	return nil
}

// apis are the services that answer HTTP.
var apis = []struct {
	name string
	port int
}{
	{"keystone", portIdentity}, {"placement-api", portPlacement}, {"glance-api", portImage},
	{"neutron-server", portNetwork}, {"cinder-api", portVolume}, {"nova-api", portCompute},
}

func statusRows(ctx context.Context, set *settings, sec *secrets) []row {
	ctx, cancel := context.WithTimeout(ctx, 4*statusLimit)
	defer cancel()
	var rows []row
	client := &http.Client{Timeout: statusLimit}
	ask := func(name string, port int) {
		state := "up"
		if resp, err := client.Get(set.url(port, "/")); err != nil {
			state = "down"
		} else {
			resp.Body.Close() //nolint:errcheck // its status is enough
		}
		rows = append(rows, row{name, set.endpoint(port), state, "-"})
	}
	for _, a := range apis {
		ask(a.name, a.port)
	}
	ask("nova-novncproxy", set.compute.VNC.NovncproxyPort) // it serves the serial consoles, too
	tokens := &identity.PasswordTokens{
		AuthURL: set.url(portIdentity, "/v3"), Username: "admin", Password: sec.AdminPassword, Domain: "Default", Project: "admin", HTTP: client,
	}
	at := func(port int, path string) *rest.Client {
		return &rest.Client{Endpoint: set.url(port, path), Tokens: tokens, HTTP: client}
	}
	rows = append(rows, agentRows(ctx, "compute services", at(portCompute, "/v2.1"), "/os-services", "services")...)
	rows = append(rows, agentRows(ctx, "network agents", at(portNetwork, "/v2.0"), "/agents", "agents")...)
	return append(rows, agentRows(ctx, "volume services", at(portVolume, "/v3"), "/os-services", "services")...)
}

// agentRows reads a list of services or agents with heartbeats.
func agentRows(ctx context.Context, what string, c *rest.Client, path, key string) []row {
	var out map[string][]struct {
		Binary, Host, State string
		Alive               *bool
		UpdatedAt           string `json:"updated_at"`
		HeartbeatAt         string `json:"heartbeat_timestamp"`
	}
	if err := c.Get(ctx, path, &out); err != nil {
		var e *rest.Error
		if errors.As(err, &e) {
			return []row{{what, "-", fmt.Sprintf("error %d", e.Status), "-"}}
		}
		return []row{{what, "-", "down", "-"}}
	}
	var rows []row
	for _, v := range out[key] {
		r := row{v.Binary, v.Host, v.State, age(v.UpdatedAt + v.HeartbeatAt)}
		if v.Alive != nil {
			r.state = "down"
			if *v.Alive {
				r.state = "up"
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// age tells how long ago a heartbeat was, in any of OpenStack's formats.
func age(stamp string) string {
	for _, layout := range []string{"2006-01-02T15:04:05.999999", "2006-01-02 15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, stamp); err == nil {
			return time.Since(t).Truncate(time.Second).String()
		}
	}
	return "-"
}
