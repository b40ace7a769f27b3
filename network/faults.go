package network

import (
	"fmt"

	"nubo/internal/fault"
)

// The faults, in Neutron's classes and words.

func notFound(class, format string, args ...any) *fault.Error {
	return fault.NotFoundf(format, args...).WithType(class)
}

func conflict(class, format string, args ...any) *fault.Error {
	return fault.Conflictf(format, args...).WithType(class)
}

func invalid(class, format string, args ...any) *fault.Error {
	return fault.Invalidf(format, args...).WithType(class)
}

// invalidInput is Neutron's general refusal of a value.
func invalidInput(format string, args ...any) *fault.Error {
	return invalid("InvalidInput", "Invalid input for operation: %s.", fmt.Sprintf(format, args...))
}

// badRequest is Neutron's refusal of an operation on a kind of resource.
func badRequest(resource, format string, args ...any) *fault.Error {
	return invalid("BadRequest", "Bad %s request: %s.", resource, fmt.Sprintf(format, args...))
}

// NetworkNotFound is the answer where there is no such network for the caller.
func NetworkNotFound(id string) error {
	return notFound("NetworkNotFound", "Network %s could not be found.", id)
}

// SubnetNotFound is the answer where there is no such subnet.
func SubnetNotFound(id string) error {
	return notFound("SubnetNotFound", "Subnet %s could not be found.", id)
}

// PortNotFound is the answer where there is no such port.
func PortNotFound(id string) error {
	return notFound("PortNotFound", "Port %s could not be found.", id)
}

// RouterNotFound is the answer where there is no such router.
func RouterNotFound(id string) error {
	return notFound("RouterNotFound", "Router %s could not be found", id)
}

// FloatingIPNotFound is the answer where there is no such floating IP.
func FloatingIPNotFound(id string) error {
	return notFound("FloatingIPNotFound", "Floating IP %s could not be found", id)
}

// SecurityGroupNotFound is the answer where there is no such group.
func SecurityGroupNotFound(id string) error {
	return notFound("SecurityGroupNotFound", "Security group %s does not exist", id)
}

// SecurityGroupRuleNotFound is the answer where there is no such rule.
func SecurityGroupRuleNotFound(id string) error {
	return notFound("SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
}

// AgentNotFound is the answer where there is no such agent.
func AgentNotFound(id string) error {
	return notFound("AgentNotFound", "Agent %s could not be found.", id)
}

func networkInUse(id string) error {
	return conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network.", id)
}

func subnetInUse(id string) error {
	return conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
}

func portInUse(p *Port) error {
	return conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, p.DeviceID)
}

func servicePortInUse(p *Port) error {
	return conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
}

func addressTaken(ip, subnetID string) error {
	return conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", ip, subnetID)
}

func addressesExhausted(networkID string) error {
	return conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", networkID)
}
