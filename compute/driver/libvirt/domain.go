package libvirt

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"libvirt.org/go/libvirtxml"

	"nubo/compute/driver"
	"nubo/internal/fault"
)

// metadataNS marks nubo's element in a domain's metadata.
const metadataNS = "urn:nubo:instance:1"

// host is what a domain's XML depends on besides the server.
type host struct {
	virtType, cpuMode string
	secModels         []string
	home              string // the instances directory
}

// The files in a server's directory.
const (
	rootFile      = "disk"
	ephemeralFile = "disk.eph0"
	swapFile      = "disk.swap"
	configFile    = "disk.config"
	consoleFile   = "console.log"
	serialFile    = "serial.sock"
)

// vncListen is where guests' screens are served: to this host alone. The
// agent serves them to the console proxy.
const vncListen = "127.0.0.1"

// Volumes are served over NBD by a daemon that is started again when it
// dies; the guest's requests wait for it this many seconds. Older libvirt
// (9.0 for one) drops the element: there the guest gets I/O errors until the
// daemon is back.
const nbdReconnectSeconds = "60"

// domainXML renders a server.
func domainXML(s driver.Server, h host) (string, error) {
	disks, err := domainDisks(s, filepath.Join(h.home, s.ID))
	if err != nil {
		return "", err
	}
	serialPort := uint(0)
	dom := libvirtxml.Domain{
		Type: h.virtType, Name: s.InstanceName, UUID: s.ID,
		Metadata: &libvirtxml.DomainMetadata{XML: metadataXML(s, h.home)},
		Memory:   &libvirtxml.DomainMemory{Unit: "MiB", Value: uint(s.MemoryMB)},
		VCPU:     &libvirtxml.DomainVCPU{Value: uint(s.VCPUs)},
		OS: &libvirtxml.DomainOS{
			// The pc machine takes hot-plugged devices directly; q35 would
			// need a spare root port for each.
			Type:   &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "pc", Type: "hvm"},
			SMBios: &libvirtxml.DomainSMBios{Mode: "sysinfo"},
		},
		SysInfo: []libvirtxml.DomainSysInfo{{SMBIOS: smbios(s)}},
		Features: &libvirtxml.DomainFeatureList{
			ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{},
		},
		CPU: &libvirtxml.DomainCPU{Mode: h.cpuMode},
		Clock: &libvirtxml.DomainClock{Offset: "utc", Timer: []libvirtxml.DomainTimer{
			{Name: "pit", TickPolicy: "delay"}, {Name: "rtc", TickPolicy: "catchup"}, {Name: "hpet", Present: "no"}}},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Disks:       disks,
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
			Serials: []libvirtxml.DomainSerial{{
				Source: serialSource(filepath.Join(h.home, s.ID)),
				Target: &libvirtxml.DomainSerialTarget{Port: &serialPort},
				Log:    &libvirtxml.DomainChardevLog{File: filepath.Join(h.home, s.ID, consoleFile), Append: "on"}}},
			Channels: []libvirtxml.DomainChannel{{
				Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{}},
				Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "org.qemu.guest_agent.0"}}}},
			Graphics: []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{
				Port: -1, AutoPort: "yes", Listen: vncListen}}},
			Videos:     []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "vga"}}},
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "virtio"},
			RNGs: []libvirtxml.DomainRNG{{Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{
				Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}}}},
		},
	}
	if h.virtType == "qemu" {
		// The default cache of translated code grows to several times the
		// memory of a small guest.
		dom.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: 32}}
	}
	if slices.Contains(h.secModels, "apparmor") {
		// libvirt's AppArmor profiles give a guest its files, but not the
		// sockets its volumes are served on.
		dom.SecLabel = []libvirtxml.DomainSecLabel{{Type: "none", Model: "apparmor"}}
	}
	for _, i := range s.Interfaces {
		dom.Devices.Interfaces = append(dom.Devices.Interfaces, interfaceDevice(i))
	}
	return dom.Marshal()
}

// smbios is what cloud-init knows an OpenStack cloud by.
func smbios(s driver.Server) *libvirtxml.DomainSysInfoSMBIOS {
	return &libvirtxml.DomainSysInfoSMBIOS{System: &libvirtxml.DomainSysInfoSystem{Entry: []libvirtxml.DomainSysInfoEntry{
		{Name: "manufacturer", Value: "nubo"},
		{Name: "product", Value: "OpenStack Nova"},
		{Name: "serial", Value: s.ID},
		{Name: "uuid", Value: s.ID},
		{Name: "family", Value: "Virtual Machine"},
	}}}
}

// metadataXML says whose domain it is, for people and for List.
func metadataXML(s driver.Server, home string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<nubo:instance xmlns:nubo="%s">`, metadataNS)
	for _, e := range [][2]string{{"home", home}, {"name", s.Name}, {"flavor", s.FlavorName},
		{"project", s.ProjectID}, {"user", s.UserID}} {
		fmt.Fprintf(&b, "<nubo:%s>", e[0])
		_ = xml.EscapeText(&b, []byte(e[1])) // a Buffer takes everything
		fmt.Fprintf(&b, "</nubo:%s>", e[0])
	}
	b.WriteString("</nubo:instance>")
	return b.String()
}

// metadataHome reads the instances directory out of nubo's metadata.
func metadataHome(text string) string {
	var m struct {
		Home string `xml:"home"`
	}
	if xml.Unmarshal([]byte(text), &m) != nil {
		return ""
	}
	return m.Home
}

// domainDisks gives the disks in the order in which the guest finds them.
func domainDisks(s driver.Server, dir string) ([]libvirtxml.DomainDisk, error) {
	taken := map[string]bool{}
	for _, d := range s.Disks {
		taken[d.Device] = true
	}
	next := func() string { // the first free device name
		for c := 'a'; ; c++ {
			if dev := "vd" + string(c); !taken[dev] {
				taken[dev] = true
				return dev
			}
		}
	}
	var disks []libvirtxml.DomainDisk
	if s.Image != nil {
		if taken["vda"] {
			return nil, fault.Invalidf("Server %s has two system disks.", s.ID)
		}
		root := fileDisk(filepath.Join(dir, rootFile), "qcow2", next())
		root.Boot = &libvirtxml.DomainDeviceBoot{Order: 1}
		disks = append(disks, root)
	}
	for _, d := range s.Disks {
		disk, err := volumeDisk(d)
		if err != nil {
			return nil, err
		}
		if d.BootIndex >= 0 {
			disk.Boot = &libvirtxml.DomainDeviceBoot{Order: uint(d.BootIndex) + 1}
		}
		disks = append(disks, disk)
	}
	slices.SortStableFunc(disks, func(a, b libvirtxml.DomainDisk) int {
		return bytes.Compare([]byte(a.Target.Dev), []byte(b.Target.Dev))
	})
	if s.EphemeralGB > 0 {
		disks = append(disks, fileDisk(filepath.Join(dir, ephemeralFile), "raw", next()))
	}
	if s.SwapMB > 0 {
		disks = append(disks, fileDisk(filepath.Join(dir, swapFile), "raw", next()))
	}
	if s.ConfigDrive != nil {
		// Under a name far from those that volumes get.
		drive := fileDisk(filepath.Join(dir, configFile), "raw", "vdz")
		drive.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
		disks = append(disks, drive)
	}
	return disks, nil
}

func fileDisk(path, format, dev string) libvirtxml.DomainDisk {
	return libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: format, Cache: "writeback", Discard: "unmap"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}},
		Target: &libvirtxml.DomainDiskTarget{Dev: dev, Bus: "virtio"},
	}
}

// volumeDisk renders an attached volume.
func volumeDisk(d driver.Disk) (libvirtxml.DomainDisk, error) {
	if d.Type != "nbd" {
		return libvirtxml.DomainDisk{}, fault.New(fault.NotImplemented, "Volume connection type %q is not supported by libvirt hosts.", d.Type)
	}
	at := libvirtxml.DomainDiskSourceHost{Transport: "tcp", Name: d.Data.Host, Port: strconv.Itoa(d.Data.Port)}
	if d.Data.Socket != "" {
		at = libvirtxml.DomainDiskSourceHost{Transport: "unix", Socket: d.Data.Socket}
	}
	format := d.Data.Format
	if format == "" {
		format = "raw"
	}
	disk := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: format, Cache: "writeback", Discard: "unmap"},
		Source: &libvirtxml.DomainDiskSource{Network: &libvirtxml.DomainDiskSourceNetwork{
			Protocol: "nbd", Name: d.Data.Export, Hosts: []libvirtxml.DomainDiskSourceHost{at},
			Reconnect: &libvirtxml.DomainDiskSourceNetworkReconnect{Delay: nbdReconnectSeconds}}},
		Target: &libvirtxml.DomainDiskTarget{Dev: d.Device, Bus: "virtio"},
		Serial: d.Serial,
	}
	if d.ReadOnly {
		disk.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
	}
	return disk, nil
}

// interfaceDevice renders a port whose tap the network agent made.
func interfaceDevice(i driver.Interface) libvirtxml.DomainInterface {
	nic := libvirtxml.DomainInterface{
		MAC:    &libvirtxml.DomainInterfaceMAC{Address: i.MAC},
		Source: &libvirtxml.DomainInterfaceSource{Ethernet: &libvirtxml.DomainInterfaceSourceEthernet{}},
		Target: &libvirtxml.DomainInterfaceTarget{Dev: i.Device, Managed: "no"},
		Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
	}
	if i.MTU > 0 {
		nic.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(i.MTU)}
	}
	return nic
}
