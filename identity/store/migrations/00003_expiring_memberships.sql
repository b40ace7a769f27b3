-- +goose Up
-- Groups that an identity provider made a user a member of, for as long as it
-- says after he last signed in there.
CREATE TABLE expiring_memberships (
    user_id VARCHAR(64) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id VARCHAR(64) NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    provider_id VARCHAR(64) NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (user_id, group_id, provider_id)
);
