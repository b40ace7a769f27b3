package compute

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/internal/rpc"
	"nubo/sdk/network"
)

// CreateRequest is what somebody wants: one server, or several alike.
type CreateRequest struct {
	Name        string
	Hostname    string // "" is made of the name
	Description string
	ImageID     string // "" boots from a volume
	FlavorID    string
	Min, Max    int // 0 is 1
	KeyName     string
	UserData    string
	ConfigDrive bool
	Metadata    map[string]string
	Tags        []string
	// Zone is "", a zone, or, from an admin, "zone:host" or "zone:host:node".
	Zone         string
	Host, Node   string // from microversion 2.74
	NoNetwork    bool   // none asked for, explicitly
	Networks     []RequestedNetwork
	Groups       []string // security groups by name or id; nil for the default
	BlockDevices []BlockDevice
	AdminPass    string
	AccessIPv4   string
	AccessIPv6   string
	DiskConfig   string
	Hints        map[string][]string
	// ZeroDisk allows a system disk as large as the image where the flavor
	// has none.
	ZeroDisk bool
}

// creation is a request on its way: what was asked, and what was found out.
type creation struct {
	CreateRequest
	id     string // of the first server
	flavor *Flavor
	image  *Image // nil where none is involved
	key    *KeyPair
	group  *ServerGroup
	groups []SecurityGroup
	// reserved are the attachments of volumes that servers shall start with;
	// they are released if nothing comes of it.
	reserved []string
}

// Create makes servers: it checks all that can be checked in the caller's
// name, writes them with the cast that has them built, and is done before
// any host knows of them.
func (s *Service) Create(ctx context.Context, in CreateRequest) (servers []*Server, err error) {
	c := &creation{CreateRequest: in, id: clock.NewID()}
	c.Min = max(c.Min, 1)
	c.Max = max(c.Max, c.Min)
	for _, step := range []func(context.Context, *creation) error{
		s.checkMetadata, s.findFlavor, s.findImage, s.findKey, s.findZone, s.findGroup, s.findNetworks, s.findSecurityGroups, s.findBlockDevices,
	} {
		if err := step(ctx, c); err != nil {
			return nil, errors.Join(err, s.release(ctx, c.reserved))
		}
	}
	servers, err = s.insert(ctx, c)
	if err != nil {
		return nil, errors.Join(err, s.release(ctx, c.reserved))
	}
	return servers, nil
}

// release gives reserved volumes back. The caller may have gone meanwhile.
func (s *Service) release(ctx context.Context, attachments []string) error {
	var errs error
	for _, id := range attachments {
		errs = errors.Join(errs, s.volume.Release(context.WithoutCancel(ctx), id))
	}
	return errs
}

func (s *Service) checkMetadata(_ context.Context, c *creation) error {
	return s.checkMetadataItems(len(c.Metadata))
}

func (s *Service) findFlavor(ctx context.Context, c *creation) (err error) {
	c.flavor, err = s.Flavor(ctx, c.FlavorID)
	if fault.Is(err, fault.NotFound) {
		return fault.Invalidf("Flavor %s could not be found.", c.FlavorID)
	}
	if err == nil && c.flavor.Disabled {
		return fault.Invalidf("Flavor %s is disabled.", c.FlavorID)
	}
	return err
}

const gib = 1 << 30

// findImage finds the image of the system disk, be it a local disk or a
// volume to be made, and checks that it fits.
func (s *Service) findImage(ctx context.Context, c *creation) (err error) {
	id := c.ImageID
	boot := slices.IndexFunc(c.BlockDevices, func(b BlockDevice) bool { return b.BootIndex == 0 })
	if boot >= 0 && c.BlockDevices[boot].SourceType == SourceImage {
		b := c.BlockDevices[boot]
		if id != "" && id != b.ImageID {
			return invalidBoot("The image's id in the boot device differs from imageRef.")
		}
		id = b.ImageID
		if b.DestinationType == DestinationLocal { // says the same as imageRef
			c.ImageID = id
			c.BlockDevices = slices.Delete(slices.Clone(c.BlockDevices), boot, boot+1)
			boot = -1
		} else {
			c.ImageID = ""
		}
	} else if boot >= 0 {
		if id != "" {
			return invalidBoot("Boot sequence for the instance and image/block device mapping combination is not valid.")
		}
		return nil
	}
	if id == "" {
		return invalidBoot("Boot sequence for the instance and image/block device mapping combination is not valid.")
	}
	c.image, err = s.image.Image(ctx, id)
	if err != nil {
		return peerFault(err, "image", fault.Invalidf("Image %s could not be found.", id))
	}
	return checkImage(c, boot)
}

func invalidBoot(why string) error {
	return fault.Invalidf("Block Device Mapping is Invalid: %s", why)
}

// checkImage checks that the image fits the flavor, or the volume at index
// boot of the block devices.
func checkImage(c *creation, boot int) error {
	switch {
	case c.image.Status != "active":
		return fault.Invalidf("Image %s is not active.", c.image.ID)
	case c.image.MinRAM > c.flavor.MemoryMB:
		return fault.Invalidf("Flavor's memory is too small for requested image.")
	case boot >= 0:
		b := c.BlockDevices[boot]
		if b.VolumeSize == 0 {
			return invalidBoot("Block device mapping needs a volume_size to make a volume of an image.")
		}
		if b.VolumeSize < c.image.MinDisk {
			return fault.Invalidf("Volume is smaller than the minimum size specified in image metadata. Volume size is %d bytes, minimum size is %d bytes.",
				b.VolumeSize*gib, c.image.MinDisk*gib)
		}
	case c.flavor.RootGB == 0 && !c.ZeroDisk:
		return fault.Forbiddenf("Only volume-backed servers are allowed for flavors with zero disk.")
	case c.flavor.RootGB > 0 && c.image.Size > int64(c.flavor.RootGB)*gib:
		return fault.Invalidf("Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", c.flavor.RootGB*gib, c.image.Size)
	case c.flavor.RootGB > 0 && c.image.MinDisk > c.flavor.RootGB:
		return fault.Invalidf("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.",
			c.flavor.RootGB*gib, c.image.MinDisk*gib)
	}
	return nil
}

func (s *Service) findKey(ctx context.Context, c *creation) (err error) {
	if c.KeyName == "" {
		return nil
	}
	c.key, err = s.store.KeyPair(ctx, auth.From(ctx).UserID, c.KeyName)
	if fault.Is(err, fault.NotFound) {
		return fault.Invalidf("Invalid key_name provided.")
	}
	return err
}

// findZone splits a zone with a host, and checks that zone and host exist.
func (s *Service) findZone(ctx context.Context, c *creation) error {
	zone, rest, forced := strings.Cut(c.Zone, ":")
	if forced {
		c.Host, c.Node, _ = strings.Cut(rest, ":")
		if c.Host == "" && c.Node == "" {
			return fault.Invalidf("Unable to parse availability zone: %s", c.Zone)
		}
	}
	c.Zone = zone
	if c.Zone == "" {
		c.Zone = s.cfg.Default.DefaultScheduleZone
	}
	if c.Zone != "" && c.Zone != s.cfg.Default.DefaultAvailabilityZone {
		zones, err := s.zoneNames(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(zones, c.Zone) {
			return fault.Invalidf("The requested availability zone is not available")
		}
	}
	if c.Host != "" || c.Node != "" {
		nodes, err := s.store.Nodes(ctx, NodeQuery{Host: c.Host})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(nodes, func(n *ComputeNode) bool { return c.Node == "" || n.Hostname == c.Node }) {
			missing := c.Host
			if missing == "" {
				missing = c.Node
			}
			return fault.Invalidf("Compute host %s could not be found.", missing)
		}
	}
	return nil
}

func (s *Service) findGroup(ctx context.Context, c *creation) error {
	hint := c.Hints["group"]
	if len(hint) == 0 {
		return nil
	}
	g, err := s.ServerGroup(ctx, hint[0])
	if fault.Is(err, fault.NotFound) {
		return fault.Invalidf("Instance group %s could not be found.", hint[0])
	}
	if err != nil {
		return err
	}
	limits, err := s.quotas.Limits(ctx, g.ProjectID)
	if err != nil {
		return err
	}
	if limit := limits["server_group_members"]; limit >= 0 && int64(len(g.Members)+c.Max) > limit {
		return fault.New(fault.OverQuota, "Quota exceeded, too many servers in group")
	}
	c.group = g
	return nil
}

// findNetworks checks the networks and ports asked for, or finds the one
// that is meant where none are.
func (s *Service) findNetworks(ctx context.Context, c *creation) error {
	if c.NoNetwork {
		return nil
	}
	if len(c.Networks) == 0 {
		return s.onlyNetwork(ctx, c)
	}
	var ids []string
	for i, n := range c.Networks {
		if n.PortID != "" {
			if c.Max > 1 {
				return fault.Invalidf("Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.")
			}
			port, err := s.freePort(ctx, n.PortID)
			if err != nil {
				return err
			}
			c.Networks[i].NetworkID = port.NetworkID
			continue
		}
		if n.FixedIP != "" && c.Max > 1 {
			return fault.Invalidf("Failed to launch instances: Invalid fixed IPs %s specified for max_count > 1", n.FixedIP)
		}
		if !slices.Contains(ids, n.NetworkID) {
			ids = append(ids, n.NetworkID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := s.network.Networks(ctx, url.Values{"id": ids})
	if err != nil {
		return peerFault(err, "network", nil)
	}
	for _, id := range ids {
		n := byID(found, id, func(n *network.Network) string { return n.ID })
		if n == nil {
			return fault.Invalidf("Network %s could not be found.", id)
		}
		if err := usable(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// usable says why a server may not be on a network.
func usable(ctx context.Context, n *network.Network) error {
	switch {
	case n.External && !n.Shared && !auth.From(ctx).IsAdmin:
		return fault.Forbiddenf("It is not allowed to create an interface on external network %s", n.ID)
	case len(n.Subnets) == 0:
		return fault.Invalidf("Network %s requires a subnet in order to boot instances on.", n.ID)
	}
	return nil
}

// onlyNetwork chooses the network of a server whose owner named none.
func (s *Service) onlyNetwork(ctx context.Context, c *creation) error {
	own := auth.From(ctx).ProjectID
	all, err := s.network.Networks(ctx, nil)
	if err != nil {
		return peerFault(err, "network", nil)
	}
	var found []network.Network
	for _, n := range all {
		if n.ProjectID == own && !n.External || n.Shared {
			found = append(found, n)
		}
	}
	switch {
	case len(found) > 1:
		return fault.Conflictf("Multiple possible networks found, use a Network ID to be more specific.").WithType("NetworkAmbiguous")
	case len(found) == 1:
		if err := usable(ctx, &found[0]); err != nil {
			return err
		}
		c.Networks = []RequestedNetwork{{NetworkID: found[0].ID}}
	}
	return nil
}

// freePort gives a port of the caller's that a server can take.
func (s *Service) freePort(ctx context.Context, id string) (*network.Port, error) {
	port, err := s.network.Port(ctx, id)
	switch {
	case err != nil:
		return nil, peerFault(err, "network", fault.Invalidf("Port id %s could not be found.", id))
	case port.DeviceID != "":
		return nil, fault.Conflictf("Port %s is still in use.", id).WithType("PortInUse")
	case len(port.FixedIPs) == 0:
		return nil, fault.Invalidf("Port %s requires a FixedIP in order to be used.", id)
	}
	return port, nil
}

// findSecurityGroups turns names into ids: a server shows names, ports want
// ids. Without any, ports get the project's default group by themselves.
func (s *Service) findSecurityGroups(ctx context.Context, c *creation) error {
	c.groups = []SecurityGroup{{Name: "default"}}
	if len(c.Groups) == 0 || len(c.Groups) == 1 && c.Groups[0] == "default" {
		return nil
	}
	c.groups = nil
	found, err := s.network.SecurityGroups(ctx, url.Values{"project_id": {auth.From(ctx).ProjectID}, "fields": {"id", "name"}})
	if err != nil {
		return peerFault(err, "network", nil)
	}
	for _, want := range c.Groups {
		g, err := matchGroup(found, want)
		if err != nil {
			return err
		}
		if !slices.Contains(c.groups, g) {
			c.groups = append(c.groups, g)
		}
	}
	return nil
}

// matchGroup finds a security group by id, or by a name only one has.
func matchGroup(groups []network.SecurityGroup, want string) (SecurityGroup, error) {
	var named []SecurityGroup
	for _, g := range groups {
		one := SecurityGroup{ID: g.ID, Name: g.Name}
		if g.ID == want {
			return one, nil
		}
		if g.Name == want {
			named = append(named, one)
		}
	}
	switch len(named) {
	case 0:
		return SecurityGroup{}, fault.Invalidf("Unable to find security_group with name or id '%s'", want)
	case 1:
		return named[0], nil
	}
	return SecurityGroup{}, fault.Conflictf("Multiple security_groups found matching '%s'. Use an ID to be more specific.", want)
}

// insert writes the servers. Numbers are taken before the transaction.
func (s *Service) insert(ctx context.Context, c *creation) ([]*Server, error) {
	nums, err := s.store.NextNums(ctx, c.Max)
	if err != nil {
		return nil, err
	}
	servers := make([]*Server, c.Max)
	reservation := "r-" + clock.NewHexID()[:8]
	for i := range servers {
		servers[i] = s.build(ctx, c, nums[i], i)
		servers[i].ReservationID = reservation
	}
	made := servers
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.howMany(ctx, c)
		if err != nil {
			return err
		}
		made = servers[:n]
		return s.record(ctx, made)
	})
	return made, err
}

// record writes new servers, their first action, and the cast.
func (s *Service) record(ctx context.Context, servers []*Server) error {
	if err := s.store.CreateServers(ctx, servers); err != nil {
		return err
	}
	ids := make([]string, len(servers))
	actions := make([]*Action, len(servers))
	msgs := make([]rpc.Envelope, 0, len(servers)+1)
	for i, one := range servers {
		ids[i], actions[i] = one.ID, s.action(ctx, one, "create")
		note, err := Notification(ctx, EventCreateStart, one)
		if err != nil {
			return err
		}
		msgs = append(msgs, note)
	}
	if err := s.store.StartAction(ctx, actions...); err != nil {
		return err
	}
	cast, err := s.conductor.ScheduleAndBuild(ctx, ids)
	if err != nil {
		return err
	}
	return s.store.Send(ctx, append(msgs, cast)...)
}

// howMany says how many of the servers the quota allows: all, or fewer down
// to the least number asked for.
func (s *Service) howMany(ctx context.Context, c *creation) (int, error) {
	project := auth.From(ctx).ProjectID
	snapshot := c.flavor.Snapshot()
	err := s.checkServers(ctx, project, c.Max, snapshot)
	if err == nil || c.Min == c.Max {
		return c.Max, err
	}
	var over *quota.Error
	if !errors.As(err, &over) {
		return 0, err
	}
	n := int64(c.Max)
	each := map[string]int64{"instances": 1, "cores": int64(snapshot.VCPUs), "ram": int64(snapshot.MemoryMB)}
	for _, x := range over.Exceeded {
		n = min(n, (x.Limit-x.Used)/each[x.Resource])
	}
	if n < int64(c.Min) {
		return 0, s.checkServers(ctx, project, c.Min, snapshot)
	}
	return int(n), nil
}

// build makes the i-th server of a request.
func (s *Service) build(ctx context.Context, c *creation, num int64, i int) *Server {
	caller, now := auth.From(ctx), db.Micro(s.clock.Now())
	name := c.Name
	if c.Max > 1 {
		name = fmt.Sprintf("%s-%d", name, i+1)
	}
	id := c.id
	if i > 0 {
		id = clock.NewID()
	}
	one := &Server{
		ID: id, Num: num, Name: name, Hostname: hostname(c.Hostname, name), ProjectID: caller.ProjectID, UserID: caller.UserID,
		RequestID: caller.RequestID, State: Building, TaskState: Scheduling, Revision: 1,
		RequestedAZ: c.Zone, AZ: c.Zone, RequestedHost: c.Host, RequestedNode: c.Node, Hints: c.Hints,
		Flavor: c.flavor.Snapshot(), ImageRef: c.ImageID, Description: c.Description, Metadata: c.Metadata, Tags: c.Tags,
		UserData: c.UserData, ConfigDrive: c.ConfigDrive || s.cfg.Default.ForceConfigDrive, AccessIPv4: c.AccessIPv4, AccessIPv6: c.AccessIPv6,
		DiskConfig: c.DiskConfig, AdminPass: c.AdminPass, Networks: c.Networks, SecurityGroups: c.groups,
		RootDeviceName: "/dev/vda", LaunchIndex: i, CreatedAt: now, UpdatedAt: now,
	}
	if one.Hostname == "" {
		one.Hostname = "server-" + one.ID
	}
	if c.image != nil {
		one.ImageProperties = c.image.Properties
	}
	if c.key != nil {
		one.KeyName, one.KeyPublic, one.KeyType = c.key.Name, c.key.PublicKey, c.key.Type
	}
	if c.group != nil {
		one.GroupID = c.group.ID
	}
	if one.AdminPass == "" {
		one.AdminPass = password(s.cfg.Default.PasswordLength)
	}
	for _, b := range c.BlockDevices {
		b.ID, b.ServerID, b.CreatedAt = clock.NewID(), one.ID, now
		one.BlockDevices = append(one.BlockDevices, b)
	}
	return one
}

var notHostname = regexp.MustCompile(`[^a-z0-9.-]+`)

// hostname makes a host name of a server's name.
func hostname(asked, name string) string {
	if asked != "" {
		return asked
	}
	h := strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(name))
	h = strings.Trim(notHostname.ReplaceAllString(h, ""), ".-")
	if len(h) > 63 {
		h = strings.TrimRight(h[:63], ".-")
	}
	return h
}
