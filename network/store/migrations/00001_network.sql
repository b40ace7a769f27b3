-- +goose Up
CREATE TABLE networks (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name VARCHAR(255) NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status VARCHAR(16) NOT NULL,
    shared BOOLEAN NOT NULL,
    external BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    port_security_enabled BOOLEAN NOT NULL,
    mtu INTEGER NOT NULL,
    network_type VARCHAR(32) NOT NULL,
    physical_network VARCHAR(64) NOT NULL,
    segmentation_id INTEGER NOT NULL
);
CREATE INDEX networks_project ON networks (project_id);
CREATE UNIQUE INDEX networks_segment ON networks (segmentation_id) WHERE network_type = 'vxlan';
CREATE UNIQUE INDEX networks_flat ON networks (physical_network) WHERE network_type = 'flat';

CREATE TABLE subnets (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name VARCHAR(255) NOT NULL,
    network_id VARCHAR(36) NOT NULL REFERENCES networks (id),
    version INTEGER NOT NULL,
    cidr VARCHAR(64) NOT NULL,
    gateway_ip VARCHAR(64) NOT NULL,
    enable_dhcp BOOLEAN NOT NULL,
    allocation_pools TEXT NOT NULL,
    dns_nameservers TEXT NOT NULL,
    host_routes TEXT NOT NULL,
    address_mode VARCHAR(16) NOT NULL,
    ra_mode VARCHAR(16) NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id);

CREATE TABLE ports (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name VARCHAR(255) NOT NULL,
    network_id VARCHAR(36) NOT NULL REFERENCES networks (id),
    mac_address VARCHAR(32) NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status VARCHAR(16) NOT NULL,
    device_id VARCHAR(255) NOT NULL,
    device_owner VARCHAR(255) NOT NULL,
    host_id VARCHAR(255) NOT NULL,
    vnic_type VARCHAR(64) NOT NULL,
    vif_type VARCHAR(64) NOT NULL,
    profile TEXT NOT NULL,
    port_security_enabled BOOLEAN NOT NULL,
    allowed_address_pairs TEXT NOT NULL,
    dns_name VARCHAR(255) NOT NULL
);
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac_address);
CREATE INDEX ports_owner ON ports (network_id, device_owner);
CREATE INDEX ports_project ON ports (project_id);
CREATE INDEX ports_device ON ports (device_id);
CREATE INDEX ports_host ON ports (host_id, network_id);

CREATE TABLE ip_allocations (
    subnet_id VARCHAR(36) NOT NULL REFERENCES subnets (id),
    ip_address VARCHAR(64) NOT NULL,
    port_id VARCHAR(36) NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (subnet_id, ip_address)
);
CREATE INDEX ip_allocations_port ON ip_allocations (port_id);
CREATE INDEX ip_allocations_address ON ip_allocations (ip_address);

CREATE TABLE routers (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name VARCHAR(255) NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status VARCHAR(16) NOT NULL,
    host VARCHAR(255) NOT NULL,
    gateway_port_id VARCHAR(36) NOT NULL,
    external_network_id VARCHAR(36) NOT NULL,
    enable_snat BOOLEAN NOT NULL,
    routes TEXT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id);
CREATE INDEX routers_host ON routers (host);

CREATE TABLE floating_ips (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    floating_network_id VARCHAR(36) NOT NULL REFERENCES networks (id),
    floating_ip_address VARCHAR(64) NOT NULL,
    floating_port_id VARCHAR(36) NOT NULL,
    port_id VARCHAR(36) NOT NULL,
    fixed_ip_address VARCHAR(64) NOT NULL,
    router_id VARCHAR(36) NOT NULL,
    status VARCHAR(16) NOT NULL
);
CREATE INDEX floating_ips_project ON floating_ips (project_id);
CREATE INDEX floating_ips_port ON floating_ips (port_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE UNIQUE INDEX floating_ips_fixed ON floating_ips (floating_network_id, port_id, fixed_ip_address) WHERE port_id <> '';

CREATE TABLE security_groups (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name VARCHAR(255) NOT NULL,
    is_default BOOLEAN NOT NULL,
    stateful BOOLEAN NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default;

CREATE TABLE security_group_rules (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    security_group_id VARCHAR(36) NOT NULL REFERENCES security_groups (id) ON DELETE CASCADE,
    remote_group_id VARCHAR(36) NOT NULL,
    remote_ip_prefix VARCHAR(64) NOT NULL,
    direction VARCHAR(8) NOT NULL,
    ether_type VARCHAR(8) NOT NULL,
    protocol VARCHAR(32) NOT NULL,
    port_range_min INTEGER NOT NULL,
    port_range_max INTEGER NOT NULL,
    has_min BOOLEAN NOT NULL,
    has_max BOOLEAN NOT NULL
);
CREATE INDEX security_group_rules_group ON security_group_rules (security_group_id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id);

CREATE TABLE port_groups (
    port_id VARCHAR(36) NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    group_id VARCHAR(36) NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX port_groups_group ON port_groups (group_id);

CREATE TABLE agents (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    revision_number INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    binary_name VARCHAR(255) NOT NULL,
    agent_type VARCHAR(255) NOT NULL,
    topic VARCHAR(255) NOT NULL,
    host VARCHAR(255) NOT NULL,
    zone VARCHAR(255) NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    tunnel_ip VARCHAR(64) NOT NULL,
    configurations TEXT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    heartbeat_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX agents_host ON agents (host, binary_name);

CREATE TABLE network_dhcp (
    network_id VARCHAR(36) NOT NULL PRIMARY KEY REFERENCES networks (id) ON DELETE CASCADE,
    host VARCHAR(255) NOT NULL
);

CREATE TABLE tags (
    resource_id VARCHAR(36) NOT NULL,
    tag VARCHAR(255) NOT NULL,
    PRIMARY KEY (resource_id, tag)
);

CREATE TABLE external_events (
    id BIGINT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE quota_limits (
    project_id VARCHAR(64) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
