-- +goose Up
CREATE TABLE metadef_namespaces (
    id VARCHAR(36) PRIMARY KEY,
    namespace VARCHAR(80) NOT NULL UNIQUE,
    display_name VARCHAR(80) NOT NULL,
    description TEXT NOT NULL,
    visibility VARCHAR(16) NOT NULL,
    protected BOOLEAN NOT NULL,
    owner VARCHAR(255) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE metadef_items (
    namespace_id VARCHAR(36) NOT NULL REFERENCES metadef_namespaces (id) ON DELETE CASCADE,
    kind VARCHAR(16) NOT NULL,
    name VARCHAR(80) NOT NULL,
    body TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (namespace_id, kind, name)
);
CREATE INDEX metadef_items_name ON metadef_items (kind, name);

CREATE TABLE metadef_resource_types (
    name VARCHAR(80) PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
