package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// newServer is the body of a create request, of any microversion: the schema
// has refused what the request's does not know.
type newServer struct {
	Name           string            `json:"name"`
	Hostname       string            `json:"hostname"`
	Description    string            `json:"description"`
	ImageRef       string            `json:"imageRef"`
	FlavorRef      httpx.LenientText `json:"flavorRef"`
	AdminPass      string            `json:"adminPass"`
	Metadata       map[string]string `json:"metadata"`
	Tags           []string          `json:"tags"`
	Networks       json.RawMessage   `json:"networks"`
	DiskConfig     string            `json:"OS-DCF:diskConfig"`
	AccessIPv4     string            `json:"accessIPv4"`
	AccessIPv6     string            `json:"accessIPv6"`
	Zone           string            `json:"availability_zone"`
	Host           string            `json:"host"`
	Node           string            `json:"hypervisor_hostname"`
	BlockDevices   []newDevice       `json:"block_device_mapping_v2"`
	ConfigDrive    httpx.LenientBool `json:"config_drive"`
	KeyName        string            `json:"key_name"`
	Min            httpx.LenientInt  `json:"min_count"`
	Max            httpx.LenientInt  `json:"max_count"`
	Reservation    httpx.LenientBool `json:"return_reservation_id"`
	UserData       string            `json:"user_data"`
	TrustedCerts   []string          `json:"trusted_image_certificates"`
	SecurityGroups []struct {
		Name string `json:"name"`
	} `json:"security_groups"`
}

// newDevice is an entry of block_device_mapping_v2.
type newDevice struct {
	SourceType          string            `json:"source_type"`
	DestinationType     string            `json:"destination_type"`
	UUID                string            `json:"uuid"`
	VolumeID            string            `json:"volume_id"`
	DeviceName          string            `json:"device_name"`
	BootIndex           *httpx.LenientInt `json:"boot_index"`
	VolumeSize          httpx.LenientInt  `json:"volume_size"`
	VolumeType          string            `json:"volume_type"`
	DeleteOnTermination httpx.LenientBool `json:"delete_on_termination"`
	DiskBus             string            `json:"disk_bus"`
	GuestFormat         string            `json:"guest_format"`
	Tag                 string            `json:"tag"`
}

func (h *handler) createServer(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Server newServer                  `json:"server"`
		Hints  map[string]json.RawMessage `json:"os:scheduler_hints"`
		Older  map[string]json.RawMessage `json:"OS-SCH-HNT:scheduler_hints"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if in.Hints == nil {
		in.Hints = in.Older
	}
	req, err := in.Server.request()
	if err != nil {
		return err
	}
	req.Hints = hints(in.Hints)
	req.ZeroDisk = httpx.Allowed(r.Context(), prefix+"servers:create:zero_disk_flavor", ownTarget(r))
	if err := createRules(r, &req); err != nil {
		return err
	}
	servers, err := h.svc.Create(r.Context(), req)
	if err != nil {
		return err
	}
	if in.Server.Reservation {
		return httpx.JSON(w, http.StatusAccepted, map[string]any{"reservation_id": servers[0].ReservationID})
	}
	one := servers[0]
	v := map[string]any{"id": one.ID, "links": links(r, "servers", one.ID), "OS-DCF:diskConfig": "AUTO", "adminPass": one.AdminPass}
	if one.DiskConfig != "" {
		v["OS-DCF:diskConfig"] = one.DiskConfig
	}
	var groups []any
	for _, g := range one.SecurityGroups {
		groups = append(groups, map[string]any{"name": g.Name})
	}
	v["security_groups"] = list(groups)
	w.Header().Set("Location", httpx.BaseURL(r)+"/v2.1/servers/"+one.ID)
	return httpx.JSON(w, http.StatusAccepted, map[string]any{"server": v})
}

// createRules asks for the rules that depend on what is wanted.
func createRules(r *http.Request, req *compute.CreateRequest) error {
	needs := map[string]bool{
		"servers:create:forced_host":    strings.Contains(req.Zone, ":") || req.Host != "" || req.Node != "",
		"servers:create:attach_volume":  len(req.BlockDevices) > 0,
		"servers:create:attach_network": len(req.Networks) > 0,
	}
	for _, rule := range sorted(needs) {
		if needs[rule] {
			if err := httpx.Enforce(r.Context(), prefix+rule, ownTarget(r)); err != nil {
				return err
			}
		}
	}
	return nil
}

// request is what the body asks for, as the service knows it.
func (in *newServer) request() (compute.CreateRequest, error) {
	req := compute.CreateRequest{
		Name: strings.TrimSpace(in.Name), Hostname: in.Hostname, Description: in.Description, ImageID: in.ImageRef, FlavorID: lastPart(string(in.FlavorRef)),
		Min: int(in.Min), Max: int(in.Max), KeyName: in.KeyName, UserData: in.UserData, ConfigDrive: bool(in.ConfigDrive),
		Metadata: in.Metadata, Tags: in.Tags, Zone: in.Zone, Host: in.Host, Node: in.Node, AdminPass: in.AdminPass,
		AccessIPv4: in.AccessIPv4, AccessIPv6: in.AccessIPv6, DiskConfig: in.DiskConfig,
	}
	if len(in.TrustedCerts) > 0 {
		return req, fault.Invalidf("Image signature certificates are not supported.")
	}
	if in.Min > 0 && in.Max > 0 && in.Min > in.Max {
		return req, fault.Invalidf("min_count must be <= max_count")
	}
	if req.Hostname != "" && (req.Max > 1 || req.Min > 1) {
		return req, fault.Invalidf("Cannot set a hostname for more than one server.")
	}
	for _, g := range in.SecurityGroups {
		req.Groups = append(req.Groups, g.Name)
	}
	if err := in.networks(&req); err != nil {
		return req, err
	}
	for _, d := range in.BlockDevices {
		b, err := d.device()
		if err != nil {
			return req, err
		}
		req.BlockDevices = append(req.BlockDevices, b)
	}
	return req, nil
}

// networks reads the list of networks, or the words that stand for one.
func (in *newServer) networks(req *compute.CreateRequest) error {
	var word string
	if json.Unmarshal(in.Networks, &word) == nil {
		req.NoNetwork = word == "none"
		return nil
	}
	var asked []struct {
		UUID    string `json:"uuid"`
		Port    string `json:"port"`
		FixedIP string `json:"fixed_ip"`
		Tag     string `json:"tag"`
	}
	if len(in.Networks) > 0 {
		if err := json.Unmarshal(in.Networks, &asked); err != nil {
			return fault.Invalidf("Malformed request body")
		}
	}
	for _, n := range asked {
		switch {
		case n.UUID == "" && n.Port == "":
			return fault.Invalidf("Bad networks format: network uuid is not in proper format ()")
		case n.Port != "" && n.FixedIP != "":
			return fault.Invalidf("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", n.FixedIP, n.Port)
		}
		req.Networks = append(req.Networks, compute.RequestedNetwork{NetworkID: n.UUID, PortID: n.Port, FixedIP: n.FixedIP, Tag: n.Tag})
	}
	return nil
}

// device is a block device as the service knows it.
func (d *newDevice) device() (compute.BlockDevice, error) {
	b := compute.BlockDevice{
		SourceType: d.SourceType, DestinationType: d.DestinationType, BootIndex: -1, VolumeSize: int(d.VolumeSize), VolumeType: d.VolumeType,
		DeviceName: d.DeviceName, DiskBus: d.DiskBus, Tag: d.Tag, DeleteOnTermination: bool(d.DeleteOnTermination),
	}
	if d.BootIndex != nil {
		b.BootIndex = int(*d.BootIndex)
	}
	if b.DeviceName != "" && !strings.HasPrefix(b.DeviceName, "/dev/") {
		b.DeviceName = "/dev/" + b.DeviceName
	}
	if b.SourceType == "" && d.VolumeID != "" {
		b.SourceType = compute.SourceVolume
	}
	if b.DestinationType == "" {
		b.DestinationType = compute.DestinationVolume
		if b.SourceType == compute.SourceImage || b.SourceType == compute.SourceBlank {
			b.DestinationType = compute.DestinationLocal
		}
	}
	bad := func(why string) error { return fault.Invalidf("Block Device Mapping is Invalid: %s", why) }
	switch b.SourceType {
	case compute.SourceImage:
		b.ImageID = d.UUID
	case compute.SourceSnapshot:
		b.SnapshotID = d.UUID
	case compute.SourceVolume:
		if b.VolumeID = d.UUID; b.VolumeID == "" {
			b.VolumeID = d.VolumeID
		}
	case compute.SourceBlank:
		if d.UUID != "" {
			return b, bad("a blank device has no uuid.")
		}
		return b, nil
	default:
		return b, bad("source_type is missing.")
	}
	if b.ImageID == "" && b.SnapshotID == "" && b.VolumeID == "" {
		return b, bad("Missing device UUID.")
	}
	return b, nil
}

// hints are scheduler hints, each a list of texts.
func hints(raw map[string]json.RawMessage) map[string][]string {
	if len(raw) == 0 {
		return nil
	}
	out := make(map[string][]string, len(raw))
	for k, v := range raw {
		var one string
		var many []string
		switch {
		case json.Unmarshal(v, &one) == nil:
			out[k] = []string{one}
		case json.Unmarshal(v, &many) == nil:
			out[k] = many
		default:
			out[k] = []string{string(v)}
		}
	}
	return out
}
