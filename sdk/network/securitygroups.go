package network

import (
	"context"
	"net/url"
)

// SecurityGroup is a set of rules that admit traffic to and from ports.
type SecurityGroup struct {
	ID             string              `json:"id"`
	Name           string              `json:"name"`
	Description    string              `json:"description"`
	ProjectID      string              `json:"project_id"`
	Stateful       bool                `json:"stateful"`
	Rules          []SecurityGroupRule `json:"security_group_rules"`
	RevisionNumber int                 `json:"revision_number"`
}

// SecurityGroupRule admits traffic; nil is any.
type SecurityGroupRule struct {
	ID              string  `json:"id"`
	SecurityGroupID string  `json:"security_group_id"`
	ProjectID       string  `json:"project_id"`
	Direction       string  `json:"direction"`
	EtherType       string  `json:"ethertype"`
	Protocol        *string `json:"protocol"`
	PortRangeMin    *int    `json:"port_range_min"`
	PortRangeMax    *int    `json:"port_range_max"`
	RemoteIPPrefix  *string `json:"remote_ip_prefix"`
	RemoteGroupID   *string `json:"remote_group_id"`
	Description     string  `json:"description"`
}

// ShowSecurityGroup gives a group with its rules.
func (c Client) ShowSecurityGroup(ctx context.Context, id string) (*SecurityGroup, error) {
	return get[SecurityGroup](ctx, c, "security_group", "/v2.0/security-groups/"+url.PathEscape(id))
}

// ListSecurityGroups lists groups; {"name": {…}, "project_id": {…}} finds
// those a server asks for by name.
func (c Client) ListSecurityGroups(ctx context.Context, query url.Values) ([]SecurityGroup, error) {
	path := "/v2.0/security-groups"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var out struct {
		Groups []SecurityGroup `json:"security_groups"`
	}
	err := c.Get(ctx, path, &out)
	return out.Groups, err
}
