-- +goose Up
CREATE TABLE epoch (id INTEGER PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO epoch (id, value) VALUES (1, 1);

CREATE TABLE projects (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    parent_id VARCHAR(64) NOT NULL,
    is_domain BOOLEAN NOT NULL,
    enabled BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    tags TEXT,
    options TEXT,
    extra TEXT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE users (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    enabled BOOLEAN NOT NULL,
    default_project_id VARCHAR(64) NOT NULL,
    description TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash VARCHAR(128) NOT NULL,
    password_set_at TIMESTAMP NOT NULL,
    token_epoch BIGINT NOT NULL,
    options TEXT,
    extra TEXT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE user_groups (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    description TEXT NOT NULL,
    extra TEXT,
    UNIQUE (domain_id, name)
);

CREATE TABLE memberships (
    group_id VARCHAR(64) NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE roles (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    description TEXT NOT NULL,
    options TEXT,
    UNIQUE (domain_id, name)
);

CREATE TABLE implications (
    prior_id VARCHAR(64) NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    implied_id VARCHAR(64) NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id)
);

CREATE TABLE assignments (
    actor_type VARCHAR(8) NOT NULL,
    actor_id VARCHAR(64) NOT NULL,
    target_type VARCHAR(8) NOT NULL,
    target_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    inherited BOOLEAN NOT NULL,
    PRIMARY KEY (actor_id, target_id, role_id, inherited, actor_type, target_type)
);
CREATE INDEX assignments_target ON assignments (target_id);

CREATE TABLE regions (
    id VARCHAR(255) PRIMARY KEY,
    parent_region_id VARCHAR(255) NOT NULL,
    description TEXT NOT NULL
);

CREATE TABLE services (
    id VARCHAR(64) PRIMARY KEY,
    type VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL
);

CREATE TABLE endpoints (
    id VARCHAR(64) PRIMARY KEY,
    service_id VARCHAR(64) NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id VARCHAR(255) NOT NULL,
    interface VARCHAR(8) NOT NULL,
    url TEXT NOT NULL,
    enabled BOOLEAN NOT NULL
);

CREATE TABLE revocations (
    audit_id VARCHAR(32) PRIMARY KEY,
    expires_at TIMESTAMP NOT NULL
);
