-- +goose Up
-- Whether a user is there only because a provider vouched for him: such a one
-- goes with the provider.
ALTER TABLE external_users ADD COLUMN mirrored BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE external_users SET mirrored = TRUE WHERE source LIKE 'federation:%';
