package compute

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// Guests read what they need to know of themselves from a service at a
// well-known address, or from a config drive; both have the same content.

// MetadataVersions are the versions of the OpenStack format.
var MetadataVersions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14", "latest",
}

// guestDomain is the domain of guests' host names.
const guestDomain = ".novalocal"

// GuestServer gives the server whose guest asks, on the word of a metadata
// proxy: the signature shows that it knows the shared secret.
func (s *Service) GuestServer(ctx context.Context, id, project, signature string) (*Server, error) {
	secret := s.cfg.Neutron.MetadataProxySharedSecret
	if id == "" || secret == "" {
		return nil, fault.NotFoundf("No metadata for this address.")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(id))
	given, err := hex.DecodeString(signature)
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, fault.Forbiddenf("Invalid proxy request signature.")
	}
	server, err := s.store.Server(ctx, id)
	if err != nil {
		return nil, err
	}
	if project != "" && server.ProjectID != project {
		return nil, fault.NotFoundf("No metadata for this address.")
	}
	return server, nil
}

type guestKey struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

// guestDevice is an attached volume as the guest can find it.
type guestDevice struct {
	Type   string   `json:"type"`
	Bus    string   `json:"bus"`
	Serial string   `json:"serial"`
	Path   string   `json:"path"`
	Tags   []string `json:"tags"`
}

// guestData is meta_data.json.
type guestData struct {
	UUID             string            `json:"uuid"`
	Name             string            `json:"name"`
	Hostname         string            `json:"hostname"`
	LaunchIndex      int               `json:"launch_index"`
	AvailabilityZone string            `json:"availability_zone"`
	ProjectID        string            `json:"project_id"`
	Meta             map[string]string `json:"meta,omitempty"`
	PublicKeys       map[string]string `json:"public_keys,omitempty"`
	Keys             []guestKey        `json:"keys,omitempty"`
	Devices          []guestDevice     `json:"devices"`
	RandomSeed       string            `json:"random_seed"`
}

// seedBytes is how much randomness a guest gets to start with.
const seedBytes = 512

// MetaData is meta_data.json.
func (s *Server) MetaData() ([]byte, error) {
	d := guestData{
		UUID: s.ID, Name: s.Name, Hostname: s.Hostname + guestDomain, LaunchIndex: s.LaunchIndex,
		AvailabilityZone: s.AZ, ProjectID: s.ProjectID, Meta: s.Metadata, Devices: []guestDevice{},
	}
	if s.KeyName != "" {
		d.PublicKeys = map[string]string{s.KeyName: s.KeyPublic + "\n"}
		d.Keys = []guestKey{{Name: s.KeyName, Type: s.KeyType, Data: s.KeyPublic + "\n"}}
	}
	for _, b := range s.BlockDevices {
		if b.Tag != "" && b.VolumeID != "" {
			d.Devices = append(d.Devices, guestDevice{Type: "disk", Bus: "virtio", Serial: b.VolumeID, Path: b.DeviceName, Tags: []string{b.Tag}})
		}
	}
	seed := make([]byte, seedBytes)
	rand.Read(seed) //nolint:errcheck // never fails: it ends the program instead
	d.RandomSeed = base64.StdEncoding.EncodeToString(seed)
	return json.Marshal(d)
}

// RawUserData is what the user wants the guest to read; nil for nothing.
func (s *Server) RawUserData() ([]byte, error) {
	if s.UserData == "" {
		return nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s.UserData), ""))
	if err != nil {
		return nil, fmt.Errorf("decode user data: %w", err)
	}
	return b, nil
}

// NetworkData is network_data.json.
func (s *Server) NetworkData() ([]byte, error) {
	links, networks, services := []any{}, []any{}, []any{}
	var dns []string
	for _, v := range s.VIFs {
		name := v.Device
		if name == "" {
			name = "tap" + v.PortID[:min(11, len(v.PortID))]
		}
		links = append(links, map[string]any{"id": name, "vif_id": v.PortID, "type": "bridge", "mtu": v.MTU, "ethernet_mac_address": v.MAC})
		for _, ip := range v.FixedIPs {
			networks = append(networks, guestNetwork(len(networks), name, v, ip))
		}
		for _, subnet := range v.Subnets {
			for _, server := range subnet.DNS {
				if !slices.Contains(dns, server) {
					dns = append(dns, server)
					services = append(services, map[string]any{"type": "dns", "address": server})
				}
			}
		}
	}
	return json.Marshal(map[string]any{"links": links, "networks": networks, "services": services})
}

// guestNetwork is one address in network_data.json: by DHCP where the subnet
// has it, else written out.
func guestNetwork(i int, name string, v VIF, ip FixedIP) map[string]any {
	subnet := byID(v.Subnets, ip.SubnetID, func(s *Subnet) string { return s.ID })
	family := "ipv4"
	if a, err := netip.ParseAddr(ip.IP); err == nil && a.Is6() {
		family = "ipv6"
	}
	n := map[string]any{"id": fmt.Sprintf("network%d", i), "link": name, "network_id": v.NetworkID}
	if subnet == nil || subnet.DHCP {
		n["type"] = family + "_dhcp"
		return n
	}
	n["type"], n["ip_address"], n["routes"] = family, ip.IP, []any{}
	if p, err := netip.ParsePrefix(subnet.CIDR); err == nil {
		n["netmask"] = netmask(p)
	}
	if subnet.Gateway != "" {
		anywhere, none := "0.0.0.0", "0.0.0.0"
		if family == "ipv6" {
			anywhere, none = "::", "::"
		}
		n["routes"] = []any{map[string]any{"network": anywhere, "netmask": none, "gateway": subnet.Gateway}}
	}
	return n
}

// netmask writes a prefix's mask as an address.
func netmask(p netip.Prefix) string {
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(mask) // 4 or 16 bytes: cannot fail
	return a.String()
}

// MetadataFiles are the files of a version of the OpenStack format.
func (s *Server) MetadataFiles() (map[string][]byte, error) {
	meta, err := s.MetaData()
	if err != nil {
		return nil, err
	}
	network, err := s.NetworkData()
	if err != nil {
		return nil, err
	}
	user, err := s.RawUserData()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"meta_data.json": meta, "network_data.json": network, "vendor_data.json": []byte("{}"), "vendor_data2.json": []byte("{}"),
	}
	if user != nil {
		files["user_data"] = user
	}
	return files, nil
}

// ConfigDriveFiles is the content of a server's config drive by path.
func (s *Server) ConfigDriveFiles() (map[string][]byte, error) {
	files, err := s.MetadataFiles()
	if err != nil {
		return nil, err
	}
	drive := map[string][]byte{}
	for _, version := range []string{"2012-08-10", "2018-08-27", "latest"} {
		for name, content := range files {
			drive["openstack/"+version+"/"+name] = content
		}
	}
	ec2, err := json.Marshal(s.EC2MetaData())
	if err != nil {
		return nil, err
	}
	for _, version := range []string{"2009-04-04", "latest"} {
		drive["ec2/"+version+"/meta-data.json"] = ec2
		if user := files["user_data"]; user != nil {
			drive["ec2/"+version+"/user-data"] = user
		}
	}
	return drive, nil
}

// EC2MetaData is the older format: values by path below meta-data.
func (s *Server) EC2MetaData() map[string]string {
	m := map[string]string{
		"ami-id": fmt.Sprintf("ami-%08x", s.Num), "ami-launch-index": fmt.Sprint(s.LaunchIndex), "ami-manifest-path": "(unknown)",
		"block-device-mapping/ami": "vda", "block-device-mapping/root": s.RootDeviceName,
		"hostname": s.Hostname + guestDomain, "local-hostname": s.Hostname + guestDomain, "public-hostname": s.Hostname + guestDomain,
		"instance-action": "none", "instance-id": fmt.Sprintf("i-%08x", s.Num), "instance-type": s.Flavor.Name,
		"local-ipv4": "", "public-ipv4": "", "placement/availability-zone": s.AZ, "reservation-id": s.ReservationID,
	}
	var groups []string
	for _, g := range s.SecurityGroups {
		groups = append(groups, g.Name)
	}
	m["security-groups"] = strings.Join(groups, "\n")
	for _, v := range s.VIFs {
		for _, ip := range v.FixedIPs {
			if a, err := netip.ParseAddr(ip.IP); err != nil || a.Is6() {
				continue
			}
			if m["local-ipv4"] == "" {
				m["local-ipv4"] = ip.IP
			}
			if m["public-ipv4"] == "" && len(ip.Floating) > 0 {
				m["public-ipv4"] = ip.Floating[0]
			}
		}
	}
	if s.KeyName != "" {
		m["public-keys/0/openssh-key"] = s.KeyPublic + "\n"
	}
	return m
}
