-- +goose Up
-- The numbers that are counted come before the long texts, so that counting
-- reads little of a row.
CREATE TABLE servers (
    id VARCHAR(36) PRIMARY KEY,
    num BIGINT NOT NULL UNIQUE,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    hostname VARCHAR(255) NOT NULL,
    vm_state VARCHAR(32) NOT NULL,
    task_state VARCHAR(32) NOT NULL,
    power_state INTEGER NOT NULL,
    revision BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    deleted BOOLEAN NOT NULL,
    host VARCHAR(255) NOT NULL,
    node VARCHAR(255) NOT NULL,
    vcpus INTEGER NOT NULL,
    memory_mb INTEGER NOT NULL,
    disk_gb INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    launched_at TIMESTAMP,
    terminated_at TIMESTAMP,
    deleted_at TIMESTAMP,
    request_id VARCHAR(64) NOT NULL,
    reservation_id VARCHAR(64) NOT NULL,
    launch_index INTEGER NOT NULL,
    az VARCHAR(255) NOT NULL,
    requested_az VARCHAR(255) NOT NULL,
    requested_host VARCHAR(255) NOT NULL,
    requested_node VARCHAR(255) NOT NULL,
    hints TEXT NOT NULL,
    group_id VARCHAR(36) NOT NULL,
    flavor_id VARCHAR(255) NOT NULL,
    flavor TEXT NOT NULL,
    image_ref VARCHAR(36) NOT NULL,
    image_properties TEXT NOT NULL,
    key_name VARCHAR(255) NOT NULL,
    key_public TEXT NOT NULL,
    key_type VARCHAR(16) NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    user_data TEXT NOT NULL,
    config_drive BOOLEAN NOT NULL,
    access_ip_v4 VARCHAR(39) NOT NULL,
    access_ip_v6 VARCHAR(39) NOT NULL,
    disk_config VARCHAR(16) NOT NULL,
    networks TEXT NOT NULL,
    vifs TEXT NOT NULL,
    ips TEXT NOT NULL,
    security_groups TEXT NOT NULL,
    root_device_name VARCHAR(64) NOT NULL,
    fault TEXT NOT NULL,
    locked BOOLEAN NOT NULL,
    locked_by VARCHAR(16) NOT NULL,
    locked_reason VARCHAR(255) NOT NULL
);
CREATE INDEX servers_by_project ON servers (project_id, created_at, id) WHERE NOT deleted;
CREATE INDEX servers_by_age ON servers (created_at, id) WHERE NOT deleted;
CREATE INDEX servers_by_host ON servers (host, project_id, node, vcpus, memory_mb, disk_gb, task_state) WHERE NOT deleted;
CREATE INDEX servers_usage ON servers (project_id, vcpus, memory_mb) WHERE NOT deleted;
CREATE INDEX servers_by_change ON servers (updated_at);
CREATE INDEX servers_by_reservation ON servers (reservation_id);
CREATE INDEX servers_by_group ON servers (group_id) WHERE group_id <> '';
CREATE INDEX servers_busy ON servers (updated_at) WHERE NOT deleted AND task_state <> '';

CREATE TABLE block_devices (
    id VARCHAR(36) PRIMARY KEY,
    server_id VARCHAR(36) NOT NULL,
    source_type VARCHAR(16) NOT NULL,
    destination_type VARCHAR(16) NOT NULL,
    boot_index INTEGER NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    snapshot_id VARCHAR(36) NOT NULL,
    volume_id VARCHAR(36) NOT NULL,
    volume_size INTEGER NOT NULL,
    volume_type VARCHAR(255) NOT NULL,
    device_name VARCHAR(64) NOT NULL,
    disk_bus VARCHAR(16) NOT NULL,
    tag VARCHAR(255) NOT NULL,
    delete_on_termination BOOLEAN NOT NULL,
    attachment_id VARCHAR(36) NOT NULL,
    connection TEXT NOT NULL,
    attached BOOLEAN NOT NULL,
    detaching BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (server_id, device_name)
);
CREATE INDEX block_devices_by_volume ON block_devices (volume_id);

CREATE TABLE actions (
    id BIGINT PRIMARY KEY,
    server_id VARCHAR(36) NOT NULL,
    action VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    message TEXT NOT NULL,
    start_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX actions_by_server ON actions (server_id, request_id);
CREATE TABLE action_events (
    action_id BIGINT NOT NULL REFERENCES actions (id) ON DELETE CASCADE,
    event VARCHAR(64) NOT NULL,
    host VARCHAR(255) NOT NULL,
    start_at TIMESTAMP NOT NULL,
    finish_at TIMESTAMP,
    result VARCHAR(16) NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (action_id, event, host)
);

CREATE TABLE decisions (
    id BIGINT PRIMARY KEY,
    server_id VARCHAR(36) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    attempt INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    host VARCHAR(255) NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX decisions_by_server ON decisions (server_id, id);

CREATE TABLE flavors (
    id VARCHAR(255) PRIMARY KEY,
    name VARCHAR(255) NOT NULL UNIQUE,
    description TEXT NOT NULL,
    vcpus INTEGER NOT NULL,
    memory_mb INTEGER NOT NULL,
    root_gb INTEGER NOT NULL,
    ephemeral_gb INTEGER NOT NULL,
    swap_mb INTEGER NOT NULL,
    rxtx_factor DOUBLE PRECISION NOT NULL,
    is_public BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL,
    extra_specs TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE TABLE flavor_access (
    flavor_id VARCHAR(255) NOT NULL REFERENCES flavors (id) ON DELETE CASCADE,
    project_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE key_pairs (
    id BIGINT PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    type VARCHAR(16) NOT NULL,
    public_key TEXT NOT NULL,
    fingerprint VARCHAR(255) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE aggregates (
    id BIGINT PRIMARY KEY,
    uuid VARCHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL UNIQUE,
    metadata TEXT NOT NULL,
    hosts TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE services (
    id VARCHAR(36) PRIMARY KEY,
    num BIGINT NOT NULL UNIQUE,
    host VARCHAR(255) NOT NULL,
    binary_name VARCHAR(64) NOT NULL,
    topic VARCHAR(64) NOT NULL,
    report_count BIGINT NOT NULL,
    last_seen TIMESTAMP,
    disabled BOOLEAN NOT NULL,
    disabled_reason VARCHAR(255) NOT NULL,
    forced_down BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP,
    UNIQUE (host, binary_name)
);

CREATE TABLE nodes (
    id VARCHAR(36) PRIMARY KEY,
    num BIGINT NOT NULL UNIQUE,
    host VARCHAR(255) NOT NULL,
    hostname VARCHAR(255) NOT NULL,
    hypervisor_type VARCHAR(64) NOT NULL,
    version INTEGER NOT NULL,
    host_ip VARCHAR(39) NOT NULL,
    cpu_info TEXT NOT NULL,
    vcpus INTEGER NOT NULL,
    memory_mb INTEGER NOT NULL,
    local_gb INTEGER NOT NULL,
    free_disk_gb INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX nodes_by_host ON nodes (host);

CREATE TABLE server_groups (
    id VARCHAR(36) PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    policy VARCHAR(32) NOT NULL,
    rules TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX server_groups_by_project ON server_groups (project_id);

CREATE TABLE quota_limits (
    project_id VARCHAR(64) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);

-- sequences count what people see as small numbers.
CREATE TABLE sequences (
    name VARCHAR(64) PRIMARY KEY,
    value BIGINT NOT NULL
);
