-- +goose Up
ALTER TABLE images ADD COLUMN locations TEXT;
ALTER TABLE images ADD COLUMN copies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN staged BIGINT NOT NULL DEFAULT 0;
UPDATE images SET copies = 1, locations = '[{"Store":"file","Ref":"' || id || '"}]' WHERE status IN ('active', 'deactivated');

CREATE TABLE tasks (
    id VARCHAR(36) PRIMARY KEY,
    type VARCHAR(30) NOT NULL,
    status VARCHAR(30) NOT NULL,
    owner VARCHAR(64) NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    input TEXT,
    result TEXT,
    message TEXT NOT NULL,
    expires_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX tasks_owner ON tasks (owner, created_at);
CREATE INDEX tasks_image ON tasks (image_id);
CREATE INDEX tasks_status ON tasks (status);
