package network

import (
	"context"
	"net/url"
)

// FloatingIP is an address of an external network that stands for a port's
// fixed address. PortID and FixedIPAddress are empty while it stands for none.
type FloatingIP struct {
	ID                string `json:"id"`
	ProjectID         string `json:"project_id"`
	FloatingNetworkID string `json:"floating_network_id"`
	FloatingIPAddress string `json:"floating_ip_address"`
	FixedIPAddress    string `json:"fixed_ip_address"`
	PortID            string `json:"port_id"`
	RouterID          string `json:"router_id"`
	Status            string `json:"status"`
	Description       string `json:"description"`
	RevisionNumber    int    `json:"revision_number"`
}

// FloatingIPCreate is what a new floating IP can be asked to be.
type FloatingIPCreate struct {
	FloatingNetworkID string `json:"floating_network_id"`
	FloatingIPAddress string `json:"floating_ip_address,omitempty"`
	SubnetID          string `json:"subnet_id,omitempty"`
	PortID            string `json:"port_id,omitempty"`
	FixedIPAddress    string `json:"fixed_ip_address,omitempty"`
	Description       string `json:"description,omitempty"`
}

// FloatingIPUpdate associates a floating IP with a port, or with none where
// PortID is nil.
type FloatingIPUpdate struct {
	PortID         *string `json:"port_id"`
	FixedIPAddress *string `json:"fixed_ip_address,omitempty"`
}

// ListFloatingIPs lists floating IPs.
func (c Client) ListFloatingIPs(ctx context.Context, query url.Values) ([]FloatingIP, error) {
	return list[FloatingIP](ctx, c, "floatingips", query)
}

// CreateFloatingIP allocates a floating IP.
func (c Client) CreateFloatingIP(ctx context.Context, in FloatingIPCreate) (*FloatingIP, error) {
	return create[FloatingIP](ctx, c, "floatingip", "floatingips", in)
}

// UpdateFloatingIP associates a floating IP.
func (c Client) UpdateFloatingIP(ctx context.Context, id string, in FloatingIPUpdate) (*FloatingIP, error) {
	return update[FloatingIP](ctx, c, "floatingip", floatingIPPath(id), in)
}

// DeleteFloatingIP gives a floating IP back.
func (c Client) DeleteFloatingIP(ctx context.Context, id string) error {
	return c.Delete(ctx, floatingIPPath(id))
}

func floatingIPPath(id string) string { return "/v2.0/floatingips/" + url.PathEscape(id) }
