// Package linux carries virtual networks with what every Linux kernel has:
// bridges, VXLAN, network namespaces and nftables. It stands for Neutron's
// Linux bridge agent, L3 agent, DHCP agent and metadata agent on one host.
//
// What it makes, under Neutron's names (ID11 is the first eleven characters
// of an id):
//
//	brqID11 (network)     the network's bridge. It never has an address: the
//	                      host takes part in no tenant's network
//	vxlan-VNI             the overlay, with a forwarding database that is
//	                      written, not learned
//	tapID11 (port)        a server's port, or the host's end of a port of a
//	                      router (qr-ID11, qg-ID11) or of DHCP (ns-ID11)
//	gw-ID11 / gp-ID11     the host's own leg on a flat network that has no
//	                      physical interface
//	qrouter-ID            a router's namespace: NAT and metadata
//	qdhcp-ID (network)    DHCP and, without a router, metadata
//
// How packets are filtered. The kernel's bridge has no connection tracking
// of its own everywhere, so the bridge family only classifies: it drops what
// is spoofed and marks the packet with the number of the port it comes from
// (prerouting) or goes to (forward). br_netfilter then shows the packet to
// the inet family, where the port's rules decide with connection tracking,
// in a zone of the network's own so that overlapping tenants never meet.
// Marks and zones live in the nft tables alone: the tables are the record,
// read back at Setup.
//
// DHCP and metadata are served by this process from sockets opened inside
// the namespaces; everything else stays when the process ends.
//
// Files: driver.go (life cycle), networks.go, ports.go, routers.go, dhcp.go
// and dhcpanswer.go, metadata.go; rules.go and nat.go render nft text,
// guard.go and nft.go load it; space.go and links.go are the netlink side.
package linux
