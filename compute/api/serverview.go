package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"nubo/compute"
	"nubo/internal/httpx"
)

// serverView writes servers as JSON by hand: lists of a thousand are common,
// and a map a server costs more than all the rest of the request.
type serverView struct {
	r     *http.Request
	h     *handler
	base  string
	minor int
	list  bool // of many: some things are shown of one only

	extended   bool // the attributes for admins
	hostStatus bool
	specs      bool
	up         map[string]string // host → status, where that is shown
}

// newServerView finds out once what of servers the caller may see.
func (h *handler) newServerView(r *http.Request, servers []*compute.Server, list bool) (*serverView, error) {
	ctx, target := r.Context(), ownTarget(r)
	v := &serverView{r: r, h: h, base: httpx.BaseURL(r), minor: httpx.VersionOf(ctx).Minor, list: list}
	v.extended = httpx.Allowed(ctx, prefix+"os-extended-server-attributes", target)
	v.specs = v.minor >= 47 && httpx.Allowed(ctx, prefix+"servers:show:flavor-extra-specs", target)
	v.hostStatus = v.minor >= 16 && httpx.Allowed(ctx, prefix+"servers:show:host_status", target)
	if v.hostStatus && len(servers) > 0 {
		services, err := h.svc.Services(ctx, "", compute.BinaryCompute)
		if err != nil {
			return nil, err
		}
		v.up = make(map[string]string, len(services))
		for _, s := range services {
			v.up[s.Host] = hostStatus(h.svc, s)
		}
	}
	return v, nil
}

// hostStatus is the state of a host as servers show it.
func hostStatus(svc *compute.Service, s *compute.ComputeService) string {
	switch {
	case s.ForcedDown:
		return "DOWN"
	case s.Disabled:
		return "MAINTENANCE"
	case svc.IsUp(s):
		return "UP"
	}
	return "UNKNOWN"
}

// obj appends an object's fields.
type obj struct{ b []byte }

func (o *obj) key(k string) {
	if n := len(o.b); o.b[n-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, k...) // keys are ours: nothing in them needs escaping
	o.b = append(o.b, '"', ':')
}

func (o *obj) str(k, v string)       { o.key(k); o.b = appendText(o.b, v) }
func (o *obj) num(k string, v int)   { o.key(k); o.b = strconv.AppendInt(o.b, int64(v), 10) }
func (o *obj) flag(k string, v bool) { o.key(k); o.b = strconv.AppendBool(o.b, v) }

func (o *obj) null(k string) {
	o.key(k)
	o.b = append(o.b, "null"...)
}

// strOrNull shows an empty string as null.
func (o *obj) strOrNull(k, v string) {
	if v == "" {
		o.null(k)
		return
	}
	o.str(k, v)
}

func (o *obj) time(k string, t time.Time, layout string) {
	o.key(k)
	o.b = append(o.b, '"')
	o.b = t.UTC().AppendFormat(o.b, layout)
	o.b = append(o.b, '"')
}

func (o *obj) timeOrNull(k string, t *time.Time) {
	if t == nil {
		o.null(k)
		return
	}
	o.time(k, *t, "2006-01-02T15:04:05.000000")
}

func (o *obj) open(k string) {
	o.key(k)
	o.b = append(o.b, '{')
}

func (o *obj) close() { o.b = append(o.b, '}') }

func (o *obj) texts(k string, m map[string]string) {
	o.open(k)
	if len(m) == 1 { // mostly
		for key, v := range m {
			o.b = append(appendText(o.b, key), ':')
			o.b = appendText(o.b, v)
		}
	} else {
		for i, key := range sorted(m) {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = append(appendText(o.b, key), ':')
			o.b = appendText(o.b, m[key])
		}
	}
	o.close()
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			default:
				const hexDigits = "0123456789abcdef"
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// brief appends what a list without details shows.
func (v *serverView) brief(b []byte, s *compute.Server) []byte {
	o := &obj{append(b, '{')}
	o.str("id", s.ID)
	o.str("name", s.Name)
	v.links(o, "servers", s.ID, true)
	o.close()
	return o.b
}

func (v *serverView) links(o *obj, kind, id string, self bool) {
	o.key("links")
	o.b = append(o.b, '[')
	if self {
		o.b = append(o.b, `{"rel":"self","href":"`...)
		o.b = append(append(append(o.b, v.base...), "/v2.1/"...), kind...)
		o.b = append(append(append(o.b, '/'), id...), `"},`...)
	}
	o.b = append(o.b, `{"rel":"bookmark","href":"`...)
	o.b = append(append(append(o.b, v.base...), '/'), kind...)
	o.b = append(append(append(o.b, '/'), id...), `"}]`...)
}

// detail appends a server whole.
func (v *serverView) detail(b []byte, s *compute.Server) []byte {
	o := &obj{append(b, '{')}
	status := compute.Status(s.State, s.TaskState)
	o.str("id", s.ID)
	o.str("name", s.Name)
	o.str("status", status)
	o.str("tenant_id", s.ProjectID)
	o.str("user_id", s.UserID)
	o.texts("metadata", s.Metadata)
	o.str("hostId", hostID(s))
	v.image(o, s)
	v.flavor(o, s)
	o.time("created", s.CreatedAt, isoTime)
	o.time("updated", s.UpdatedAt, isoTime)
	v.addresses(o, s)
	o.str("accessIPv4", s.AccessIPv4)
	o.str("accessIPv6", s.AccessIPv6)
	v.links(o, "servers", s.ID, true)
	diskConfig := s.DiskConfig
	if diskConfig == "" {
		diskConfig = "AUTO"
	}
	o.str("OS-DCF:diskConfig", diskConfig)
	switch status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		o.num("progress", 0)
	case "ERROR", "DELETED":
		v.fault(o, s)
	}
	o.str("OS-EXT-AZ:availability_zone", s.AZ)
	if v.minor >= 96 {
		o.strOrNull("pinned_availability_zone", s.RequestedAZ)
	}
	configDrive := ""
	if s.ConfigDrive {
		configDrive = "True"
	}
	o.str("config_drive", configDrive)
	o.strOrNull("key_name", s.KeyName)
	o.timeOrNull("OS-SRV-USG:launched_at", s.LaunchedAt)
	o.timeOrNull("OS-SRV-USG:terminated_at", s.TerminatedAt)
	o.strOrNull("OS-EXT-STS:task_state", string(s.TaskState))
	o.str("OS-EXT-STS:vm_state", string(s.State))
	o.num("OS-EXT-STS:power_state", int(s.PowerState))
	v.volumes(o, s)
	v.securityGroups(o, s)
	v.attributes(o, s)
	v.newer(o, s)
	o.close()
	return o.b
}

// newer appends what later microversions added.
func (v *serverView) newer(o *obj, s *compute.Server) {
	if v.minor >= 9 {
		o.flag("locked", s.Locked)
	}
	if v.minor >= 73 {
		o.strOrNull("locked_reason", s.LockedReason)
	}
	if v.minor >= 19 {
		o.strOrNull("description", s.Description)
	}
	if v.minor >= 26 {
		o.key("tags")
		o.b = append(o.b, '[')
		for i, t := range s.Tags {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = appendText(o.b, t)
		}
		o.b = append(o.b, ']')
	}
	if v.minor >= 63 {
		o.null("trusted_image_certificates")
	}
	if v.minor >= 71 && !v.list {
		o.key("server_groups")
		o.b = append(o.b, '[')
		if s.GroupID != "" {
			o.b = appendText(o.b, s.GroupID)
		}
		o.b = append(o.b, ']')
	}
	if v.hostStatus && s.Host != "" {
		status := v.up[s.Host]
		if status == "" {
			status = "UNKNOWN"
		}
		o.str("host_status", status)
	}
}

// attributes appends what shows where and how a server runs.
func (v *serverView) attributes(o *obj, s *compute.Server) {
	const p = "OS-EXT-SRV-ATTR:"
	if v.minor >= 90 && !v.extended {
		o.str(p+"hostname", s.Hostname)
	}
	if !v.extended {
		return
	}
	o.strOrNull(p+"host", s.Host)
	o.str(p+"instance_name", s.InstanceName())
	o.strOrNull(p+"hypervisor_hostname", s.Node)
	if v.minor < 3 {
		return
	}
	o.str(p+"hostname", s.Hostname)
	o.str(p+"reservation_id", s.ReservationID)
	o.num(p+"launch_index", s.LaunchIndex)
	o.str(p+"kernel_id", "")
	o.str(p+"ramdisk_id", "")
	o.str(p+"root_device_name", s.RootDeviceName)
	o.strOrNull(p+"user_data", s.UserData)
}

// hostID lets a project see whether its servers share a host, and no more.
func hostID(s *compute.Server) string {
	if s.Host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(s.ProjectID + s.Host))
	return hex.EncodeToString(sum[:])
}

func (v *serverView) image(o *obj, s *compute.Server) {
	if s.ImageRef == "" {
		o.str("image", "")
		return
	}
	o.open("image")
	o.str("id", s.ImageRef)
	v.links(o, "images", s.ImageRef, false)
	o.close()
}

func (v *serverView) flavor(o *obj, s *compute.Server) {
	f := &s.Flavor
	o.open("flavor")
	if v.minor < 47 {
		o.str("id", f.ID)
		v.links(o, "flavors", f.ID, false)
		o.close()
		return
	}
	o.num("vcpus", f.VCPUs)
	o.num("ram", f.MemoryMB)
	o.num("disk", f.RootGB)
	o.num("ephemeral", f.EphemeralGB)
	o.num("swap", f.SwapMB)
	o.str("original_name", f.Name)
	if v.specs {
		o.texts("extra_specs", f.ExtraSpecs)
	}
	o.close()
}

func (v *serverView) fault(o *obj, s *compute.Server) {
	if s.Fault == nil {
		return
	}
	o.open("fault")
	o.num("code", s.Fault.Code)
	o.time("created", s.Fault.Created, isoTime)
	o.str("message", s.Fault.Message)
	if s.Fault.Details != "" && (s.Fault.Code != 500 || v.extended) {
		o.str("details", s.Fault.Details)
	}
	o.close()
}

// addresses appends the addresses by network; several ports of one network
// share an entry.
func (v *serverView) addresses(o *obj, s *compute.Server) {
	o.open("addresses")
	for i := range s.VIFs {
		name := s.VIFs[i].NetworkName
		if slices.ContainsFunc(s.VIFs[:i], func(v compute.VIF) bool { return v.NetworkName == name }) {
			continue
		}
		if o.b[len(o.b)-1] != '{' {
			o.b = append(o.b, ',')
		}
		o.b = append(appendText(o.b, name), ':')
		o.b = appendAddresses(o.b, s.VIFs[i:], name)
	}
	o.close()
}

// appendAddresses appends the addresses on the network of that name.
func appendAddresses(b []byte, vifs []compute.VIF, name string) []byte {
	o := &obj{append(b, '[')}
	one := func(addr, kind, mac string) {
		if o.b[len(o.b)-1] != '[' {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		version := 4
		if a, err := netip.ParseAddr(addr); err == nil && a.Is6() {
			version = 6
		}
		o.num("version", version)
		o.str("addr", addr)
		o.str("OS-EXT-IPS:type", kind)
		o.str("OS-EXT-IPS-MAC:mac_addr", mac)
		o.close()
	}
	for i := range vifs {
		if vifs[i].NetworkName != name {
			continue
		}
		for _, ip := range vifs[i].FixedIPs {
			one(ip.IP, "fixed", vifs[i].MAC)
			for _, floating := range ip.Floating {
				one(floating, "floating", vifs[i].MAC)
			}
		}
	}
	return append(o.b, ']')
}

func (v *serverView) volumes(o *obj, s *compute.Server) {
	o.key("os-extended-volumes:volumes_attached")
	o.b = append(o.b, '[')
	first := true
	for i := range s.BlockDevices {
		d := &s.BlockDevices[i]
		if d.VolumeID == "" {
			continue
		}
		if !first {
			o.b = append(o.b, ',')
		}
		first = false
		o.b = append(o.b, '{')
		o.str("id", d.VolumeID)
		if v.minor >= 3 {
			o.flag("delete_on_termination", d.DeleteOnTermination)
		}
		o.close()
	}
	o.b = append(o.b, ']')
}

// securityGroups appends the names; a server without groups has no such key.
func (v *serverView) securityGroups(o *obj, s *compute.Server) {
	if len(s.SecurityGroups) == 0 {
		return
	}
	o.key("security_groups")
	o.b = append(o.b, '[')
	for i, g := range s.SecurityGroups {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		o.str("name", g.Name)
		o.close()
	}
	o.b = append(o.b, ']')
}

// writeJSON answers with a document that is written already.
func writeJSON(w http.ResponseWriter, b []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	w.Write(b) //nolint:errcheck // the client is gone; nobody is left to tell
	return nil
}
