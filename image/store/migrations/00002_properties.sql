-- +goose Up
CREATE TABLE image_properties (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
