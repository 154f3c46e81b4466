-- Times are microseconds since 1970-01-01 00:00:00 UTC. No table has a foreign key: users, tokens
-- and mails may be in different databases, and no guarantee needs two rows.

-- One row per user.
CREATE TABLE auth_users (
    -- UUIDv7, as bytes. Never reused.
    id                  BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- Compared and unique: ASCII, lower case, byte by byte.
    email_canonical     TEXT    NOT NULL COLLATE BINARY UNIQUE,
    -- Mails go to this address: the owner's spelling.
    email               TEXT    NOT NULL,
    name                TEXT,
    -- A PHC or bcrypt string. Offline guessing needs this column alone, so protect the file and its
    -- copies.
    password_hash       TEXT,
    password_changed_at INTEGER NOT NULL,
    -- Advanced by each operation that ends all sessions. The guard of writes that must not overtake
    -- one.
    epoch               INTEGER NOT NULL CHECK (epoch >= 0),
    status              TEXT    NOT NULL CHECK (status IN ('active', 'disabled')),
    -- NULL until the owner proves the mailbox.
    email_verified_at   INTEGER,
    -- When another registration of this address was last attempted.
    contested_at        INTEGER,
    created_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The later of both times. Clean-up finds abandoned registrations by it.
CREATE INDEX auth_users_unverified
    ON auth_users (max(created_at, ifnull(contested_at, created_at)))
    WHERE email_verified_at IS NULL AND status = 'active';

-- One row per log-in. Rotations of its refresh token update the row.
CREATE TABLE auth_sessions (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id         BLOB    NOT NULL CHECK (length(user_id) = 16),
    -- The user's epoch, read before the password was checked.
    epoch           INTEGER NOT NULL CHECK (epoch >= 0),
    -- The number of rotations.
    generation      INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    -- SHA-256 of the current refresh token.
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    -- Moved by each rotation.
    idle_expires_at INTEGER NOT NULL,
    -- Never changes.
    expires_at      INTEGER NOT NULL,
    -- An IPv4 or IPv6 address in its usual text form.
    ip              TEXT,
    user_agent      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_sessions_of_user ON auth_sessions (user_id, created_at, id);

-- The earlier of both ends. Clean-up finds ended sessions by it.
CREATE INDEX auth_sessions_by_end ON auth_sessions (min(idle_expires_at, expires_at));

-- One row per mailed link.
CREATE TABLE auth_one_time_tokens (
    -- The id of the intent whose mail carries the token.
    id                         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id                    BLOB    NOT NULL CHECK (length(user_id) = 16),
    purpose                    TEXT    NOT NULL,
    email                      TEXT    NOT NULL,
    epoch                      INTEGER NOT NULL CHECK (epoch >= 0),
    -- SHA-256 of the mailed secret and of everything that the token is bound to.
    digest                     BLOB    NOT NULL CHECK (length(digest) = 32),
    -- Password and name that verifying activates; both NULL if the user keeps the stored ones.
    registration_password_hash TEXT,
    registration_name          TEXT,
    created_at                 INTEGER NOT NULL,
    expires_at                 INTEGER NOT NULL,
    spent_at                   INTEGER,
    CHECK (registration_name IS NULL OR registration_password_hash IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_one_time_tokens_by_end ON auth_one_time_tokens (expires_at);

-- One row per mail request: queued while dead_lettered_at is NULL, a dead letter afterwards.
CREATE TABLE auth_outbox (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- auth_core::store::Intent::payload. Holds no secret from which a link could be made.
    payload          TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    -- When it may be claimed: its creation, the end of a lease, or the time of a retry.
    due_at           INTEGER NOT NULL,
    -- `due_at` before the last claim: the order in which a claim returns what it leased.
    was_due_at       INTEGER NOT NULL,
    -- The number of claims. The guard of complete, retry and move to dead letters.
    attempts         INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4294967295),
    dead_lettered_at INTEGER,
    -- Why delivery was given up, for the operator.
    reason           TEXT,
    CHECK ((dead_lettered_at IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;

-- The queue, the longest due first.
CREATE INDEX auth_outbox_due ON auth_outbox (dead_lettered_at, due_at, id);

-- The age of the queue. Not a partial index: SQLite counts `dead_lettered_at IS NULL` only over an
-- index that has the column.
CREATE INDEX auth_outbox_age ON auth_outbox (dead_lettered_at, created_at);

-- Dead letters, the oldest first.
CREATE INDEX auth_outbox_dead_letters ON auth_outbox (dead_lettered_at, id) WHERE dead_lettered_at IS NOT NULL;
