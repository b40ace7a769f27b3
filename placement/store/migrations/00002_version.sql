-- +goose Up
-- Raised with every change of a provider or of what belongs to it.
ALTER TABLE resource_providers ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
DROP INDEX resource_providers_root;
CREATE INDEX resource_providers_tree ON resource_providers (root_uuid, uuid, version);
