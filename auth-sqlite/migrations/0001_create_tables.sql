CREATE TABLE auth_users (
    id                  BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email_canonical     TEXT    NOT NULL COLLATE BINARY UNIQUE,
    email               TEXT    NOT NULL,
    name                TEXT,
    password_hash       TEXT,
    password_changed_at INTEGER NOT NULL,
    epoch               INTEGER NOT NULL CHECK (epoch >= 0),
    status              TEXT    NOT NULL CHECK (status IN ('active', 'disabled')),
    email_verified_at   INTEGER,
    contested_at        INTEGER,
    created_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_users_unverified
    ON auth_users (max(created_at, ifnull(contested_at, created_at)))
    WHERE email_verified_at IS NULL AND status = 'active';

CREATE TABLE auth_sessions (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id         BLOB    NOT NULL CHECK (length(user_id) = 16),
    epoch           INTEGER NOT NULL CHECK (epoch >= 0),
    generation      INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    ip              TEXT,
    user_agent      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_sessions_of_user ON auth_sessions (user_id, created_at, id);

CREATE INDEX auth_sessions_by_end ON auth_sessions (min(idle_expires_at, expires_at));

CREATE TABLE auth_one_time_tokens (
    id                         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id                    BLOB    NOT NULL CHECK (length(user_id) = 16),
    purpose                    TEXT    NOT NULL,
    email                      TEXT    NOT NULL,
    epoch                      INTEGER NOT NULL CHECK (epoch >= 0),
    digest                     BLOB    NOT NULL CHECK (length(digest) = 32),
    registration_password_hash TEXT,
    registration_name          TEXT,
    created_at                 INTEGER NOT NULL,
    expires_at                 INTEGER NOT NULL,
    spent_at                   INTEGER,
    CHECK (registration_name IS NULL OR registration_password_hash IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_one_time_tokens_by_end ON auth_one_time_tokens (expires_at);

CREATE TABLE auth_outbox (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    payload    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    was_due_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4294967295),
    dead_at    INTEGER,
    reason     TEXT,
    CHECK ((dead_at IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_outbox_due ON auth_outbox (dead_at, due_at, id);

CREATE INDEX auth_outbox_age ON auth_outbox (dead_at, created_at);

CREATE INDEX auth_outbox_dead ON auth_outbox (dead_at, id) WHERE dead_at IS NOT NULL;
