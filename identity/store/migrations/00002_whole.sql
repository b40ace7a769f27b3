-- +goose Up
ALTER TABLE users ADD COLUMN password_expires_at TIMESTAMP;
ALTER TABLE users ADD COLUMN password_self_service BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE roles ADD COLUMN extra TEXT;
ALTER TABLE regions ADD COLUMN extra TEXT;
ALTER TABLE services ADD COLUMN extra TEXT;
ALTER TABLE endpoints ADD COLUMN extra TEXT;

-- What signing in notes about a user. It is no part of the user's row: a
-- failed attempt must neither race with a change of the user nor make
-- everything that is remembered of tokens worthless.
CREATE TABLE sign_ins (
    user_id VARCHAR(64) PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    failures INTEGER NOT NULL,
    failed_at TIMESTAMP,
    active_at TIMESTAMP
);

CREATE TABLE old_passwords (
    id BIGINT PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash VARCHAR(128) NOT NULL
);
CREATE INDEX old_passwords_user ON old_passwords (user_id);

CREATE TABLE application_credentials (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id VARCHAR(64) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    secret_hash VARCHAR(128) NOT NULL,
    unrestricted BOOLEAN NOT NULL,
    expires_at TIMESTAMP,
    roles TEXT,
    access_rules TEXT,
    UNIQUE (user_id, name)
);
CREATE INDEX application_credentials_project ON application_credentials (project_id);

CREATE TABLE access_rules (
    id VARCHAR(64) PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service VARCHAR(64) NOT NULL,
    method VARCHAR(16) NOT NULL,
    path VARCHAR(128) NOT NULL,
    UNIQUE (user_id, service, method, path)
);

CREATE TABLE trusts (
    id VARCHAR(64) PRIMARY KEY,
    trustor_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    trustee_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id VARCHAR(64) NOT NULL,
    impersonation BOOLEAN NOT NULL,
    expires_at TIMESTAMP,
    remaining_uses INTEGER,
    roles TEXT,
    redelegated_trust_id VARCHAR(64) NOT NULL,
    redelegation_count INTEGER NOT NULL
);
CREATE INDEX trusts_trustor ON trusts (trustor_id);
CREATE INDEX trusts_trustee ON trusts (trustee_id);
CREATE INDEX trusts_project ON trusts (project_id);

CREATE TABLE credentials (
    id VARCHAR(64) PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id VARCHAR(64) NOT NULL,
    type VARCHAR(255) NOT NULL,
    sealed_blob TEXT NOT NULL,
    extra TEXT
);
CREATE INDEX credentials_user ON credentials (user_id);

CREATE TABLE registered_limits (
    id VARCHAR(64) PRIMARY KEY,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(255) NOT NULL,
    resource_name VARCHAR(255) NOT NULL,
    default_limit BIGINT NOT NULL,
    description TEXT NOT NULL,
    UNIQUE (service_id, region_id, resource_name)
);

CREATE TABLE limits (
    id VARCHAR(64) PRIMARY KEY,
    registered_limit_id VARCHAR(64) NOT NULL REFERENCES registered_limits (id),
    project_id VARCHAR(64) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(255) NOT NULL,
    resource_name VARCHAR(255) NOT NULL,
    resource_limit BIGINT NOT NULL,
    description TEXT NOT NULL,
    UNIQUE (registered_limit_id, project_id, domain_id)
);

CREATE TABLE policies (
    id VARCHAR(64) PRIMARY KEY,
    type VARCHAR(255) NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT
);

CREATE TABLE policy_associations (
    policy_id VARCHAR(64) NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    endpoint_id VARCHAR(64) NOT NULL,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(255) NOT NULL,
    PRIMARY KEY (endpoint_id, service_id, region_id)
);

CREATE TABLE endpoint_groups (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    filters TEXT
);

CREATE TABLE project_endpoints (
    project_id VARCHAR(64) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_id VARCHAR(64) NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);

CREATE TABLE project_endpoint_groups (
    project_id VARCHAR(64) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_group_id VARCHAR(64) NOT NULL REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);

CREATE TABLE revocation_events (
    id BIGINT PRIMARY KEY,
    audit_id VARCHAR(32) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL,
    trust_id VARCHAR(64) NOT NULL,
    revoked_at TIMESTAMP NOT NULL
);

CREATE TABLE domain_options (
    domain_id VARCHAR(64) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    section VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (domain_id, section, name)
);

CREATE TABLE identity_providers (
    id VARCHAR(64) PRIMARY KEY,
    domain_id VARCHAR(64) NOT NULL,
    enabled BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    authorization_ttl INTEGER,
    remote_ids TEXT
);

CREATE TABLE mappings (
    id VARCHAR(64) PRIMARY KEY,
    rules TEXT NOT NULL,
    schema_version VARCHAR(8) NOT NULL
);

CREATE TABLE protocols (
    id VARCHAR(64) NOT NULL,
    provider_id VARCHAR(64) NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    mapping_id VARCHAR(64) NOT NULL,
    remote_id_attribute VARCHAR(64) NOT NULL,
    PRIMARY KEY (provider_id, id)
);

CREATE TABLE service_providers (
    id VARCHAR(64) PRIMARY KEY,
    auth_url VARCHAR(256) NOT NULL,
    sp_url VARCHAR(256) NOT NULL,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    relay_state_prefix VARCHAR(256) NOT NULL
);

-- Users who are somebody elsewhere: at an identity provider or in a domain's
-- directory.
CREATE TABLE external_users (
    source VARCHAR(255) NOT NULL,
    unique_id VARCHAR(255) NOT NULL,
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (source, unique_id)
);
CREATE INDEX external_users_user ON external_users (user_id);

CREATE TABLE consumers (
    id VARCHAR(64) PRIMARY KEY,
    secret VARCHAR(64) NOT NULL,
    description TEXT NOT NULL,
    extra TEXT
);

CREATE TABLE oauth_tokens (
    id VARCHAR(64) PRIMARY KEY,
    secret VARCHAR(64) NOT NULL,
    access BOOLEAN NOT NULL,
    consumer_id VARCHAR(64) NOT NULL REFERENCES consumers (id) ON DELETE CASCADE,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    verifier VARCHAR(64) NOT NULL,
    roles TEXT,
    expires_at TIMESTAMP
);
CREATE INDEX oauth_tokens_user ON oauth_tokens (user_id);
