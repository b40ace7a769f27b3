-- +goose Up
CREATE TABLE resource_providers (
    uuid VARCHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(200) NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    parent_uuid VARCHAR(36) NOT NULL, -- '' for a root
    root_uuid VARCHAR(36) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX resource_providers_root ON resource_providers (root_uuid, uuid);

CREATE TABLE inventories (
    provider_uuid VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid) ON DELETE CASCADE,
    resource_class VARCHAR(255) NOT NULL,
    total BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    min_unit BIGINT NOT NULL,
    max_unit BIGINT NOT NULL,
    step_size BIGINT NOT NULL,
    allocation_ratio DOUBLE PRECISION NOT NULL,
    capacity BIGINT NOT NULL, -- (total - reserved) * allocation_ratio
    used BIGINT NOT NULL, -- the sum of the allocations
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (provider_uuid, resource_class)
);
CREATE INDEX inventories_class ON inventories (resource_class, provider_uuid);

CREATE TABLE consumers (
    uuid VARCHAR(36) NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    project_id VARCHAR(255) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    consumer_type VARCHAR(255) NOT NULL, -- '' where nobody said
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX consumers_project ON consumers (project_id);

CREATE TABLE allocations (
    consumer_uuid VARCHAR(36) NOT NULL REFERENCES consumers (uuid) ON DELETE CASCADE,
    provider_uuid VARCHAR(36) NOT NULL,
    resource_class VARCHAR(255) NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (consumer_uuid, provider_uuid, resource_class),
    FOREIGN KEY (provider_uuid, resource_class) REFERENCES inventories (provider_uuid, resource_class)
);
CREATE INDEX allocations_inventory ON allocations (provider_uuid, resource_class);

CREATE TABLE resource_classes (name VARCHAR(255) NOT NULL PRIMARY KEY);
CREATE TABLE traits (name VARCHAR(255) NOT NULL PRIMARY KEY);

CREATE TABLE provider_traits (
    provider_uuid VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid) ON DELETE CASCADE,
    trait VARCHAR(255) NOT NULL,
    PRIMARY KEY (provider_uuid, trait)
);
CREATE INDEX provider_traits_trait ON provider_traits (trait, provider_uuid);

CREATE TABLE provider_aggregates (
    provider_uuid VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid) ON DELETE CASCADE,
    aggregate_uuid VARCHAR(36) NOT NULL,
    PRIMARY KEY (provider_uuid, aggregate_uuid)
);
CREATE INDEX provider_aggregates_aggregate ON provider_aggregates (aggregate_uuid, provider_uuid);
