package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nubo/sdk/compute"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/volume"
)

// Settled is how long everything may take to be as it was promised after all
// parts of the cloud are back. A call that went with the broker is made again
// when its time is over, which is after 30 s for the scheduler's.
const Settled = 90 * time.Second

// Settle waits until all that has to hold of a cloud at rest does, and gives
// what does not when limit is over. The load must be paused or have ended.
func (l *Load) Settle(ctx context.Context, limit time.Duration) []string {
	return within(ctx, limit, l.problems)
}

// Clear deletes everything, and gives what is left of it when limit is over.
func (l *Load) Clear(ctx context.Context, limit time.Duration) []string {
	return within(ctx, limit, l.clear)
}

func within(ctx context.Context, limit time.Duration, look func(context.Context) []string) []string {
	for end := time.Now().Add(limit); ; {
		bad := look(ctx)
		if len(bad) == 0 || time.Now().After(end) || ctx.Err() != nil {
			return bad
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// state is all there is, as the services and the drivers' files tell it.
type state struct {
	servers     map[string]compute.Server
	ports       map[string][]network.Port // by server
	allocations map[string][]string       // providers' names by server
	volumes     map[string]volume.Volume
	attachments []volume.Attachment
	images      map[string]image.Image

	guests  map[string]guest
	stored  map[string]export // by volume
	files   []string          // of images
	strange []string          // what cannot be
}

// guest is a guest of a simulated host's journal.
type guest struct {
	host    string
	State   int      `json:"state"`
	Volumes []string `json:"volumes"`
	Ports   []string `json:"interfaces"`
}

// export is a volume of the simulated store's file.
type export struct {
	Exported string `json:"exported"`
}

func (c *Cloud) look(ctx context.Context) (*state, error) {
	s := &state{
		servers: map[string]compute.Server{}, ports: map[string][]network.Port{}, allocations: map[string][]string{},
		volumes: map[string]volume.Volume{}, images: map[string]image.Image{}, guests: map[string]guest{},
	}
	servers, err := c.compute.ListServers(ctx, url.Values{"all_tenants": {"1"}})
	if err != nil {
		return nil, err
	}
	for _, one := range servers {
		s.servers[one.ID] = one
	}
	ports, err := c.network.ListPorts(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		if strings.HasPrefix(p.DeviceOwner, "compute:") {
			s.ports[p.DeviceID] = append(s.ports[p.DeviceID], p)
		}
	}
	providers, err := c.placement.Providers(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, p := range providers {
		consumers, err := c.placement.ProviderAllocations(ctx, p.UUID)
		if err != nil {
			return nil, err
		}
		for id := range consumers {
			s.allocations[id] = append(s.allocations[id], p.Name)
		}
	}
	volumes, err := c.volume.ListVolumes(ctx, url.Values{"all_tenants": {"1"}})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		s.volumes[v.ID] = v
	}
	if s.attachments, err = c.volume.ListAttachments(ctx, url.Values{"all_tenants": {"1"}}); err != nil {
		return nil, err
	}
	images, err := c.image.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		s.images[i.ID] = i
	}
	return s, s.read(c.dir)
}

// imageOf is the image a file of the image store belongs to: its name is the
// image's id and something that tells one upload from another.
func imageOf(name string) string {
	return name[:min(len(name), len("00000000-0000-0000-0000-000000000000"))]
}

// read reads the drivers' files.
func (s *state) read(dir string) error {
	journals, err := filepath.Glob(filepath.Join(dir, "simulated", "*.guests"))
	if err != nil {
		return err
	}
	for _, path := range journals {
		if err := s.readGuests(path); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "simulated", "volumes.json"))
	if err == nil {
		err = json.Unmarshal(b, &s.stored)
	} else if os.IsNotExist(err) {
		err = nil // there never was one
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(dir, "images"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			s.files = append(s.files, filepath.Base(path))
		}
		return err
	})
}

func (s *state) readGuests(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	mine := map[string]guest{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var line struct {
			ID    string
			Guest *guest
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if line.Guest == nil {
			delete(mine, line.ID)
			continue
		}
		line.Guest.host = strings.TrimSuffix(filepath.Base(path), ".guests")
		mine[line.ID] = *line.Guest
	}
	for id, g := range mine {
		if other, twice := s.guests[id]; twice {
			s.strange = append(s.strange, fmt.Sprintf("server %s has a guest on %s and one on %s", id, other.host, g.host))
		}
		s.guests[id] = g
	}
	return nil
}

// problems says what should hold and does not.
func (l *Load) problems(ctx context.Context) []string {
	s, err := l.cloud.look(ctx)
	if err != nil {
		return []string{"look at the cloud: " + err.Error()}
	}
	c := &checks{state: s, bad: s.strange}
	for id := range s.servers {
		c.server(id)
	}
	c.orphans()
	c.volumesAndImages()
	for _, u := range l.users {
		c.promises(u)
	}
	l.volumesOnce(c)
	slices.Sort(c.bad)
	return c.bad
}

// checks collects what does not hold.
type checks struct {
	*state
	bad []string
}

func (c *checks) say(format string, args ...any) { c.bad = append(c.bad, fmt.Sprintf(format, args...)) }

// server checks one server and what it has in the other services.
func (c *checks) server(id string) {
	s := c.servers[id]
	if s.TaskState != nil {
		c.say("server %s is %s, %s", id, s.Status, *s.TaskState)
		return
	}
	switch s.Status {
	case "ERROR":
		if s.Fault == nil || s.Fault.Message == "" {
			c.say("server %s is in error without a reason", id)
		}
		return
	case active, shutoff:
	default:
		c.say("server %s is %s", id, s.Status)
		return
	}
	if at := c.allocations[id]; !slices.Equal(at, []string{s.HypervisorHostname}) {
		c.say("server %s is on %s and has allocations at %v", id, s.HypervisorHostname, at)
	}
	g, there := c.guests[id]
	if want := map[string]int{active: 1, shutoff: 4}[s.Status]; !there || g.State != want || g.host != s.Host {
		c.say("server %s is %s on %s, its guest (%v) has state %d on %q", id, s.Status, s.Host, there, g.State, g.host)
	}
	var ports []string
	for _, p := range c.ports[id] {
		ports = append(ports, p.ID)
		if p.Status != network.PortActive || p.HostID != s.Host {
			c.say("port %s of server %s is %s on %q, not ACTIVE on %q", p.ID, id, p.Status, p.HostID, s.Host)
		}
	}
	if n := s.Metadata["ports"]; n != fmt.Sprint(len(ports)) || !same(ports, g.Ports) {
		c.say("server %s asked for %s ports: it has %v, its guest %v", id, n, ports, g.Ports)
	}
	var volumes, attached []string
	for _, v := range s.Volumes {
		volumes = append(volumes, v.ID)
	}
	for _, a := range c.attachments {
		if a.ServerID == id {
			attached = append(attached, a.VolumeID)
			if a.Status != "attached" {
				c.say("attachment %s of volume %s to server %s is %s", a.ID, a.VolumeID, id, a.Status)
			}
		}
	}
	if !same(volumes, attached) || !same(volumes, g.Volumes) {
		c.say("server %s has volumes %v, attachments of %v, and its guest has %v", id, volumes, attached, g.Volumes)
	}
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// orphans finds what belongs to servers that are not there.
func (c *checks) orphans() {
	for id, at := range c.allocations {
		if s, ok := c.servers[id]; !ok || s.Host == "" {
			c.say("an allocation at %v belongs to no placed server %s", at, id)
		}
	}
	for id := range c.ports {
		if _, ok := c.servers[id]; !ok {
			c.say("%d ports belong to no server %s", len(c.ports[id]), id)
		}
	}
	for _, a := range c.attachments {
		if _, ok := c.servers[a.ServerID]; !ok {
			c.say("attachment %s (%s) of volume %s belongs to no server %s", a.ID, a.Status, a.VolumeID, a.ServerID)
		}
	}
	for id, g := range c.guests {
		if _, ok := c.servers[id]; !ok {
			c.say("a guest on %s belongs to no server %s", g.host, id)
		}
	}
	for id := range c.stored {
		if _, ok := c.volumes[id]; !ok {
			c.say("stored data belong to no volume %s", id)
		}
	}
	of := map[string]string{}
	for _, name := range c.files {
		id := imageOf(name)
		if c.images[id].Status != "active" {
			c.say("file %s belongs to no active image", name)
		}
		if of[id] != "" {
			c.say("files %s and %s are of one image", of[id], name)
		}
		of[id] = name
	}
}

func (c *checks) volumesAndImages() {
	for id, v := range c.volumes {
		attached := slices.ContainsFunc(c.attachments, func(a volume.Attachment) bool { return a.VolumeID == id })
		stored, there := c.stored[id]
		exported := stored.Exported != ""
		switch {
		case v.Status == available && !attached && !exported && there:
		case v.Status == inUse && attached && exported && there:
		default:
			c.say("volume %s is %s; attached %v, exported %v, stored %v", id, v.Status, attached, exported, there)
		}
	}
	for id, i := range c.images {
		if i.Status != "active" && i.Status != "queued" {
			c.say("image %s is %s", id, i.Status)
		}
		if i.Status == "active" && !slices.ContainsFunc(c.files, func(name string) bool { return imageOf(name) == id }) {
			c.say("image %s has no file", id)
		}
	}
}

// promises checks what a user was promised.
func (c *checks) promises(u *user) {
	for _, t := range append(slices.Clone(u.pastServers), u.server) {
		if t == nil || t.want == unknown {
			continue
		}
		s, ok := c.servers[t.id]
		if (t.want == gone) == ok || ok && s.Status != t.want && s.Status != "ERROR" {
			c.say("server %s was promised to be %s, and is %q", t.id, t.want, s.Status)
		}
	}
	for _, t := range append(slices.Clone(u.pastVolumes), u.volume) {
		if t == nil || t.want == unknown || c.servers[t.server].Status == "ERROR" {
			continue
		}
		v, ok := c.volumes[t.id]
		if (t.want == gone) == ok || ok && v.Status != t.want {
			c.say("volume %s was promised to be %s, and is %q", t.id, t.want, v.Status)
		}
	}
	for _, t := range u.images {
		if t.want != unknown && c.images[t.id].Status != t.want {
			c.say("image %s was promised to be %s, and is %q", t.id, t.want, c.images[t.id].Status)
		}
	}
}

// volumesOnce checks that each server that asked for a volume got one, and
// only one.
func (l *Load) volumesOnce(c *checks) {
	ending, kept, made := 0, 0, map[string]string{}
	for id, s := range c.servers {
		if s.Metadata["volumes"] != "1" || s.Status == "ERROR" {
			continue
		}
		n := 0
		for _, v := range s.Volumes {
			switch c.volumes[v.ID].Size {
			case sizeEnding:
				n, ending = n+1, ending+1
			case sizeKept:
				n, l.kept[id] = n+1, true
			}
		}
		if n != 1 {
			c.say("server %s asked for one volume and has %d", id, n)
		}
	}
	errored := 0 // volumes servers in error may have
	for _, s := range c.servers {
		if s.Status == "ERROR" && s.Metadata["volumes"] == "1" {
			errored++
		}
	}
	for id, v := range c.volumes {
		switch v.Size {
		case sizeEnding:
			ending--
		case sizeKept:
			kept++
		}
		if key := v.Metadata["nubo_block_device"]; key != "" {
			if made[key] != "" {
				c.say("volumes %s and %s were made for the same block device", id, made[key])
			}
			made[key] = id
		}
	}
	if -ending > errored {
		c.say("%d volumes that were to end with their servers are left", -ending)
	}
	l.mu.Lock()
	asked := l.asked
	l.mu.Unlock()
	if kept < len(l.kept) || kept > asked {
		c.say("of %d servers asked for with a volume that outlives them %d have run, and there are %d such volumes", asked, len(l.kept), kept)
	}
}

// Errors gives the reasons of the servers that are in error.
func (l *Load) Errors(ctx context.Context) ([]string, error) {
	s, err := l.cloud.look(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for id, one := range s.servers {
		if one.Status == "ERROR" {
			out = append(out, id+": "+one.Fault.Message+" / "+one.Fault.Details)
		}
	}
	return out, nil
}

// clear deletes what there is, and says what is left.
func (l *Load) clear(ctx context.Context) []string {
	s, err := l.cloud.look(ctx)
	if err != nil {
		return []string{"look at the cloud: " + err.Error()}
	}
	var left []string
	try := func(what, id string, err error) {
		text := what + " " + id
		if err != nil {
			text += ": " + err.Error()
		}
		left = append(left, text)
	}
	for id := range s.servers {
		try("server", id, l.cloud.compute.DeleteServer(ctx, id))
	}
	for id, v := range s.volumes {
		try(v.Status+" volume", id, l.cloud.volume.DeleteVolume(ctx, id))
	}
	for id := range s.images {
		try("image", id, l.cloud.image.Remove(ctx, id))
	}
	c := &checks{state: s, bad: s.strange}
	c.orphans()
	return append(left, c.bad...)
}
