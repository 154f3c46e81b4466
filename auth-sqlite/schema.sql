-- What the migrations make, to be read. A test keeps this file equal to them; it is not run.
--
-- Times are microseconds since 1970-01-01 00:00:00 UTC. Nothing refers to another table: users,
-- tokens and mails may live in different databases, and no promise needs two rows.

-- One row per user.
CREATE TABLE auth_users (
    -- UUIDv7, as bytes. Never reused.
    id                  BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- What is compared and unique: ASCII, lower case, byte by byte.
    email_canonical     TEXT    NOT NULL COLLATE BINARY UNIQUE,
    -- What is mailed to: the owner's spelling.
    email               TEXT    NOT NULL,
    name                TEXT,
    -- A PHC or bcrypt string. The one place where offline guessing starts: protect the file.
    password_hash       TEXT,
    password_changed_at INTEGER NOT NULL,
    -- Moved by each act that ends all sessions; the guard of every write that must not cross one.
    epoch               INTEGER NOT NULL CHECK (epoch >= 0),
    status              TEXT    NOT NULL CHECK (status IN ('active', 'disabled')),
    -- NULL until the mailbox is proven.
    email_verified_at   INTEGER,
    -- When somebody else last tried to register this address.
    contested_at        INTEGER,
    created_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What purging abandoned registrations walks: the later of both times.
CREATE INDEX auth_users_unverified
    ON auth_users (max(created_at, ifnull(contested_at, created_at)))
    WHERE email_verified_at IS NULL AND status = 'active';

-- One row per log-in on one client, however often its refresh token rotates.
CREATE TABLE auth_sessions (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id         BLOB    NOT NULL CHECK (length(user_id) = 16),
    -- The user's epoch, read before the password was checked.
    epoch           INTEGER NOT NULL CHECK (epoch >= 0),
    -- How often the refresh token was rotated.
    generation      INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    -- SHA-256 of the current generation's refresh token.
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    -- Moved by each rotation.
    idle_expires_at INTEGER NOT NULL,
    -- Never moves.
    expires_at      INTEGER NOT NULL,
    -- An IPv4 or IPv6 address in its usual text form.
    ip              TEXT,
    user_agent      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_sessions_of_user ON auth_sessions (user_id, created_at, id);

-- What purging walks: the end of whichever lifetime ends first.
CREATE INDEX auth_sessions_by_end ON auth_sessions (min(idle_expires_at, expires_at));

-- One row per verification or reset link that was mailed.
CREATE TABLE auth_one_time_tokens (
    -- The id of the intent whose mail carries the token.
    id                         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id                    BLOB    NOT NULL CHECK (length(user_id) = 16),
    purpose                    TEXT    NOT NULL,
    email                      TEXT    NOT NULL,
    epoch                      INTEGER NOT NULL CHECK (epoch >= 0),
    -- SHA-256 of the mailed secret and everything it is bound to.
    digest                     BLOB    NOT NULL CHECK (length(digest) = 32),
    -- What verifying activates: both NULL when it keeps the user's own.
    registration_password_hash TEXT,
    registration_name          TEXT,
    created_at                 INTEGER NOT NULL,
    expires_at                 INTEGER NOT NULL,
    spent_at                   INTEGER,
    CHECK (registration_name IS NULL OR registration_password_hash IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_one_time_tokens_by_end ON auth_one_time_tokens (expires_at);

-- One row per promised mail: queued while dead_at is NULL, a dead letter afterwards.
CREATE TABLE auth_outbox (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- auth_core::store::Intent::payload. Holds no secret from which a link could be made.
    payload    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    -- When it may be claimed: its creation, the end of a lease, or the time of a retry.
    due_at     INTEGER NOT NULL,
    -- `due_at` as the last claim found it: the order in which a claim hands out what it took.
    was_due_at INTEGER NOT NULL,
    -- How often it was claimed; the guard of every settlement.
    attempts   INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4294967295),
    dead_at    INTEGER,
    -- Why it was given up, for the operator.
    reason     TEXT,
    CHECK ((dead_at IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;

-- The queue, the longest due first.
CREATE INDEX auth_outbox_due ON auth_outbox (dead_at, due_at, id);

-- How old the queue is. Not partial: SQLite counts `dead_at IS NULL` only over an index that has the column.
CREATE INDEX auth_outbox_age ON auth_outbox (dead_at, created_at);

-- Dead letters, the oldest burial first.
CREATE INDEX auth_outbox_dead ON auth_outbox (dead_at, id) WHERE dead_at IS NOT NULL;
