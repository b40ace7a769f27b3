-- +goose Up
-- What is kept of a token is its hash.
CREATE TABLE console_auth_tokens (
    token_hash VARCHAR(64) PRIMARY KEY,
    server_id VARCHAR(36) NOT NULL,
    console_type VARCHAR(32) NOT NULL,
    host VARCHAR(255) NOT NULL,
    port INTEGER NOT NULL,
    internal_access_path VARCHAR(255) NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX console_auth_tokens_by_server ON console_auth_tokens (server_id);
CREATE INDEX console_auth_tokens_by_end ON console_auth_tokens (expires_at);
