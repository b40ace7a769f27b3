-- +goose Up
CREATE TABLE images (
    id VARCHAR(36) PRIMARY KEY,
    owner VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    status VARCHAR(32) NOT NULL,
    visibility VARCHAR(16) NOT NULL,
    disk_format VARCHAR(16) NOT NULL,
    container_format VARCHAR(16) NOT NULL,
    min_disk INTEGER NOT NULL,
    min_ram INTEGER NOT NULL,
    protected BOOLEAN NOT NULL,
    hidden BOOLEAN NOT NULL,
    size BIGINT NOT NULL,
    virtual_size BIGINT NOT NULL,
    checksum VARCHAR(32) NOT NULL,
    hash_value VARCHAR(128) NOT NULL,
    tags TEXT,
    properties TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX images_owner ON images (owner, created_at);

CREATE TABLE image_tags (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    tag VARCHAR(255) NOT NULL,
    PRIMARY KEY (image_id, tag)
);

CREATE TABLE members (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    member_id VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (image_id, member_id)
);
CREATE INDEX members_member ON members (member_id);
