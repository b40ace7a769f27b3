-- +goose Up
CREATE TABLE outbox (
    id BIGINT NOT NULL PRIMARY KEY,
    kind VARCHAR(255) NOT NULL,
    body BYTEA NOT NULL,
    created_at TIMESTAMP NOT NULL
);
