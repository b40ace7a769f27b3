-- +goose Up
CREATE TABLE volume_types (
    id VARCHAR(36) PRIMARY KEY,
    name VARCHAR(255) NOT NULL UNIQUE,
    description TEXT NOT NULL,
    public BOOLEAN NOT NULL,
    extra_specs TEXT,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE volumes (
    id VARCHAR(36) PRIMARY KEY,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    size_gb INTEGER NOT NULL,
    extend_to INTEGER NOT NULL,
    status VARCHAR(32) NOT NULL,
    type_id VARCHAR(36) NOT NULL REFERENCES volume_types (id),
    type_name VARCHAR(255) NOT NULL,
    az VARCHAR(255) NOT NULL,
    host VARCHAR(255) NOT NULL,
    bootable BOOLEAN NOT NULL,
    read_only BOOLEAN NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    source_id VARCHAR(36) NOT NULL,
    metadata TEXT,
    image_metadata TEXT,
    problem TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX volumes_project ON volumes (project_id, created_at);
CREATE INDEX volumes_host ON volumes (host);
CREATE INDEX volumes_type ON volumes (type_id);

CREATE TABLE attachments (
    id VARCHAR(36) PRIMARY KEY,
    volume_id VARCHAR(36) NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    project_id VARCHAR(64) NOT NULL,
    server_id VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    mode VARCHAR(8) NOT NULL,
    device VARCHAR(64) NOT NULL,
    connector TEXT,
    connection TEXT,
    created_at TIMESTAMP NOT NULL,
    attached_at TIMESTAMP NOT NULL
);
CREATE INDEX attachments_volume ON attachments (volume_id);
CREATE INDEX attachments_server ON attachments (server_id);

CREATE TABLE services (
    "binary" VARCHAR(64) NOT NULL,
    host VARCHAR(255) NOT NULL,
    az VARCHAR(255) NOT NULL,
    disabled BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    total_gb INTEGER NOT NULL,
    free_gb INTEGER NOT NULL,
    PRIMARY KEY ("binary", host)
);

CREATE TABLE quota_limits (
    project_id VARCHAR(64) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
